#!/usr/bin/env python3
"""test/interop/https.py - HTTPS requests as role fetch makes them, behind its walls, to a server that answers in every way but the right one, too."""
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from certs import Authority
from server import ROOT
from tap import case, check_equal, check_in

PROGRAM = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "test-fetch")
HEADER_MAX = 32768


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", type="text/plain", fields=()):
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        kind, _, n = self.path[1:].partition("-")
        if kind == "size":
            self.answer(200, b"x" * int(n))
        elif kind == "header":
            self.answer(200, b"short", fields=[("X-%d" % i, "y" * 1000) for i in range(int(n))])
        elif kind == "away":
            self.answer(301, b"moved", fields=[("Location", "/text")])
        elif kind == "slow":
            time.sleep(3)
            self.close_connection = True
        elif kind == "chunks":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(5):
                self.wfile.write(b"4\r\nabcd\r\n")
                time.sleep(0.05)
            self.wfile.write(b"0\r\n\r\n")
        elif kind == "none":
            self.answer(404, b"nothing")
        else:
            self.answer(200, b"version: STSv1\n", fields=[("Set-Cookie", "a=b")])

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.answer(201, b"thanks")


class Web:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sp-https-")
        self.authority, other = Authority(os.path.join(self.dir, "ca")), Authority(os.path.join(self.dir, "other"))
        self.servers = {}
        for name, made in (("good", self.authority.issue("mta-sts.demo.test")), ("self", other.issue("mta-sts.demo.test")),
                           ("expired", self.authority.issue("mta-sts.demo.test", expired=True)),
                           ("name", self.authority.issue("www.demo.test", "demo.test")), ("wild", self.authority.issue("*.demo.test"))):
            self.servers[name] = self.serve(made)

    def serve(self, certificate):
        s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        s.socket = certificate.context().wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
        s.handle_error = lambda *_: None
        s.daemon_threads = True
        s.seen = []
        threading.Thread(target=s.serve_forever, daemon=True).start()
        return s

    def ask(self, path, which="good", host="mta-sts.demo.test", size=65536, timeout=5000, address="127.0.0.1", body=None):
        port = self.servers[which].server_address[1]
        words = [PROGRAM, self.authority.path, str(timeout), str(size), host, str(port), path, address] + ([body] if body else [])
        env = dict(os.environ, https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")
        p = subprocess.run(words, capture_output=True, text=True, timeout=30, env=env)
        assert p.returncode == 0, (p.returncode, p.stdout, p.stderr)
        head, _, rest = p.stdout.partition("\n")
        return head, rest.rstrip("\n")


@case("a page, its status and type; nothing is sent but what a request needs, whatever proxies the environment names")
def _(w):
    check_equal(w.ask("/text"), ("200 text/plain", "version: STSv1"))
    path, fields = w.servers["good"].seen[-1]
    check_equal(path, "/text")
    check_equal(sorted(fields), ["Accept", "Host", "User-Agent"])
    check_equal(w.ask("/chunks"), ("200 text/plain; charset=utf-8", "abcd" * 5))


@case("a page that is not there, and a redirect, which is not followed")
def _(w):
    check_equal(w.ask("/none")[0], "404 text/plain")
    before = len(w.servers["good"].seen)
    check_equal(w.ask("/away")[0], "301 text/plain")
    check_equal(len(w.servers["good"].seen), before + 1)


@case("the certificate must be for the name, in time, and lead to an authority")
def _(w):
    check_equal(w.ask("/text", "wild")[0], "200 text/plain")
    for which in ("self", "expired", "name"):
        head, why = w.ask("/text", which)
        check_equal(head, "0 certificate ", which)
        check_in("certificate", why)
        check_equal(w.servers[which].seen, [])


@case("the largest answer is taken, one byte more is none; so with the header")
def _(w):
    check_equal(len(w.ask("/size-65536")[1]), 65536)
    head, why = w.ask("/size-65537")
    check_equal(head, "0 ")
    check_in("larger than 65536", why)
    check_equal(w.ask("/header-31")[0], "200 text/plain")
    head, why = w.ask("/header-33")
    check_equal(head, "0 ")
    check_in(str(HEADER_MAX), why)


@case("a server that does not answer in time, and an address where nobody is; the next address is tried")
def _(w):
    head, why = w.ask("/slow", timeout=700)
    check_equal(head, "0 ")
    assert "time" in why.lower(), why
    check_equal(w.ask("/text", address="127.0.0.77")[0], "0 ")
    check_equal(w.ask("/text", address="::1,127.0.0.77,127.0.0.1")[0], "200 text/plain")


@case("a body is posted")
def _(w):
    check_equal(w.ask("/reports", body="some report")[0], "201 text/plain")
    path, fields, body = w.servers["good"].seen[-1]
    check_equal((path, fields["Content-Type"], body), ("/reports", "application/tlsrpt+gzip", b"some report"))


@case("what is no request is not made")
def _(w):
    for path in ("text", "/a b", "/a\r\nX: y", "/a#b", ""):
        check_equal(w.ask(path)[0], "impossible", path)
    check_equal(w.ask("/text", host="user@host")[0], "impossible")
    check_equal(w.ask("/text", address="localhost:1,[::1]")[0], "impossible")


web = Web()
failed = tap.run(web)
shutil.rmtree(web.dir, ignore_errors=True)
sys.exit(1 if failed else 0)
