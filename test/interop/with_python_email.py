#!/usr/bin/env python3
"""test/interop/with_python_email.py - reports as Python's email package reads them: their parts, their fields, and nothing that was smuggled in."""
import email
import email.policy
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from tap import case, check_equal, check_in

PROG = os.path.join(os.environ.get("SALLYPORT_BUILD", "build"), "test-dsn")
LETTER = b"From: Alice <alice@demo.test>\r\nTo: bob@far.test\r\nSubject: hello\r\nMessage-ID: <1@demo.test>\r\n\r\nText.\r\n"


def compose(letter, *fields):
    out = subprocess.run([PROG.encode()] + [f if isinstance(f, bytes) else f.encode() for f in fields], input=letter, stdout=subprocess.PIPE, check=True).stdout
    for line in out.split(b"\n")[:-1]:
        assert line.endswith(b"\r") and b"\r" not in line[:-1], line
        assert len(line) <= 999 or line in letter, len(line)
    return out


def parse(data):
    m = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    check_equal(m.get_content_type(), "multipart/report")
    check_equal(m.get_param("report-type"), "delivery-status")
    check_equal(len(m.get_payload()), 3)
    for part in m.walk():
        check_equal(part.defects, [])
    return m


def groups(part):
    """The groups of fields of a delivery-status part: of the letter, then of each recipient."""
    if part.get_content_type() == "message/delivery-status":
        return [g for g in part.get_payload() if g.keys()]
    payload = part.get_payload()
    text = payload[0].as_string() if isinstance(payload, list) else part.get_payload(decode=True).decode()
    if isinstance(payload, list):  # it takes message/global-delivery-status for a letter
        text = payload[0].as_bytes().decode("utf-8")
    return [email.message_from_string(g, policy=email.policy.SMTPUTF8) for g in text.replace("\r\n", "\n").strip().split("\n\n")]


@case("a failure: header, words, fields, the whole letter")
def _():
    m = parse(compose(LETTER, "action=failed", "from=alice@demo.test", "envid=QQ 314", "whole=yes", "RCPT=bob@far.test", "orcpt=rfc822;Bob+x@far.test",
                      "status=5.1.1", "code=550", "text=No such user here", "host=mx.far.test", "RCPT=carol@far.test", "status=4.4.1",
                      "text=connection refused", "expired=yes"))
    check_equal(m["From"], "Mail delivery <MAILER-DAEMON@mx.demo.test>")
    check_equal(m["To"], "alice@demo.test")
    check_equal(m["Auto-Submitted"], "auto-replied")
    check_equal(m["References"], "<1@demo.test>")
    check_equal(m["Message-ID"], "<f0123456789abcdef@mx.demo.test>")
    check_equal(m["Date"].datetime.timestamp(), 1800003600.0)
    says, status, letter = m.get_payload()
    text = says.get_content()
    for words in ("could not be delivered", "<bob@far.test>", "There is no such mailbox.", "mx.far.test said: 550 5.1.1 No such user here",
                  "typing error", "<carol@far.test>", "until its time was over", "could not be reached"):
        check_in(words, " ".join(text.split()))
    check_equal(status.get_content_type(), "message/delivery-status")
    of_letter, bob, carol = groups(status)
    check_equal(dict(of_letter.items()), {"Original-Envelope-Id": "QQ 314", "Reporting-MTA": "dns; mx.demo.test", "Arrival-Date": of_letter["Arrival-Date"]})
    check_equal(list(bob.items())[:6], [("Original-Recipient", "rfc822;Bob+x@far.test"), ("Final-Recipient", "rfc822;bob@far.test"), ("Action", "failed"),
                                        ("Status", "5.1.1"), ("Remote-MTA", "dns; mx.far.test"), ("Diagnostic-Code", "smtp; 550 5.1.1 No such user here")])
    check_equal((carol["Status"], carol["Diagnostic-Code"], carol["Original-Recipient"]), ("4.4.1", "X-Sallyport; connection refused", None))
    check_equal(letter.get_content_type(), "message/rfc822")
    check_equal(letter.get_payload()[0].get_content().strip(), "Text.")


@case("RET=HDRS, and whatever is no failure, returns the header alone")
def _():
    for fields in (("action=failed", "ret=hdrs"), ("action=delayed", "until=1800432000"), ("action=relayed",), ("action=delivered",)):
        m = parse(compose(LETTER, *fields, "from=alice@demo.test", "whole=yes", "RCPT=bob@far.test"))
        check_equal(m.get_payload()[2].get_content_type(), "text/rfc822-headers")
        got = m.get_payload()[2].get_content()
        check_in("Subject: hello", got)
        assert "Text." not in got, got


@case("a delay says until when; success says what is known")
def _():
    m = parse(compose(LETTER, "action=delayed", "until=1800432000", "from=alice@demo.test", "RCPT=bob@far.test", "text=timed out", "status=4.4.2"))
    check_in("need not do anything", m.get_payload()[0].get_content())
    g = groups(m.get_payload()[1])[1]
    check_equal((g["Action"], g["Status"]), ("delayed", "4.4.2"))
    check_equal(email.utils.parsedate_to_datetime(g["Will-Retry-Until"]).timestamp(), 1800432000.0)
    for action, words in (("relayed", "handed"), ("delivered", "delivered to the mailboxes")):
        m = parse(compose(LETTER, "action=" + action, "from=alice@demo.test", "RCPT=bob@far.test", "status=2.1.5", "code=250", "text=ok"))
        check_in(words, " ".join(m.get_payload()[0].get_content().split()))
        g = groups(m.get_payload()[1])[1]
        check_equal((g["Action"], g["Status"], g["Diagnostic-Code"]), (action, "2.1.5", None))


@case("a status that says the contrary of the action is not repeated")
def _():
    for status, want in (("2.0.0", "5.0.0"), ("nonsense", "5.0.0"), ("5.1.1234", "5.0.0"), ("5.7.26", "5.7.26"), ("", "5.0.0")):
        m = parse(compose(LETTER, "action=failed", "from=alice@demo.test", "RCPT=bob@far.test", "status=" + status))
        check_equal(groups(m.get_payload()[1])[1]["Status"], want)


@case("a letter larger than 256 KB, or with bytes of no text, comes back as its header")
def _():
    big = LETTER + b"x" * 70 + b"\r\n"
    at_limit = LETTER + (b"y" * 998 + b"\r\n") * 262
    at_limit += b"z" * (262144 - len(at_limit) - 2) + b"\r\n"
    check_equal(len(at_limit), 262144)
    for letter, want in ((big, "message/rfc822"), (at_limit, "message/rfc822"), (at_limit + b"\r\n", "text/rfc822-headers"), (LETTER + b"a\0b\r\n", "text/rfc822-headers"),
                         (LETTER + b"a\rb\r\n", "text/rfc822-headers"), (LETTER + b"a\nb\r\n", "text/rfc822-headers"), (LETTER + b"a", "message/rfc822"),
                         (LETTER + b"a\r", "text/rfc822-headers")):
        m = parse(compose(letter, "action=failed", "from=alice@demo.test", "whole=yes", "RCPT=bob@far.test"))
        check_equal(m.get_payload()[2].get_content_type(), want)


@case("SMTPUTF8: the forms of RFC 6533; without it seven bits")
def _():
    letter = "From: 用户@例子.test\r\nSubject: Grüße\r\nMessage-ID: <1@例子.test>\r\n\r\nText ü\r\n".encode()
    fields = ["action=failed", "from=用户@例子.test", "whole=yes", "RCPT=jörg@müller.test", "orcpt=utf-8;jörg@müller.test", "code=550", "text=unbekannt"]
    data = compose(letter, "utf8=yes", *fields)
    m = parse(data)
    check_equal(str(m["To"]), "<用户@例子.test>" if str(m["To"]).startswith("<") else "用户@例子.test")
    check_equal(m["Content-Transfer-Encoding"], "8bit")
    check_equal([p.get_content_type() for p in m.get_payload()], ["text/plain", "message/global-delivery-status", "message/global"])
    check_in("Final-Recipient: utf-8;jörg@müller.test\r\n", data.decode())
    check_in("Original-Recipient: utf-8;jörg@müller.test\r\n", data.decode())
    check_in("<jörg@müller.test>", m.get_payload()[0].get_content())
    check_equal(m["References"], "<1@例子.test>")
    data = compose(LETTER, "action=failed", "from=alice@demo.test", *fields[2:])
    m = parse(data)
    data.decode("ascii")
    check_equal(groups(m.get_payload()[1])[1]["Final-Recipient"], "utf-8;j\\x{F6}rg@m\\x{FC}ller.test")
    check_in("<jörg@müller.test>", m.get_payload()[0].get_content())


@case("what a hostile server, sender or letter says begins no line, field or part")
def _():
    evil = "x\r\nBcc: victim@far.test\r\n\r\n--report-0-f0123456789abcdef\r\nContent-Type: text/html\r\n\r\n<script>\x1b[2J\x07" + "\u0085\u009b"
    letter = b"Subject: a\r\nMessage-ID: <1@x>\r\n <2@x>\r\nX: --report-0-f0123456789abcdef--\r\n\r\n--report-0-f0123456789abcdef--\r\n"
    m = parse(compose(letter, "action=failed", "from=a\r\nb@demo.test", "envid=" + evil, "whole=yes", "RCPT=bo\r\nb@far.test", "orcpt=rfc822;" + evil,
                      "status=5.1.1", "code=550", "text=" + evil, "host=" + evil))
    assert "Bcc" not in m and "References" not in m, m.keys()
    assert m.get_boundary() != "report-0-f0123456789abcdef"
    of_letter, rcpt = groups(m.get_payload()[1])
    check_equal(sorted(of_letter.keys()), ["Arrival-Date", "Original-Envelope-Id", "Reporting-MTA"])
    check_equal(sorted(rcpt.keys()), ["Action", "Diagnostic-Code", "Final-Recipient", "Last-Attempt-Date", "Original-Recipient", "Remote-MTA", "Status"])
    text = m.get_payload()[0].get_content()
    assert not any(c < " " and c not in "\r\n" for c in text), ascii(text)
    assert not any("\x80" <= c < "\xa0" for c in text), ascii(text)
    check_equal(m.get_payload()[2].get_payload()[0].get_payload().strip(), "--report-0-f0123456789abcdef--")


@case("long replies are folded, and are the same unfolded")
def _():
    text = " ".join("word%d" % n for n in range(70))[:500]
    m = parse(compose(LETTER, "action=failed", "from=alice@demo.test", "RCPT=bob@far.test", "code=554", "status=5.7.1", "text=" + text))
    check_equal(" ".join(groups(m.get_payload()[1])[1]["Diagnostic-Code"].split()), "smtp; 554 5.7.1 " + text)
    m = parse(compose(LETTER, "action=failed", "from=alice@demo.test", "RCPT=bob@far.test", "code=554", "text=" + "y" * 1500))
    check_equal(groups(m.get_payload()[1])[1]["Diagnostic-Code"].count("y"), 996)  # the rest of a thousand


@case("200 recipients with all there is to say")
def _():
    fields = []
    for n in range(200):
        fields += ["RCPT=%s@%s.test" % ("l" * 64, "d" * 63), "orcpt=rfc822;" + "o" * 490, "status=5.123.123", "code=550", "text=" + "t" * 500, "host=" + "h" * 255]
    m = parse(compose(LETTER, "action=failed", "from=alice@demo.test", "whole=yes", *fields))
    check_equal(len(groups(m.get_payload()[1])), 201)


@case("any bytes in any place still give a report of three parts")
def _():
    r = random.Random(7)

    def some(n):
        return bytes(r.choice(b"ab <>@:;=\"\\\r\n\t\xc3\xa4\xff\x1b-") for _ in range(r.randrange(n))).replace(b"\0", b"")

    for _ in range(60):
        data = compose(some(400), b"action=" + r.choice([b"failed", b"delayed", b"relayed"]), b"from=" + some(30) + b"@" + some(30), b"envid=" + some(90), b"whole=yes",
                       *([b"utf8=yes"] if r.random() < .5 else []), b"RCPT=" + some(30) + b"@" + some(30), b"orcpt=" + some(90), b"status=" + some(12), b"code=550",
                       b"text=" + some(400), b"host=" + some(100))
        m = email.message_from_bytes(data, policy=email.policy.compat32)
        check_equal(len(m.get_payload()), 3)
        check_equal([p.get_content_type().split("/")[0] for p in m.get_payload()][:2], ["text", "message"])


sys.exit(1 if tap.run() else 0)
