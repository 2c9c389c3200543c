#!/usr/bin/env python3
"""test/interop/with_smtp_extensions.py - CHUNKING, BINARYMIME, SMTPUTF8, LIMITS: what was sent is what is read."""
import os
import random
import smtplib
import subprocess
import sys
from email.message import EmailMessage

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, empty, letter, wait_until
from server import Server
from tap import case, check_equal, check_in


def last(s, who="alice"):
    c = s.imap(who, select="INBOX")
    data = c.fetch("*", "(BODY.PEEK[])")[1][0][1]
    c.logout()
    return data


def hello(s):
    c = Raw(s, "smtp")
    c.say("EHLO client.test")
    features = []
    while True:
        features.append(c.line())
        if features[-1].startswith("250 "):
            return c, features


def say(c, text, code):
    c.say(text)
    line = c.line()
    assert line.startswith(code), "%s: %s" % (text, line)


def chunked(c, data, sizes, binary=False, to="alice@demo.test"):
    say(c, "MAIL FROM:<x@far.test>" + (" BODY=BINARYMIME" if binary else ""), "250")
    say(c, "RCPT TO:<%s>" % to, "250")
    out, n = b"", 0
    while data:
        size = sizes()
        piece, data = data[:size], data[size:]
        out += b"BDAT %d%s\r\n" % (len(piece), b"" if data else b" LAST") + piece
        n += 1
    c.send(out)  # all of it pipelined
    lines = [c.line() for i in range(n)]
    assert all(line.startswith("250 ") for line in lines), lines
    return lines


@case("EHLO announces them, and the limits that are enforced")
def _(s):
    c, features = hello(s)
    for word in ("CHUNKING", "BINARYMIME", "SMTPUTF8", "8BITMIME"):
        check_in(word, [f[4:] for f in features])
    check_in("LIMITS MAILMAX=100 RCPTMAX=100", [f[4:] for f in features])
    c.close()
    s.set("limits", recipient_domains=2, recipients=100, smtp_letters=3)
    s.run("domain", "add", "two.test")
    s.run("domain", "add", "three.test")
    for domain in ("two.test", "three.test"):
        s.run("alias", "add", "x@" + domain, "alice@demo.test")
    assert s.reload()

    def announced(limits):  # roles take a reload up after the master's line
        probe, features = hello(s)
        probe.close()
        return "LIMITS " + limits in [f[4:] for f in features]
    wait_until(lambda: announced("MAILMAX=3 RCPTMAX=100 RCPTDOMAINMAX=2"), what="the new limits")
    c, features = hello(s)
    say(c, "MAIL FROM:<x@far.test>", "250")
    say(c, "RCPT TO:<alice@demo.test>", "250")
    say(c, "RCPT TO:<x@two.test>", "250")
    say(c, "RCPT TO:<x@three.test>", "452")
    say(c, "RCPT TO:<bob@DEMO.test>", "250")
    for n in range(2):
        say(c, "RSET", "250")
        say(c, "MAIL FROM:<x@far.test>", "250")
    say(c, "RSET", "250")
    say(c, "MAIL FROM:<x@far.test>", "421")
    del s.settings["limits"]
    s.write_conf()
    assert s.reload()
    wait_until(lambda: announced("MAILMAX=100 RCPTMAX=100"), what="the old limits")


@case("strangers are not offered reports of success unless the operator says so")
def _(s):
    c, features = hello(s)
    assert not {"DSN", "DELIVERBY"} & {f[4:] for f in features}, features
    say(c, "MAIL FROM:<x@far.test> RET=HDRS", "555")
    say(c, "MAIL FROM:<x@far.test> BY=100;N", "555")
    say(c, "MAIL FROM:<x@far.test>", "250")
    say(c, "RCPT TO:<alice@demo.test> NOTIFY=SUCCESS", "555")
    say(c, "RCPT TO:<alice@demo.test> ORCPT=rfc822;y@far.test", "555")
    say(c, "RCPT TO:<alice@demo.test>", "250")
    c.close()
    s.set("queue", dsn_for_strangers="yes")
    assert s.reload()
    wait_until(lambda: {"DSN", "DELIVERBY"} <= {f[4:] for f in hello(s)[1]}, what="DSN on port 25")


@case("letters in chunks of every size arrive as they were, small ones and one of 5 MB")
def _(s):
    dice = random.Random(4)
    c, features = hello(s)
    for size in (0, 1, 100, 70000, 5000000):
        data = letter("chunks of %d" % size, "".join(dice.choice(["x" * 70, ".", "..", ""]) + "\r\n" for i in range(size // 20)))
        chunked(c, data, lambda: dice.randrange(1, 2 + len(data) // 7))
        assert last(s).endswith(data), "%d bytes are not what was sent" % len(data)
    c.close()


@case("binary letters arrive to the byte, NULs and bare line ends and all")
def _(s):
    dice = random.Random(5)
    c, features = hello(s)
    for n in (1, 1000, 200000):
        body = bytes(dice.randrange(256) for i in range(n)) + b"\r\n.\r\n\0\n\r"
        data = b"From: x@far.test\r\nSubject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n" \
               b"Content-Transfer-Encoding: binary\r\n\r\n" + body
        chunked(c, data, lambda: dice.randrange(1, 2 + len(data) // 3), binary=True)
        trace = s.imap(select="INBOX")
        size = int(trace.fetch("*", "(RFC822.SIZE)")[1][0].split(b"RFC822.SIZE ")[1].split(b")")[0])
        got = trace.fetch("*", "(BODY.PEEK[])")[1][0][1]
        trace.logout()
        assert got.endswith(data) and len(got) == size, "%d bytes are not what was sent" % n
    c.close()
    s.verify()


@case("smtplib sends to UTF-8 addresses; accounts are found in either normal form, domains as U- and A-label")
def _(s):
    s.run("domain", "add", "m\u00fcller.test")
    check_in("xn--mller-kva.test", s.run("domain", "list"))
    s.run("account", "add", "j\u00f6rg@m\u00fcller.test", stdin="demo\n")
    for n, to in enumerate(("j\u00f6rg@m\u00fcller.test", "j\u00f6rg@xn--mller-kva.test", "jo\u0308rg@M\u00dcLLER.TEST", "J\u00f6rg@XN--MLLER-KVA.test")):
        m = EmailMessage()
        m["From"], m["To"], m["Subject"] = "\u7528\u6237@\u4f8b\u3048.test", to, "Gr\u00fc\u00dfe %d" % n
        m.set_content("hello\n")
        with smtplib.SMTP(s.host, s.port["smtp"], timeout=20) as c:
            check_equal(c.send_message(m), {})
    lines = s.run("account", "list")
    check_in("j\u00f6rg@xn--mller-kva.test", lines)
    with smtplib.SMTP(s.host, s.port["smtp"], timeout=20) as c:
        c.ehlo()
        check_equal(c.docmd("MAIL FROM:<x@far.test>")[0], 250)
        check_equal(c.docmd("RCPT TO:<x@xn--mller-kva.test>")[0], 550)
    # An alias shows the letters, under a name that every client can log in with.
    s.run("alias", "add", "jorg@demo.test", "alice@demo.test", "j\u00f6rg@xn--mller-kva.test")
    empty(s.imap())
    m = EmailMessage()
    m["From"], m["Subject"] = "x@far.test", "by alias"
    m.set_content("hello\n")
    with smtplib.SMTP(s.host, s.port["smtp"], timeout=20) as c:
        check_equal(c.send_message(m, to_addrs=["jorg@demo.test"]), {})
    check_in(b"by alias", last(s))
    s.verify()


@case("the Received field tells UTF8SMTP, and the UTF-8 header is kept as it came")
def _(s):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "j\u00f6rg@far.test", "alice@demo.test", "Gr\u00fc\u00dfe"
    m.set_content("hello\n")
    with s.smtp("smtp", tls=True) as c:
        check_equal(c.send_message(m), {})
    got = last(s)
    check_in(b" with UTF8SMTPS id ", got)
    check_in("Subject: Gr\u00fc\u00dfe\r\n".encode(), got)
    check_in("Return-Path: <j\u00f6rg@far.test>".encode(), got)


@case("curl sends to it with a UTF-8 recipient")
def _(s):
    path = os.path.join(s.dir, "letter")
    with open(path, "wb") as f:
        f.write(letter("by curl"))
    s.run("alias", "add", "\u00f6l@demo.test", "alice@demo.test")
    p = subprocess.run(["curl", "-sS", "--url", "smtp://%s:%d/client.test" % (s.host, s.port["smtp"]), "--mail-from", "x@far.test",
                        "--mail-rcpt", "\u00f6l@demo.test", "--upload-file", path], capture_output=True, text=True, timeout=30)
    check_equal(p.returncode, 0, p.stderr)
    check_in(b"Subject: by curl", last(s))


if __name__ == "__main__":
    tap.need_programs("curl")
    with Server(settings={"pools": {"strangers": 1, "users": 1}}) as server:
        failures = tap.run(server, on_failure=server.show_log)
    sys.exit(1 if failures else 0)
