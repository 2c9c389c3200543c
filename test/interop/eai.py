#!/usr/bin/env python3
"""test/interop/eai.py - addresses in every script, end to end: accounts, submission, other servers, reports (RFC 6530 to 6533, RFC 5891)."""
import base64
import email
import email.policy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, dot_stuff, wait_until
from remote import FEATURES, Remote
from server import Server, free_base
from tap import case, check_equal, check_in

USER, DOMAIN = "用户", "例子.公司"
WHO = USER + "@" + DOMAIN
A_DOMAIN = "xn--fsqu00a.xn--55qx5d"
PLAIN = base64.b64encode(("\0%s\0demo" % WHO).encode()).decode()
HEADER = "From: 用户 <%s>\r\nTo: <%%s>\r\nSubject: %%s\r\nDate: Sun, 22 Nov 2026 15:00:00 +0000\r\nMessage-ID: <%%s@far.test>\r\n\r\nText: 你好\r\n" % WHO


def text(to, subject):
    return (HEADER % (to, subject, subject.encode().hex()[:20])).encode()


def talk(c, line, code):
    c.say(line)
    got = c.line()
    while got[3:4] == "-":
        got = c.line()
    assert got.startswith(str(code)), "%s: %s" % (line, got)
    return got


def send(s, to, data, sender=WHO, service="submission", mail="", rcpt="", code=250):
    with Raw(s, service) as c:
        talk(c, "EHLO client.test", 250)
        if service == "submission":
            talk(c, "AUTH PLAIN " + PLAIN, 235)
        talk(c, "MAIL FROM:<%s> SMTPUTF8 BODY=8BITMIME%s" % (sender, mail), 250)
        for address in to:
            talk(c, "RCPT TO:<%s>%s" % (address, rcpt), 250)
        talk(c, "DATA", 354)
        c.send(dot_stuff(data))
        got = c.line()
        assert got.startswith(str(code)), got


def imap(s):
    c = s.imap(login=None)
    c.authenticate("PLAIN", lambda _challenge: ("\0%s\0demo" % WHO).encode())
    c.select("INBOX")
    return c


def inbox(s):
    c = imap(s)
    data = [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in c.search(None, "ALL")[1][0].split()]
    c.logout()
    return data


def clean(s):
    c = imap(s)
    c.store("1:*", "+FLAGS", "\\Deleted") if c.search(None, "ALL")[1][0] else None
    c.expunge()
    c.logout()


def report(s, n=1):
    wait_until(lambda: len(inbox(s)) >= n, seconds=20, what="a report")
    return inbox(s)[-1]


@case("an account of another script: made, logged in, written to by itself and read by IMAP and POP")
def _(s, far, old):
    s.run("domain", "add", DOMAIN)
    s.run("account", "add", WHO, stdin="demo\n")
    s.run("account", "set", WHO, "pop", "on")
    check_in("%s@%s" % (USER, A_DOMAIN), s.run("account", "list"))
    send(s, [WHO, "alice@demo.test"], text(WHO, "你好 one"))
    for address in (WHO, "%s@%s" % (USER, A_DOMAIN), "%s@例子.xn--55qx5d" % USER):
        send(s, [address], text(WHO, "again"))
    wait_until(lambda: len(inbox(s)) == 4, what="four letters")
    got = next(d for d in inbox(s) if "你好 one".encode() in d)
    for words in ("Return-Path: <%s>" % WHO, "Subject: 你好 one", "Text: 你好", " with UTF8SMTPA id "):
        check_in(words.encode(), got)
    with Raw(s, "pop3") as c:
        c.say("AUTH PLAIN " + PLAIN)
        assert c.line().startswith("+OK"), "POP login"
        c.say("RETR 1")
        lines = []
        while not lines or lines[-1] != b".":
            lines.append(c.line_bytes().rstrip(b"\r\n"))
        check_in("Text: 你好".encode(), lines)
    c = s.imap(select="INBOX")
    check_in("Subject: 你好 one".encode(), c.fetch("*", "(BODY.PEEK[])")[1][0][1])
    c.logout()
    clean(s)


@case("to another server that knows SMTPUTF8: addresses and header as they are, U-labels and A-labels one destination")
def _(s, far, old):
    send(s, ["jörg@bücher.test", "ann@xn--bcher-kva.test", "Bob@BÜCHER.test"], text("jörg@bücher.test", "hinüber"), rcpt=" ORCPT=utf-8;jörg@bücher.test NOTIFY=FAILURE")
    got = far.wait_for("hinüber")
    check_equal(len(got.rcpts), 3)
    check_in("jörg", "".join(got.rcpts))
    check_in(got.sender, (WHO, "%s@%s" % (USER, A_DOMAIN)))
    assert "SMTPUTF8" in got.params, got.params
    check_in("Text: 你好".encode(), got.data)
    assert any(p.get("ORCPT", "").lower() in ("utf-8;jörg@bücher.test", "utf-8;j\\x{f6}rg@b\\x{fc}cher.test") for p in got.rcpt_params.values()), got.rcpt_params


@case("refused there: a report of the form of RFC 6533, with the letter, in the author's mailbox")
def _(s, far, old):
    far.script["rcpt"] = "550 5.1.1 unbekannt"
    send(s, ["jörg@bücher.test"], text("jörg@bücher.test", "zurück"), rcpt=" ORCPT=utf-8;alt\\x{F6}@bücher.test")
    data = report(s)
    m = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    check_equal([p.get_content_type() for p in m.get_payload()], ["text/plain", "message/global-delivery-status", "message/global"])
    check_in("<%s>" % "jörg@bücher.test", m.get_payload()[0].get_content())
    check_in("Original-Recipient: utf-8;altö@bücher.test\r\n".encode(), data)
    check_in("Final-Recipient: utf-8;jörg@bücher.test\r\n".encode(), data)
    check_in("Subject: zurück".encode(), data)
    check_in(("To: <%s>" % WHO).encode(), data)
    far.script.clear()
    clean(s)


@case("a server without SMTPUTF8: what cannot be said there comes back at once, and says why")
def _(s, far, old):
    send(s, ["jörg@old.test"], text("jörg@old.test", "unsagbar"))
    data = report(s)
    check_in(b"Final-Recipient: utf-8;", data)
    m = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    check_in("Action: failed", data.decode())
    check_in("Status: 5.6.7", data.decode())
    check_in("SMTPUTF8", m.get_payload()[0].get_content())
    check_equal(old.letters, [])
    check_in("jörg@old.test", m.get_payload()[0].get_content())
    clean(s)


@case("a stranger of another script asks for success: the report goes out by SMTPUTF8")
def _(s, far, old):
    n = len(far.letters)
    send(s, [WHO], text(WHO, "von drüben"), sender="jörg@bücher.test", service="smtp", mail=" ENVID=x", rcpt=" NOTIFY=SUCCESS")
    got = far.wait(n + 1)[-1]
    check_equal(got.sender, "")
    check_in("jörg@", got.rcpts[0])
    assert "SMTPUTF8" in got.params, got.params
    check_in("Final-Recipient: utf-8;%s\r\n".encode() % WHO.encode(), got.data)
    check_in(b"Action: delivered", got.data)


@case("a letter of seven bits from there to a server that knows nothing new")
def _(s, far, old):
    with Raw(s, "smtp") as c:
        talk(c, "EHLO mx.other.test", 250)
        talk(c, "MAIL FROM:<ann@old.test>", 250)
        talk(c, "RCPT TO:<x@%s> NOTIFY=SUCCESS" % A_DOMAIN, 550)
    s.run("alias", "add", "ascii@" + DOMAIN, WHO)
    with Raw(s, "smtp") as c:
        talk(c, "EHLO mx.other.test", 250)
        talk(c, "MAIL FROM:<ann@old.test>", 250)
        talk(c, "RCPT TO:<ascii@%s> NOTIFY=SUCCESS" % A_DOMAIN, 250)
        talk(c, "DATA", 354)
        c.send(b"Subject: plain\r\n\r\nplain\r\n.\r\n")
        check_in("250", c.line())
    got = old.wait(1)[-1]
    got.data.decode("ascii")
    check_in(b"message/delivery-status", got.data)
    check_in(("Final-Recipient: rfc822;ascii@%s\r\n" % A_DOMAIN).encode(), got.data)
    s.verify()


def main():
    plain = tuple(f for f in FEATURES if f != "SMTPUTF8")
    with Remote("127.0.0.1", free_base(1)) as far, Remote("127.0.0.1", free_base(1), features=plain) as old:
        s = Server(settings={"queue": {"dsn_for_strangers": "yes", "retry_first": "1s", "retry_max": "1s", "suppress_after": 0}})
        s.extra_listeners = ["route %s { next_hop [127.0.0.1]:%d; tls none }" % at for at in (("xn--bcher-kva.test", far.port), ("old.test", old.port))]
        s.write_conf()
        with s:
            return tap.run(s, far, old, on_failure=s.show_log)


sys.exit(1 if main() else 0)
