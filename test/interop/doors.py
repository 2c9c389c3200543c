#!/usr/bin/env python3
"""test/interop/doors.py - listeners: addresses, ports and who holds them, networks, PROXY headers, sockets of a service manager."""
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, wait_until
from server import Server, binary, free_base
from tap import case, check_equal, check_in

V2 = b"\r\n\r\n\0\r\nQUIT\n"
# Runs a program with sockets as a service manager hands them over: descriptors from 3 on, named, for this very process.
HAND_OVER = """
import fcntl, os, sys
fds = [int(n) for n in sys.argv[1].split(",")]
fds = [fcntl.fcntl(n, fcntl.F_DUPFD, 100) for n in fds]
for at, n in enumerate(fds, 3):
    os.dup2(n, at, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def proxy_v2(source, port, local="192.0.2.2", local_port=25, command=0x21, tlvs=b""):
    v6 = ":" in source
    family = socket.AF_INET6 if v6 else socket.AF_INET
    rest = socket.inet_pton(family, source) + socket.inet_pton(family, local) + struct.pack("!HH", port, local_port) + tlvs
    return V2 + bytes([command, 0x21 if v6 else 0x11]) + struct.pack("!H", len(rest)) + rest


def listener(s, name, service, more, port=None):
    """Adds a listen block of its own under a name for Raw."""
    s.port[name] = port or free_base(1)
    s.extra_listeners.append("listen %s { address 127.0.0.1; port %d; %s }" % (service, s.port[name], more))
    s.write_conf()
    assert s.reload()


def head_and_greeting(s, name, head):
    c = Raw(s, name, greeting=False)
    c.send(head)
    return c, c.line()


def status_of(server, *words):
    """Starts a server that is to refuse its configuration; what it says."""
    p = subprocess.run(server.command_line("run"), capture_output=True, text=True, timeout=20)
    check_equal(p.returncode, 1, p.stderr)
    return p.stderr


@case("several listeners of a service, on addresses and ports of their own, IPv4 and IPv6, one of port 65535 and of many loopback addresses")
def _(s):
    base = free_base(2)
    s.extra_listeners += ["listen smtp { address 127.0.0.2 127.0.0.3 ::1; port %d }" % base, "listen smtp { address 127.9.9.9; port 65535 }",
                          "listen imap { address 0.0.0.0 ::; port %d; auth_without_tls yes }" % (base + 1)]
    s.write_conf()
    assert s.reload()
    for address, port, first in (("127.0.0.2", base, b"220 "), ("127.0.0.3", base, b"220 "), ("::1", base, b"220 "), ("127.9.9.9", 65535, b"220 "),
                                 ("127.0.0.1", base + 1, b"* OK"), ("::1", base + 1, b"* OK")):
        with socket.create_connection((address, port), 10) as c:
            check_equal(c.recv(4), first, "%s %d" % (address, port))
    s.extra_listeners = []
    s.write_conf()
    assert s.reload()

    def refused():
        try:
            socket.create_connection(("127.0.0.2", base), 10).close()
            return False
        except ConnectionRefusedError:
            return True
    wait_until(refused, what="the end of a listener that is not configured any more")


@case("a port in use: the error names file, line, address, the program that has it and the way out; the server in use goes on")
def _(s):
    held = socket.create_server(("127.0.0.1", 0))
    port = held.getsockname()[1]
    s.extra_listeners = ["listen smtp { address 127.0.0.1; port %d }" % port]
    s.write_conf()
    at = s.log_size()
    assert not s.reload()
    line = s.wait_log("cannot bind", at=at)
    check_in("listen smtp: cannot bind 127.0.0.1 port %d: python3 (pid %d) has this port; stop it, or choose another" % (port, os.getpid()), line)
    check_in("%s:" % s.conf, line)
    s.extra_listeners = []
    s.write_conf()
    assert s.reload()
    held.close()
    with Server() as other:
        other.stop()
        with open(other.conf) as f:
            text = f.read()
        other.write_conf(text.replace("listen smtp { address 127.0.0.1; port %d" % other.port["smtp"],
                                      "listen smtp { address 127.0.0.1; port %d" % s.port["smtp"]))
        said = status_of(other)
        check_in("127.0.0.1 port %d: sallyport (pid %d) has this port" % (s.port["smtp"], s.process.pid), said)
        check_in("%s:" % other.conf, said)


@case("an address of another machine is told")
def _(s):
    s.extra_listeners = ["listen smtp { address 192.0.2.77; port 2525 }"]
    s.write_conf()
    at = s.log_size()
    assert not s.reload()
    check_in("cannot bind 192.0.2.77 port 2525: this machine has no such address", s.wait_log("cannot bind", at=at))
    s.extra_listeners = []
    s.write_conf()


@case("networks: clients from elsewhere are closed at once, counted and logged; those listed are served")
def _(s):
    listener(s, "here", "smtp", "networks 127.0.0.0/8 ::1")
    listener(s, "elsewhere", "imap", "auth_without_tls yes; networks 192.0.2.0/24 2001:db8::/32")
    check_in("220 ", Raw(s, "here").greeting)
    at = s.log_size()
    for n in range(2):
        check_equal(Raw(s, "elsewhere", greeting=False).rest(), b"")
    line = s.wait_log("connection-outside", at=at)
    check_in("127.0.0.1", line)
    check_in("imap", line)


@case("PROXY: the client's address counts, of version 1 and 2, IPv4 and IPv6; LOCAL and UNKNOWN are the connection's own")
def _(s):
    listener(s, "proxied", "smtp", "proxy_protocol yes; proxy_networks 127.0.0.0/8")
    v6 = proxy_v2("2001:db8::7", 5, "::1")
    for head, ip in ((b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 25\r\n", "203.0.113.9"), (b"PROXY TCP6 2001:db8::5 ::1 4711 25\r\n", "2001:db8::5"),
                     (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (proxy_v2("203.0.113.10", 9), "203.0.113.10"), (v6, "2001:db8::7"),
                     (proxy_v2("203.0.113.11", 9, tlvs=b"\x04\x00\x03abc" + b"\x01\x00\x00"), "203.0.113.11"),
                     (proxy_v2("203.0.113.12", 9, command=0x20), "127.0.0.1")):
        at = s.log_size()
        c, first = head_and_greeting(s, "proxied", head)
        check_in("220 ", first, repr(head))
        c.say("QUIT")
        c.rest()
        check_in("ip=%s " % ip, s.wait_log("smtp-session", at=at) + " ")


@case("PROXY headers cut at every byte are put together")
def _(s):
    for head in (b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 25\r\n", proxy_v2("203.0.113.10", 9, tlvs=b"\x04\x00\x03abc")):
        c = Raw(s, "proxied", greeting=False)
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(head)):
            c.send(head[i:i + 1])
            time.sleep(0.001)
        check_in("220 ", c.line())
        c.close()


@case("PROXY comes before TLS; what follows the header in the same packet is TLS's")
def _(s):
    listener(s, "proxied-imaps", "imaps", "proxy_protocol yes; proxy_networks 127.0.0.1")
    c = Raw(s, "proxied-imaps", greeting=False)
    c.send(b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 993\r\n")
    c.start_tls()
    check_in("* OK", c.line())
    c.close()


@case("PROXY: no header, a wrong one, one that lies or comes too slowly ends the connection without a word")
def _(s):
    s.set("timeouts", proxy="1s")
    s.set("limits", proxy_header=536)
    assert s.reload()
    time.sleep(1)  # roles take a reload up after the master's line
    four = proxy_v2("203.0.113.10", 9)
    for head in (b"EHLO there\r\n", b"PROXY TCP4 203.0.113.9 192.0.2.2 99999 25\r\n", b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 25\n",
                 V2 + b"\x21\x11\xff\xff", V2 + b"\x21\x11\x00\x04\x01\x02\x03\x04", V2 + b"\x21\x12\x00\x0c" + four[16:],
                 V2 + b"\x21\x11" + struct.pack("!H", 521), V2 + b"\x21\x41\x00\x0c" + four[16:], b"PROXY " + b"x" * 200, b"PROXY TCP4 ", b""):
        began = time.monotonic()
        c = Raw(s, "proxied", greeting=False)
        c.send(head)
        check_equal(c.rest(), b"", repr(head))
        assert time.monotonic() - began < 10, "%r was waited for" % head
    c, first = head_and_greeting(s, "proxied", proxy_v2("203.0.113.10", 9, tlvs=b"\x04" + struct.pack("!H", 520 - 15) + b"x" * (520 - 15)))
    check_in("220 ", first, "a header of 536 bytes")
    c.close()


@case("PROXY: only the listed proxies may send one, and networks are of the client told")
def _(s):
    listener(s, "others-proxy", "smtp", "proxy_protocol yes; proxy_networks 192.0.2.0/24")
    c = Raw(s, "others-proxy", greeting=False)
    check_equal(c.rest(), b"")
    listener(s, "proxied-some", "smtp", "proxy_protocol yes; proxy_networks 127.0.0.1; networks 203.0.113.0/24")
    check_in("220 ", head_and_greeting(s, "proxied-some", b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 25\r\n")[1])
    c = Raw(s, "proxied-some", greeting=False)
    c.send(b"PROXY TCP4 203.0.114.9 192.0.2.2 4711 25\r\n")
    check_equal(c.rest(), b"")


@case("PROXY: limits of one address are of the address told, not of the proxy")
def _(s):
    s.set("limits", connections_per_address_strangers=2)
    assert s.reload()
    time.sleep(1)  # roles take a reload up after the master's line
    held = []
    for client in (1, 2, 3):
        for n in range(2):
            c, first = head_and_greeting(s, "proxied", b"PROXY TCP4 203.0.113.%d 192.0.2.2 4711 25\r\n" % client)
            check_in("220 ", first)
            held.append(c)
    check_in("421 ", head_and_greeting(s, "proxied", b"PROXY TCP4 203.0.113.1 192.0.2.2 4711 25\r\n")[1])
    for c in held:
        c.close()


@case("swaks speaks PROXY version 1 and 2 to it")
def _(s):
    for version in ("1", "2"):
        at = s.log_size()
        p = subprocess.run(["swaks", "--server", s.host, "--port", str(s.port["proxied"]), "--to", "alice@demo.test", "--from", "x@example.org",
                            "--proxy-version", version, "--proxy-family", "TCP4" if version == "1" else "AF_INET", "--proxy-source", "203.0.113.99",
                            "--proxy-source-port", "4711", "--proxy-dest", "192.0.2.2", "--proxy-dest-port", "25"],
                           capture_output=True, text=True, timeout=30)
        check_equal(p.returncode, 0, p.stdout + p.stderr)
        check_in("ip=203.0.113.99 ", s.wait_log("smtp-accepted", at=at) + " ")


def handed(sockets, names, server):
    fds = ",".join(str(x.fileno()) for x in sockets)
    return subprocess.Popen([sys.executable, "-c", HAND_OVER, fds, names, binary(), "-c", server.conf, "run"], stdin=subprocess.DEVNULL,
                            stdout=open(server.log, "ab"), stderr=subprocess.STDOUT, start_new_session=True, cwd=server.dir,
                            pass_fds=[x.fileno() for x in sockets])


@case("sockets of a service manager serve the listeners they are bound to; a connection from before the start is served")
def _(unused):
    s = Server()
    try:
        four = socket.create_server(("127.0.0.1", s.port["smtp"]))
        early = socket.create_connection(("127.0.0.1", s.port["smtp"]))
        s.process = handed([four], "smtp.socket", s)
        s.wait_log(" ready ", exits=True)
        check_equal(early.recv(4), b"220 ")
        check_in("* OK", Raw(s, "imap").greeting)
        assert s.reload()
        check_in("220 ", Raw(s, "smtp").greeting)
        s.stop()
        late = socket.create_connection(("127.0.0.1", s.port["smtp"]))  # the manager's own copy still listens
        late.close()
        early.close()
        four.close()
    finally:
        s.close()


@case("a dual-stack socket of a service manager serves both families of a listener")
def _(unused):
    s = Server()
    try:
        port = free_base(1)
        s.extra_listeners = ["listen smtp { port %d }" % port]
        s.write_conf()
        both = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        s.process = handed([both], "smtp.socket", s)
        s.wait_log(" ready ", exits=True)
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port), 10) as c:
                check_equal(c.recv(4), b"220 ")
        both.close()
    finally:
        s.close()


@case("a socket of a service manager that no listener names, or that does not listen, is an error that says so")
def _(unused):
    s = Server()
    try:
        stray = socket.create_server(("127.0.0.1", 0))
        p = handed([stray], "stray", s)
        check_equal(p.wait(20), 1)
        check_in("handed over the socket stray, bound to 127.0.0.1 port %d, which no listen block names" % stray.getsockname()[1], s.log_text())
        stray.close()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        p = handed([datagrams], "odd", s)
        check_equal(p.wait(20), 1)
        check_in("(odd) is no listening stream socket", s.log_text())
        datagrams.close()
    finally:
        s.process = None
        s.close()


@case("systemd-socket-activate starts it at the first connection")
def _(unused):
    if subprocess.run(["which", "systemd-socket-activate"], capture_output=True).returncode:
        raise AssertionError("no systemd-socket-activate; tools/install-deps check installs systemd")
    s = Server()
    try:
        with open(s.log, "ab") as log:
            s.process = subprocess.Popen(["systemd-socket-activate", "-l", "127.0.0.1:%d" % s.port["smtp"], "--fdname=smtp", binary(), "-c", s.conf, "run"],
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        s.wait_log("Listening on", exits=True)
        with socket.create_connection(("127.0.0.1", s.port["smtp"]), 10) as c:
            c.settimeout(20)
            check_equal(c.recv(4), b"220 ")
    finally:
        s.close()


if __name__ == "__main__":
    tap.need_programs("swaks")
    with Server(settings={"pools": {"strangers": 1, "users": 1}}) as server:
        failures = tap.run(server, on_failure=server.show_log)
    sys.exit(1 if failures else 0)
