#!/usr/bin/env python3
"""test/interop/with_smtplib.py - SMTP and submission with Python's client, and bare connections where it would not go."""
import base64
import os
import smtplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter, subjects, uids
from server import Server
from tap import case, check_equal, check_in

WAYS = (("smtp", False), ("smtp", True), ("submission", False), ("submission", True), ("submissions", True))


def fetch_last(s, who="alice"):
    c = s.imap(who, select="INBOX")
    data = c.fetch("*", "(BODY.PEEK[])")[1]
    c.logout()
    return data[0][1]


@case("a letter by every service, plain and under TLS, lands in INBOX")
def _(s):
    for service, tls in WAYS:
        login = None if service == "smtp" else "bob"
        subject = "by %s %s" % (service, tls)
        with s.smtp(service, tls=tls, login=login) as c:
            refused = c.sendmail("bob@demo.test" if login else "x@far.test", ["alice@demo.test"], letter(subject))
        check_equal(refused, {})
        c = s.imap("alice")
        check_in(subject, subjects(c))
        c.logout()


@case("EHLO offers what the connection can do, and no more")
def _(s):
    with s.smtp("smtp") as c:
        assert c.has_extn("starttls") and c.has_extn("pipelining") and c.has_extn("8bitmime") and c.has_extn("size")
        assert not c.has_extn("auth"), "logins for strangers"
        c.starttls(context=s.tls_context())
        c.ehlo()
        assert not c.has_extn("starttls"), "STARTTLS under TLS"
    with s.smtp("submission", tls=True) as c:
        assert c.has_extn("auth")
        check_equal(sorted(c.esmtp_features["auth"].split()), ["LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])


@case("AUTH PLAIN and LOGIN, wrong passwords, cancelled and malformed responses")
def _(s):
    for method in ("auth_plain", "auth_login"):
        with s.smtp("submission", tls=True) as c:
            c.user, c.password = "alice@demo.test", "demo"
            name = method[5:].upper()
            check_equal(c.auth(name, getattr(c, method))[0], 235, name)
            check_equal(c.docmd("AUTH", "PLAIN")[0], 503, "a second login")
    with s.smtp("submission", tls=True) as c:
        try:
            c.login("alice@demo.test", "wrong")
            raise AssertionError("a wrong password was taken")
        except smtplib.SMTPAuthenticationError as e:
            check_equal(e.smtp_code, 535)
    with Raw(s, "submission") as c:
        c.smtp("EHLO c.test")
        expect(c.smtp("AUTH PLAIN"), 334)
        expect(c.smtp("*"), 501)
        expect(c.smtp("AUTH PLAIN !!!!"), 501)
        expect(c.smtp("AUTH DIGEST-MD5"), 504)
        nobody = base64.b64encode(b"\0nobody@demo.test\0demo").decode()
        expect(c.smtp("AUTH PLAIN " + nobody), 535)
        good = base64.b64encode(b"\0alice@demo.test\0demo").decode()
        expect(c.smtp("AUTH PLAIN " + good), 235)


@case("submission wants a login, and a sender of one's own")
def _(s):
    with s.smtp("submission", tls=True) as c:
        check_equal(c.docmd("MAIL", "FROM:<alice@demo.test>")[0], 530)
        c.login("alice@demo.test", "demo")
        check_equal(c.docmd("MAIL", "FROM:<bob@demo.test>")[0], 553)
        check_equal(c.docmd("MAIL", "FROM:<alice@demo.test>")[0], 250)


@case("commands out of order get 503, unknown ones 500, bad arguments 501")
def _(s):
    with Raw(s, "smtp") as c:
        expect(c.smtp("MAIL FROM:<a@b.test>"), 503)
        expect(c.smtp("EHLO"), 501)
        expect(c.smtp("EHLO c.test"), 250)
        expect(c.smtp("RCPT TO:<alice@demo.test>"), 503)
        expect(c.smtp("DATA"), 503)
        expect(c.smtp("FROBNICATE"), 500)
        expect(c.smtp("MAIL FROM:a@b.test>"), 501)
        expect(c.smtp("MAIL FROM:<a@b.test> FOO=1"), 555)
        expect(c.smtp("mail from:<a@b.test> size=100 body=8bitmime"), 250)
        expect(c.smtp("MAIL FROM:<a@b.test>"), 503)
        expect(c.smtp("DATA"), 554)
        expect(c.smtp("RSET"), 250)
        expect(c.smtp("NOOP anything"), 250)
        expect(c.smtp("VRFY alice@demo.test"), 252)
        expect(c.smtp("HELP"), 214)
    with Raw(s, "smtp") as c:
        expect(c.smtp("GET / HTTP/1.1"), 421)
        check_equal(c.rest(), b"", "after a web browser's request")


@case("a pipelined transaction gets its replies in order")
def _(s):
    with Raw(s, "smtp") as c:
        c.send(b"EHLO c.test\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<alice@demo.test>\r\nRCPT TO:<nobody@demo.test>\r\n"
               b"RCPT TO:<bob@demo.test>\r\nDATA\r\n")
        codes = [c.smtp()[0] for _ in range(6)]
        check_equal(codes, [250, 250, 250, 550, 250, 354])
        c.send(letter("pipelined") + b".\r\nNOOP\r\nQUIT\r\n")
        check_equal([c.smtp()[0] for _ in range(3)], [250, 250, 221])
        check_equal(c.rest(), b"")


@case("8-bit text, dots and an empty body come through unchanged")
def _(s):
    for body in (b"K\xc3\xb6ln \xff\xfe\r\n", b".\r\n..\r\n.x\r\n", b"", b"a line of 5000 " + b"x" * 5000 + b"\r\n"):
        data = letter("bytes") + body
        expect(deliver(s, "alice", data), 250)
        got = fetch_last(s)
        assert got.endswith(data), "sent %r, got %r" % (data[-200:], got[-200:])
        check_in(b"Return-Path: <sender@far.test>\r\n", got)
        check_in(b"Received: from client.test ([127.0.0.1])", got)


@case("a letter above the announced size is refused at MAIL, and at DATA when nothing was announced")
def _(s):
    with Raw(s, "smtp") as c:
        text = c.smtp("EHLO c.test")[1]
        limit = int([l for l in text.splitlines() if " SIZE" in l or "-SIZE" in l][0].split()[-1])
        expect(c.smtp("MAIL FROM:<a@far.test> SIZE=%d" % (limit + 1)), 552)
        expect(c.smtp("MAIL FROM:<a@far.test> SIZE=%d" % limit), 250)
        c.smtp("RSET")
        expect(c.smtp("MAIL FROM:<a@far.test>"), 250)
        expect(c.smtp("RCPT TO:<alice@demo.test>"), 250)
        expect(c.smtp("DATA"), 354)
        c.send(letter("too big"))
        line = b"x" * 998 + b"\r\n"
        for _ in range(limit // 1000 // 100 + 1):
            c.send(line * 100)
        c.send(b".\r\n")
        expect(c.smtp(), 552)
        expect(c.smtp("NOOP"), 250)
    c = s.imap("alice")
    assert "too big" not in subjects(c)
    c.logout()


@case("NUL, bare CR and bare LF are refused, and end no letter (smuggling)")
def _(s):
    for bad in (b"a NUL\0 here\r\n", b"bare\rCR\r\n", b"bare\nLF\r\n",
                b"x\n.\nMAIL FROM:<evil@far.test>\r\nRCPT TO:<bob@demo.test>\r\nDATA\r\nsmuggled\r\n",
                b"x\r\n.\nQUIT\r\n", b"x\n.\r\nQUIT\r\n", b"x\r.\rQUIT\r\n"):
        with Raw(s, "smtp") as c:
            c.smtp("EHLO c.test")
            c.smtp("MAIL FROM:<a@far.test>")
            c.smtp("RCPT TO:<alice@demo.test>")
            expect(c.smtp("DATA"), 354)
            c.send(letter("bad bytes") + bad + b".\r\n")
            code, text = c.smtp()
            check_equal(code, 554, "reply to %r" % bad)
            expect(c.smtp("NOOP"), 250)


@case("the Bcc of a submission is removed; a missing Date and Message-ID are added")
def _(s):
    with Raw(s, "submission") as c:
        c.smtp("EHLO c.test")
        expect(c.smtp("AUTH PLAIN " + base64.b64encode(b"\0alice@demo.test\0demo").decode()), 235)
        for to in ("bob", "alice"):
            c.smtp("MAIL FROM:<alice@demo.test>")
            expect(c.smtp("RCPT TO:<%s@demo.test>" % to), 250)
            expect(c.smtp("DATA"), 354)
            c.send(b"From: alice@demo.test\r\nBcc: secret@far.test,\r\n more@far.test\r\nSubject: bcc\r\n\r\nx\r\n.\r\n")
            expect(c.smtp(), 250)
    got = fetch_last(s, "bob")
    assert b"secret" not in got and b"more@far" not in got, got
    check_in(b"Message-ID: <", got)
    check_in(b"\r\nDate: ", got)


@case("errors beyond the limit end the session with 421")
def _(s):
    with Raw(s, "smtp") as c:
        c.smtp("EHLO c.test")
        codes = []
        while not codes or codes[-1] != 421:
            codes.append(c.smtp("WRONG")[0])
            assert len(codes) < 30, "it never ends"
        check_equal(c.rest(), b"")
        assert len(codes) <= 11, "%d errors" % len(codes)


@case("recipients beyond the limit get 452, those before are served")
def _(s):
    with Raw(s, "smtp") as c:
        c.smtp("EHLO c.test")
        c.smtp("MAIL FROM:<a@far.test>")
        codes = [c.smtp("RCPT TO:<alice+%d@demo.test>" % i)[0] for i in range(102)]
        check_equal(codes, [250] * 100 + [452] * 2)
        expect(c.smtp("DATA"), 354)
        c.send(letter("hundred names") + b".\r\n")
        expect(c.smtp(), 250)
    c = s.imap("alice")
    check_equal(subjects(c).count("hundred names"), 1, "copies of a letter named a hundred times")
    c.logout()


@case("letters beyond those of a session get 421, and the next session is welcome")
def _(s):
    empty(s.imap("bob"))
    with s.smtp() as c:
        for i in range(100):
            c.sendmail("a@far.test", "bob@demo.test", letter("s %d" % i))
        check_equal(c.docmd("MAIL", "FROM:<a@far.test>")[0], 421)
    expect(deliver(s, "bob", letter("next")), 250)
    c = s.imap("bob", select="INBOX")
    check_equal(len(uids(c)), 101)
    c.logout()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
