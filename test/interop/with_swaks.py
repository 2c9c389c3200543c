#!/usr/bin/env python3
"""test/interop/with_swaks.py - swaks, the SMTP tester, on ports 25, 587 and 465."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import client_certificate, empty, subjects
from server import Server
from tap import case, check_equal, check_in

SWAKS_AUTH = 28
SWAKS_RCPT = 24
SWAKS_MAIL = 23
SWAKS_DATA = 26
SWAKS_TLS = 29


def swaks(s, service, subject, *words, status=0, to="alice@demo.test", sender="x@far.test", login=None, password="demo"):
    line = ["swaks", "--server", "127.0.0.1", "--port", str(s.port[service]), "--to", to, "--from", sender, "--helo", "client.test",
            "--header", "Subject: " + subject, "--timeout", "15"] + list(words)
    if login:
        line += ["--auth-user", login + "@demo.test", "--auth-password", password]
    p = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=40)
    check_equal(p.returncode, status, "status of %s:\n%s%s" % (" ".join(line), p.stdout, p.stderr))
    return p.stdout


@case("port 25: plain, STARTTLS, pipelined, both")
def _(s):
    empty(s.imap())
    swaks(s, "smtp", "plain")
    out = swaks(s, "smtp", "tls", "--tls", "--tls-verify", "--tls-ca-path", s.ca, "--tls-sni", "mail.demo.test")
    check_in("=== TLS started", out)
    swaks(s, "smtp", "pipelined", "--pipeline")
    swaks(s, "smtp", "both", "--tls", "--pipeline")
    swaks(s, "smtp", "helo", "--protocol", "SMTP")
    c = s.imap()
    check_equal(subjects(c), ["plain", "tls", "pipelined", "both", "helo"])
    c.logout()


@case("587 and 465: PLAIN and LOGIN under STARTTLS, TLS on connect, and plain where it is allowed")
def _(s):
    empty(s.imap("bob"))
    for kind in ("PLAIN", "LOGIN"):
        swaks(s, "submission", "587 " + kind, "--tls", "--auth", kind, login="alice", sender="alice@demo.test", to="bob@demo.test")
        swaks(s, "submissions", "465 " + kind, "--tls-on-connect", "--auth", kind, login="alice", sender="alice@demo.test", to="bob@demo.test")
        swaks(s, "submission", "open " + kind, "--auth", kind, login="alice", sender="alice@demo.test", to="bob@demo.test")
    swaks(s, "submission", "pipelined", "--tls", "--pipeline", "--auth", "PLAIN", login="alice", sender="alice@demo.test", to="bob@demo.test")
    c = s.imap("bob")
    check_equal(len(subjects(c)), 7)
    c.logout()


@case("wrong passwords, no login, foreign senders and unknown recipients are refused at their place")
def _(s):
    swaks(s, "submission", "x", "--tls", "--auth", "PLAIN", login="alice", password="wrong", status=SWAKS_AUTH)
    swaks(s, "submission", "x", "--tls", sender="alice@demo.test", status=SWAKS_MAIL)
    swaks(s, "submission", "x", "--tls", "--auth", "PLAIN", login="alice", sender="bob@demo.test", status=SWAKS_MAIL)
    swaks(s, "smtp", "x", to="nobody@demo.test", status=SWAKS_RCPT)
    swaks(s, "smtp", "x", to="x@far.test", status=SWAKS_RCPT)
    swaks(s, "smtp", "x", "--auth", "PLAIN", login="alice", status=SWAKS_AUTH)


@case("every mechanism that swaks has and is offered, on 587 with STARTTLS and on 465: certificates judged, a wrong password told")
def _(s):
    empty(s.imap("bob"))
    verify = ("--tls-verify", "--tls-ca-path", s.ca, "--tls-sni", "mail.demo.test")
    for service, tls in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
        who = dict(login="alice", sender="alice@demo.test", to="bob@demo.test")
        out = swaks(s, service, "any", tls, *verify, "--auth", **who)  # it takes what it knows of those that are announced
        for kind in ("PLAIN", "LOGIN"):
            check_in("235 2.7.0", swaks(s, service, kind, tls, *verify, "--auth", kind, **who))
            check_in("535 5.7.8", swaks(s, service, "x", tls, *verify, "--auth", kind, password="wrong", status=SWAKS_AUTH, **who))
        offered = re.search(r"250-AUTH (.*)", out).group(1).split()
        check_equal(offered, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"])
        # What else swaks knows: challenges that a server can answer only with the password itself at hand. They are not offered, and it says so.
        for kind in ("CRAM-MD5", "CRAM-SHA1", "DIGEST-MD5"):
            out = swaks(s, service, "x", tls, *verify, "--auth", kind, status=SWAKS_AUTH, **who)
            assert "AUTH " + kind not in out, out
    c = s.imap("bob")
    check_equal(len(subjects(c)), 6)
    c.logout()


@case("a client's certificate: shown where it is asked for, it opens nothing by itself and hinders nothing")
def _(s):
    certificate, key = client_certificate(s, "swaks")
    s.listener_options = "client_certificate yes"
    s.write_conf()
    assert s.reload()
    try:
        s.run("certificate", "pin", "alice@demo.test", certificate)
        for service, tls in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
            shown = (tls, "--tls-cert", certificate, "--tls-key", key)
            who = dict(sender="alice@demo.test", to="bob@demo.test")
            check_in("EXTERNAL", swaks(s, service, "with", *shown, "--auth", "PLAIN", login="alice", **who))  # announced now; swaks does not know it
            swaks(s, service, "x", *shown, status=SWAKS_MAIL, **who)
            swaks(s, service, "x", *shown, "--auth", "PLAIN", login="alice", password="wrong", status=SWAKS_AUTH, **who)
    finally:
        s.listener_options = ""
        s.write_conf()
        assert s.reload()


@case("several recipients, some unknown, pipelined: those that are known get it")
def _(s):
    out = swaks(s, "smtp", "some", "--pipeline", to="alice@demo.test,nobody@demo.test,bob@demo.test")
    check_in("550 5.1.1", out)
    for who in ("alice", "bob"):
        c = s.imap(who)
        check_in("some", subjects(c))
        c.logout()


@case("8BITMIME bodies and announced sizes: what fits is taken, what does not is refused at MAIL")
def _(s):
    with tempfile.NamedTemporaryFile(dir=s.dir) as f:
        f.write("From: x@far.test\nSubject: eight bits\nContent-Type: text/plain; charset=utf-8\n\nGr\u00fc\u00dfe\n".encode())
        f.flush()
        swaks(s, "smtp", "unused", "--data", "@" + f.name, sender="x@far.test")
    c = s.imap(select="INBOX")
    check_in("Gr\u00fc\u00dfe\r\n".encode(), c.fetch("*", "(BODY.PEEK[TEXT])")[1][0][1])
    c.logout()


@case("TLS is refused where there is none left, and demanded where it must be")
def _(s):
    s.without_tls_login = False
    s.write_conf()
    assert s.reload()
    try:
        swaks(s, "submission", "x", "--auth", "PLAIN", login="alice", sender="alice@demo.test", to="bob@demo.test", status=SWAKS_AUTH)
        swaks(s, "submission", "x", sender="alice@demo.test", status=SWAKS_MAIL)
        swaks(s, "submission", "under TLS", "--tls", "--auth", "PLAIN", login="alice", sender="alice@demo.test", to="bob@demo.test")
    finally:
        s.without_tls_login = True
        s.write_conf()
        assert s.reload()


if __name__ == "__main__":
    tap.need_programs("swaks")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
