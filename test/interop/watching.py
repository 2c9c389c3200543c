#!/usr/bin/env python3
"""test/interop/watching.py - what the server counts: the command status and the metrics listener, over HTTP as Prometheus and curl speak it."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, expect, letter
from server import Server, free_base
from tap import case, check_equal, check_in

PORTS = {}


def ask(head, port="plain"):
    """What the listener answers to these bytes, and whether it closed."""
    with socket.create_connection(("127.0.0.1", PORTS[port]), timeout=10) as c:
        c.sendall(head)
        c.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            piece = c.recv(65536)
            if not piece:
                return got
            got += piece


def curl(s, *words):
    return subprocess.run(["curl", "-sS", "--cacert", s.ca, *words], capture_output=True, text=True, timeout=30)


def metrics(s):
    text = curl(s, "http://127.0.0.1:%d/metrics" % PORTS["plain"]).stdout
    found = {}
    for line in text.splitlines():
        m = re.fullmatch(r'([a-z_]+)(\{[^}]*\})? ([0-9.e+-]+)', line)
        assert m or line.startswith("# "), line
        if m:
            found[m.group(1) + (m.group(2) or "")] = float(m.group(3))
    return found


def until(what, seconds=15):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)


@case("a letter, a login and a refused login are counted, by service")
def _(s):
    before = metrics(s)
    expect(deliver(s, "alice", letter("count me", "text\r\n")), 250)
    s.imap("alice", "imaps").logout()
    try:
        s.imap(None, "imap", tls=True).login("alice@demo.test", "wrong")
    except Exception:
        pass

    def grown():
        now = metrics(s)
        return all(now[k] > before[k] for k in (
            "sallyport_letters_accepted_total", "sallyport_deliveries_total", 'sallyport_logins_total{service="imaps"}',
            'sallyport_logins_refused_total{service="imap"}', 'sallyport_tls_handshakes_total{service="imap"}',
            'sallyport_connections_total{service="smtp"}', 'sallyport_received_bytes_total{service="smtp"}', "sallyport_store_syncs_total"))
    until(grown)


@case("open sessions are a gauge that falls again")
def _(s):
    key = 'sallyport_sessions{service="imap"}'
    c = s.imap("alice")
    until(lambda: metrics(s)[key] == 1)
    c.logout()
    until(lambda: metrics(s)[key] == 0)


@case("counters do not fall when a process dies, gauges forget it")
def _(s):
    held = s.imap("alice")
    key, gauge = 'sallyport_connections_total{service="imap"}', 'sallyport_sessions{service="imap"}'
    until(lambda: metrics(s)[gauge] == 1)
    before = metrics(s)[key]
    at = s.lives()
    for pid in s.pids("edge-user"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(r["state"] == "ready" and at.get((r["role"], r["index"])) != (r["life"], r["pid"])
                      for r in s.roles() if r["role"] == "edge-user"))
    now = metrics(s)
    assert now[key] >= before, (now[key], before)
    check_equal(now[gauge], 0)
    check_equal(now['sallyport_role_starts_total{role="edge-user",index="0"}'], 2)
    held.sock.close()


@case("every sample has HELP and TYPE before it, each once")
def _(s):
    text = curl(s, "http://127.0.0.1:%d/metrics" % PORTS["plain"]).stdout
    typed, seen = set(), set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, name
            typed.add(name)
        elif not line.startswith("#"):
            name = re.match(r"[a-z_]+", line).group(0)
            check_in(name, typed)
            assert line.rsplit(" ", 1)[0] not in seen, line
            seen.add(line.rsplit(" ", 1)[0])
    assert len(seen) > 100, len(seen)


@case("status has a line a service, with the same numbers")
def _(s):
    until(lambda: any(line.startswith("service\tsmtp\tsessions ") and "\tconnections " in line for line in s.run("status").splitlines()))


@case("HTTP: HEAD, 404, 405 with Allow, 501, keep-alive, HTTP/1.0")
def _(s):
    base = "http://127.0.0.1:%d" % PORTS["plain"]
    head = curl(s, "-I", base + "/metrics").stdout
    check_in("HTTP/1.1 200 OK", head)
    assert int(re.search(r"Content-Length: (\d+)", head).group(1)) > 1000, head
    check_in(" 404 ", curl(s, "-i", base + "/").stdout)
    posted = curl(s, "-i", "-X", "DELETE", base + "/metrics").stdout
    check_in(" 405 ", posted)
    check_in("Allow: GET, HEAD", posted)
    check_in(" 501 ", curl(s, "-i", "-X", "BREW", base + "/metrics").stdout)
    twice = curl(s, "-v", base + "/metrics", base + "/metrics")
    check_in("Re-using existing connection", twice.stderr)
    old = ask(b"GET /metrics HTTP/1.0\r\n\r\n")
    check_in(b"Connection: close", old)


@case("HTTP: what cannot be read ends the connection with the reason's status")
def _(s):
    for head, status in ((b"GET /metrics HTTP/1.1\r\n\r\n", 400), (b"GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", 505),
                         (b"GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", 400),
                         (b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400), (b"GET /metrics HTTP/1.1\nHost: x\n\n", 400),
                         (b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
                         (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
                         (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 64 + b"\r\n", 431),
                         (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413),
                         (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400), (b"\0\1\2\3\r\n\r\n", 400)):
        got = ask(head)
        assert got.startswith(b"HTTP/1.1 %d " % status), (head[:60], got[:60])
        check_in(b"Connection: close", got)
    exact = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 63 + b"Connection: close\r\n\r\n"
    check_in(b"431", ask(exact))
    check_in(b" 404 ", ask(exact.replace(b"A: b\r\n", b"", 1)))


@case("HTTPS when tls is implicit")
def _(s):
    got = curl(s, "--resolve", "%s:%d:127.0.0.1" % (s.hostname, PORTS["tls"]), "https://%s:%d/metrics" % (s.hostname, PORTS["tls"]))
    check_in("sallyport_letters_accepted_total", got.stdout, got.stderr)


@case("a listener without an address is refused, with the reason and the line")
def _(s):
    text = s.conf_text() + "listen metrics { port 9464 }\n"
    path = os.path.join(s.dir, "bad.conf")
    with open(path, "w") as f:
        f.write(text)
    p = subprocess.run([s.bin, "-c", path, "config", "check"], capture_output=True, text=True)
    assert p.returncode == 1 and ":%d: metrics shows" % len(text.splitlines()) in p.stderr, p.stderr


def main():
    server = Server(settings={"pools": {"users": 1}})
    base = free_base(2)
    PORTS.update(plain=base, tls=base + 1)
    server.extra_listeners += ["listen metrics { address 127.0.0.1; port %d }" % base, "listen metrics { address 127.0.0.1; port %d; tls implicit }" % (base + 1)]
    server.write_conf()
    with server as s:
        return tap.run(s, on_failure=s.show_log)


sys.exit(1 if main() else 0)
