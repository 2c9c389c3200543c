#!/usr/bin/env python3
"""test/kill/hostile.py - slow and hostile clients on every port: the server stays up, others are served, no role ends, memory is bounded."""
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, expect, letter
from server import SERVICES, Server
from tap import case, check_equal, check_in, comment

PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
IMPLICIT = ("submissions", "imaps", "pop3s")


def memory_kb(s):
    """Resident memory of all roles, by role and number."""
    found = {}
    for r in s.roles():
        with open("/proc/%d/statm" % r["pid"]) as f:
            found[r["role"], r["index"]] = int(f.read().split()[1]) * PAGE_KB
    return found


def served(s):
    """Another client's whole round trip, and how long it takes."""
    began = time.monotonic()
    expect(deliver(s, "bob", letter("others are served")), 250)
    c = s.imap("bob", "imaps", select="INBOX")
    check_equal(c.fetch("*", "(FLAGS)")[0], "OK")
    c.logout()
    return time.monotonic() - began


def connect(s, service, timeout=10):
    return socket.create_connection((s.host, s.port[service]), timeout=timeout)


def drop(sock):
    """Ends a connection with RST."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    except OSError:
        pass


def push(sock, data):
    """Sends as long as the other side takes it."""
    try:
        sock.sendall(data)
        return True
    except OSError:
        return False


@case("a client that asks for megabytes and never reads: memory stays bounded, others are served")
def _(s):
    c = s.imap()
    c.create("big")
    data = letter("big", ("x" * 76 + "\r\n") * 60000)
    for _ in range(3):
        c.append("big", None, None, data)
    c.logout()
    before = memory_kb(s)
    held = []
    for _ in range(20):
        r = Raw(s, "imap").imap_login(select="big")
        r.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        r.sock.settimeout(1)
        push(r.sock, b"".join(b"f%d FETCH 1:* (BODY.PEEK[])\r\n" % i for i in range(200)))
        held.append(r)
    smtp = Raw(s, "smtp")
    smtp.smtp("EHLO c.test")
    smtp.sock.settimeout(1)
    push(smtp.sock, b"HELP\r\n" * 400000)
    pop = Raw(s, "pop3")
    pop.sock.settimeout(1)
    push(pop.sock, b"CAPA\r\n" * 400000)
    time.sleep(1)
    took = served(s)
    after = memory_kb(s)
    grown = {k: (after[k] - before[k]) // 1024 for k in before if after.get(k, 0) > before[k]}
    comment("grown by MB: %r; another client took %.2f s" % (grown, took))
    assert all(mb < 60 for mb in grown.values()), grown
    assert took < 5, took
    for r in held + [smtp, pop]:
        drop(r.sock)


@case("one byte at a time is served like any other")
def _(s):
    for service, words, want in (("smtp", b"EHLO c.test\r\nQUIT\r\n", b"221 "), ("imap", b"a LOGIN alice@demo.test demo\r\nb LOGOUT\r\n", b"b OK"),
                                 ("pop3", b"CAPA\r\nQUIT\r\n", b"+OK")):
        c = Raw(s, service)
        for i in range(len(words)):
            c.send(words[i:i + 1])
            time.sleep(0.005)
        check_in(want, c.rest())
    context = s.tls_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=s.hostname)
    sock = connect(s, "imaps")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            for b in outgoing.read():
                sock.send(bytes([b]))
            incoming.write(sock.recv(65536))
    for b in outgoing.read():
        sock.send(bytes([b]))
    sock.close()


@case("a byte a second holds a place, but only until the time for it is over")
def _(s):
    s.set("timeouts", smtp_greeting="2s", smtp_command="2s", imap_login="2s", tls_handshake="2s", smtp_data="2s")
    assert s.reload()
    time.sleep(0.2)
    ended = {}

    def drip(service):
        sock = connect(s, service, timeout=1)
        began = time.monotonic()
        while time.monotonic() - began < 20:
            if not push(sock, b"N"):
                break
            time.sleep(1)
            try:
                if sock.recv(4096) == b"":
                    break
            except TimeoutError:
                pass
            except OSError:
                break
        ended[service] = time.monotonic() - began
        sock.close()
    threads = [threading.Thread(target=drip, args=(service,)) for service in SERVICES]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    comment("ended after " + ", ".join("%s %.0f s" % kv for kv in sorted(ended.items())))
    late = {k: v for k, v in ended.items() if v > 16}
    check_equal(late, {}, "services that a drip holds")
    del s.settings["timeouts"]
    s.write_conf()
    assert s.reload()


@case("a line of 200 KB, and one of 20 MB without end, are refused or dropped")
def _(s):
    before = memory_kb(s)
    for n in (200 << 10, 20 << 20):
        for service in ("smtp", "submission", "imap", "pop3"):
            c = Raw(s, service)
            c.sock.settimeout(5)
            for prefix in (b"", b"EHLO ", b"x LOGIN ", b"USER "):
                if not push(c.sock, prefix + b"A" * (n // 4)):
                    break
            push(c.sock, b"\r\n")
            try:
                c.sock.recv(1000)
            except OSError:
                pass
            drop(c.sock)
    c = Raw(s, "imap")
    c.send(b"a LOGIN {99999999999}\r\n")
    check_in("a ", c.line())
    c.send(b"b LOGIN {4294967297+}\r\n")
    c.close()
    after = memory_kb(s)
    grown = {k: (after[k] - before[k]) // 1024 for k in before if after.get(k, 0) > before[k]}
    assert all(mb < 30 for mb in grown.values()), grown
    served(s)


@case("half-open TLS handshakes hold nobody up")
def _(s):
    held = []
    for service in IMPLICIT:
        for part in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff" + b"\x01" * 100):
            for _ in range(3):
                sock = connect(s, service)
                push(sock, part)
                held.append(sock)
    for service, word in (("smtp", b"EHLO c.test\r\nSTARTTLS\r\n"), ("imap", b"a STARTTLS\r\n"), ("pop3", b"STLS\r\n")):
        sock = connect(s, service)
        sock.recv(1000)
        for line in word.splitlines(True):
            sock.sendall(line)
            sock.recv(1000)
        push(sock, b"\x16\x03\x01")
        held.append(sock)
    took = served(s)
    assert took < 2, took
    for sock in held:
        drop(sock)
    served(s)


@case("garbage on every port, plain and where TLS is expected")
def _(s):
    rng = random.Random(11)
    for service in SERVICES:
        for size in (1, 10, 100, 5000, 100000):
            sock = connect(s, service, timeout=2)
            push(sock, bytes(rng.randrange(256) for _ in range(size)))
            try:
                sock.settimeout(0.1)
                sock.recv(4096)
            except OSError:
                pass
            drop(sock)
        for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000, b"\r\n" * 5000, b"\r" * 5000, b"\n" * 5000, b"%s%n%x" * 100 + b"\r\n",
                     b"* OK hi\r\n+ go\r\n" * 100, b"\xff\xf4\xff\xfd\x06\r\n"):
            sock = connect(s, service, timeout=2)
            push(sock, text)
            drop(sock)
    served(s)


@case("garbage inside TLS, and after a login")
def _(s):
    rng = random.Random(12)
    for service in IMPLICIT:
        c = Raw(s, service, tls=True)
        push(c.sock, bytes(rng.randrange(256) for _ in range(20000)))
        drop(c.sock)
    words = ["FETCH", "1:*", "BODY[", "(", ")", "{10}", "{3+}", "\"", "UID", "SEARCH", "NOT", "OR", "STORE", "+FLAGS", "\\Seen", "*", "<0.1>", "\0", "APPEND",
             "INBOX", "COPY", "%", "LIST", "&AAA-", "4294967295", "999999999999999999999", "HEADER.FIELDS", "]", "CREATE", "a/b//c", "CHARSET", "IDLE"]
    for _ in range(40):
        c = Raw(s, "imap").imap_login(select="INBOX")
        for i in range(40):
            text = " ".join(rng.choice(words) for _ in range(rng.randrange(1, 12)))
            if not push(c.sock, ("g%d %s\r\n" % (i, text)).encode()):
                break
        c.sock.settimeout(0.05)
        try:
            c.sock.recv(65536)
        except OSError:
            pass
        drop(c.sock)
    served(s)


@case("what follows STARTTLS in the same packet is not obeyed after the handshake")
def _(s):
    for service, first, start, injected, ok in (
            ("smtp", b"EHLO c.test\r\n", b"STARTTLS\r\n", b"EHLO evil.test\r\nMAIL FROM:<evil@far.test>\r\n", b"220"),
            ("submission", b"EHLO c.test\r\n", b"STARTTLS\r\n", b"EHLO evil.test\r\n", b"220"),
            ("imap", b"", b"a STARTTLS\r\n", b"b CAPABILITY\r\n", b"a OK"), ("pop3", b"", b"STLS\r\n", b"CAPA\r\n", b"+OK")):
        c = Raw(s, service)
        if first:
            c.smtp(first.decode().strip())
        c.send(start + injected)
        line = c.line().encode()
        if not line.startswith(ok):
            continue  # refused as a whole
        try:
            c.start_tls()
        except (AssertionError, OSError):
            raise AssertionError("%s answered the injected command in plain: %r" % (service, c.data))
        c.sock.settimeout(1)
        try:
            got = c.sock.recv(4096)
        except OSError:
            got = b""
        check_equal(got, b"", service + " obeyed what was sent before TLS")
        c.close()


@case("a thousand quick connections: open and gone, with and without a word")
def _(s):
    began = time.monotonic()
    for i in range(1000):
        try:
            sock = connect(s, SERVICES[i % len(SERVICES)])
            if i % 3 == 0:
                sock.sendall(b"QUIT\r\n")
            if i % 2:
                drop(sock)
            else:
                sock.close()
        except OSError:
            pass
    comment("%.2f s" % (time.monotonic() - began))
    time.sleep(0.3)
    served(s)


@case("a letter that stops in the middle leaves nothing behind")
def _(s):
    for cut in (b"", b"Subject: cut\r\n\r\n", b"Subject: cut\r\n\r\n" + b"x" * 300000, b"Subject: cut\r\n\r\n" + (b"x" * 70 + b"\r\n") * 100000 + b"."):
        for i in range(5):
            c = Raw(s, "smtp")
            c.smtp("EHLO c.test")
            c.smtp("MAIL FROM:<a@far.test>")
            c.smtp("RCPT TO:<alice@demo.test>")
            expect(c.smtp("DATA"), 354)
            push(c.sock, cut)
            drop(c.sock)
    for _ in range(5):
        c = Raw(s, "imap").imap_login()
        c.send(b"a APPEND INBOX {2000000+}\r\n" + b"x" * 100000)
        drop(c.sock)
    c = s.imap(select="INBOX")
    check_equal(c.search(None, "SUBJECT", "cut")[1], [b""])
    c.logout()


@case("no role ended in all this, and what is stored obeys its invariants")
def _(s):
    check_equal({life for life, _pid in s.lives().values()}, {1}, "lives: %r" % s.lives())
    assert "role-died" not in s.log_text()
    check_equal(s.lives(), s.first_lives)
    s.verify()


if __name__ == "__main__":
    with Server({"limits": {"smtp_errors": 100, "login_failures": 0}}) as server:
        server.first_lives = server.lives()
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
