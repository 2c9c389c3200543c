#!/usr/bin/env python3
"""test/interop/reports.py - delivery status notifications through the running server: to its users and to senders elsewhere, about letters that failed,
wait, were handed on or arrived; forwarding with rewritten senders and the way back; loops; ETRN."""
import email
import email.policy
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, dot_stuff, empty, letter, wait_until
from remote import FEATURES, Remote
from server import Server, free_base
from tap import case, check_equal, check_in

QUEUE = {"dsn_for_strangers": "yes", "retry_first": "1s", "retry_max": "1s", "suppress_after": 0, "account_rate": 0, "warn_after": "1h", "lifetime": "1h"}
QUIET_S = 2.0  # for what must not come


class Report:
    def __init__(self, data):
        self.data, self.message = data, email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
        parts = self.message.get_payload()
        self.text, self.third = " ".join(parts[0].get_content().split()), parts[2]
        groups = [g for g in parts[1].get_payload() if g.keys()]
        self.about, self.rcpts = groups[0], {g["Final-Recipient"].split(";", 1)[1]: g for g in groups[1:]}

    def prefix(self, name):
        return email.message_from_bytes(self.data)[name]


def reports(s, who="alice"):
    c = s.imap(who, select="INBOX")
    found = c.search(None, "ALL")[1][0].split()
    data = [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found]
    c.logout()
    return [Report(d) for d in data if b"multipart/report" in d]


def one_report(s, who="alice", n=1):
    wait_until(lambda: len(reports(s, who)) >= n, seconds=20, what="a report")
    got = reports(s, who)
    check_equal(len(got), n, "reports")
    return got[-1]


def clean(s, *names):
    for who in names or ("alice", "bob"):
        empty(s.imap(who))


def submit(s, to, data=None, mail=(), rcpt=(), login="alice", sender=None):
    with s.smtp("submission", login=login) as c:
        if "smtputf8" in c.esmtp_features and any("SMTPUTF8" in m for m in mail):
            c.command_encoding = "utf-8"
        code, text = c.docmd("MAIL", " ".join(["FROM:<%s>" % (s.address(login) if sender is None else sender)] + list(mail)))
        assert code == 250, text
        for address in [to] if isinstance(to, str) else to:
            code, text = c.docmd("RCPT", " ".join(["TO:<%s>" % address] + list(rcpt)))
            assert code == 250, text
        code, text = c.data(data or letter("report me", sender=s.address(login)))
        assert code == 250, text


def incoming(s, sender, to, data, params=""):
    """A stranger's letter; the code and text of the last reply."""
    with Raw(s, "smtp") as c:
        c.smtp("EHLO mx.other.test")
        for line in ("MAIL FROM:<%s>" % sender, "RCPT TO:<%s>%s" % (to, params), "DATA"):
            reply = c.smtp(line)
            if reply[0] >= 400:
                return reply
        c.send(dot_stuff(data))
        return c.smtp()


def script(remote, **steps):
    remote.script.clear()
    remote.script.update(steps)


@case("a refusal comes back with what was asked for: ENVID, ORCPT, the letter, words and fields")
def _(s, far, other, old):
    script(far, rcpt="550 5.1.1 no such user here")
    submit(s, "bob@far.test", mail=["RET=FULL", "ENVID=QQ+2B1"], rcpt=["ORCPT=rfc822;Bob+2Bx@old.test", "NOTIFY=FAILURE,DELAY"])
    r = one_report(s)
    got = r.rcpts["bob@far.test"]
    check_equal((r.about["Original-Envelope-Id"], got["Action"], got["Status"], got["Original-Recipient"]), ("QQ+1", "failed", "5.1.1", "rfc822;Bob+x@old.test"))
    check_equal(got["Diagnostic-Code"], "smtp; 550 5.1.1 no such user here")
    check_in("There is no such mailbox.", r.text)
    check_equal(r.third.get_content_type(), "message/rfc822")
    check_in("Hello", r.third.get_payload()[0].get_content())
    check_equal(r.prefix("Return-Path"), "<>")
    check_equal(r.prefix("Auto-Submitted"), "auto-replied")
    check_equal(r.prefix("References"), "<report-me@far.test>")
    check_equal(got["Remote-MTA"], "dns; [127.0.0.1]")
    clean(s)


@case("RET=HDRS: the header; NOTIFY=NEVER, NOTIFY=SUCCESS and a null sender: nothing")
def _(s, far, other, old):
    script(far, rcpt="550 5.1.1 no")
    submit(s, "bob@far.test", mail=["RET=HDRS"])
    r = one_report(s)
    check_equal(r.third.get_content_type(), "text/rfc822-headers")
    assert "Hello" not in r.third.get_content()
    at = s.log_size()
    submit(s, "n@far.test", rcpt=["NOTIFY=NEVER"])
    submit(s, "s@far.test", rcpt=["NOTIFY=SUCCESS"])
    submit(s, "z@far.test", sender="")
    wait_until(lambda: far.said("RCPT TO:<Z@FAR.TEST>"), what="the last one")
    time.sleep(QUIET_S)
    check_equal(len(reports(s)), 1)
    assert "report-sent" not in s.log_text(at)
    clean(s)


@case("what is asked for goes on to a server that knows DSN, which reports itself")
def _(s, far, other, old):
    script(far)
    submit(s, "bob@far.test", data=letter("asked", sender="alice@demo.test"), mail=["RET=HDRS", "ENVID=a+2Bb"], rcpt=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;B+3D@far.test"])
    got = far.wait_for("asked")
    check_equal((got.params["RET"], got.params["ENVID"]), ("HDRS", "a+2Bb"))
    check_equal((set(got.rcpt_params["bob@far.test"]["NOTIFY"].split(",")), got.rcpt_params["bob@far.test"]["ORCPT"]), ({"SUCCESS", "DELAY"}, "rfc822;B+3D@far.test"))
    time.sleep(QUIET_S)
    check_equal(reports(s), [])


@case("one that knows none of it: word that the letter was relayed, to who asked for success")
def _(s, far, other, old):
    script(far)
    submit(s, "bob@old.test", data=letter("relayed", sender="alice@demo.test"), mail=["RET=HDRS"], rcpt=["NOTIFY=SUCCESS"])
    submit(s, "carol@old.test", data=letter("not asked", sender="alice@demo.test"))
    got = old.wait_for("relayed")
    assert "RET" not in got.params and not got.rcpt_params["bob@old.test"], (got.params, got.rcpt_params)
    r = one_report(s)
    check_equal((r.rcpts["bob@old.test"]["Action"], r.rcpts["bob@old.test"]["Status"][0]), ("relayed", "2"))
    old.wait_for("not asked")
    time.sleep(QUIET_S)
    one_report(s)
    clean(s)


@case("success in a mailbox here: to a user, and to a sender elsewhere")
def _(s, far, other, old):
    submit(s, "bob@demo.test", mail=["ENVID=local"], rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;BOB@demo.test"])
    r = one_report(s)
    check_equal((r.rcpts["bob@demo.test"]["Action"], r.rcpts["bob@demo.test"]["Original-Recipient"], r.about["Original-Envelope-Id"]),
                ("delivered", "rfc822;BOB@demo.test", "local"))
    n = len(other.letters)
    check_equal(incoming(s, "x@other.test", "bob@demo.test", letter("from afar"), " NOTIFY=SUCCESS")[0], 250)
    got = other.wait(n + 1)[-1]
    check_equal((got.sender, got.rcpts), ("", ["x@other.test"]))
    check_equal(Report(got.data).rcpts["bob@demo.test"]["Action"], "delivered")
    clean(s)


@case("a delay is told once, then the end of the letter's time")
def _(s, far, other, old):
    script(far, rcpt="451 4.2.0 come again")
    s.set("queue", warn_after="1s", lifetime="5s")
    assert s.reload()
    time.sleep(1.0)  # roles take a reload up after the master's line
    submit(s, "slow@far.test")
    r = one_report(s)
    got = r.rcpts["slow@far.test"]
    check_equal((got["Action"], got["Status"]), ("delayed", "4.2.0"))
    assert email.utils.parsedate_to_datetime(got["Will-Retry-Until"]), got
    check_in("you need not do anything", r.text)
    wait_until(lambda: len(reports(s)) >= 2, seconds=25, what="the end")
    last = reports(s)[-1].rcpts["slow@far.test"]
    check_equal(last["Action"], "failed")
    time.sleep(QUIET_S)
    check_equal(sorted(r.rcpts["slow@far.test"]["Action"] for r in reports(s)), ["delayed", "failed"])
    s.set("queue", **QUEUE)
    assert s.reload()
    time.sleep(1.0)
    clean(s)


@case("DELIVERBY: word of the delay when its time comes, or the letter itself")
def _(s, far, other, old):
    script(far, rcpt="451 4.2.0 come again")
    submit(s, "notify@far.test", mail=["BY=1;N"], rcpt=["NOTIFY=FAILURE"])
    submit(s, "return@far.test", mail=["BY=2;R"])
    wait_until(lambda: len(reports(s)) >= 2, seconds=20, what="both reports")
    got = {name: g["Action"] for r in reports(s) for name, g in r.rcpts.items()}
    check_equal(got, {"notify@far.test": "delayed", "return@far.test": "failed"})
    script(far)
    wait_until(lambda: far.said("RCPT TO:<NOTIFY@FAR.TEST>") and not s.run("queue", "list", "--json").strip(" \n[]"), seconds=15, what="its delivery")
    clean(s)


@case("HOLDFOR: a letter waits for its time")
def _(s, far, other, old):
    before = time.monotonic()
    submit(s, "later@far.test", data=letter("held", sender="alice@demo.test"), mail=["HOLDFOR=3"])
    got = far.wait_for("held")
    assert got.at - before >= 2, "it came after %.1f s" % (got.at - before)  # whole seconds, either way


def forwarded_sender(got):
    sender = got.sender
    assert sender.startswith("SRS0=") and sender.endswith("=other.test=x@demo.test"), sender
    return sender


@case("an alias sends on in a rewritten name; the report comes back and goes where the letter came from")
def _(s, far, other, old):
    script(far)
    s.run("alias", "add", "fwd@demo.test", "there@far.test")
    check_equal(incoming(s, "x@other.test", "fwd@demo.test", letter("forwarded"))[0], 250)
    got = far.wait_for("forwarded")
    sender = forwarded_sender(got)
    check_equal((got.rcpts, got.field("Delivered-To")), (["there@far.test"], "<fwd@demo.test>"))
    check_equal(got.rcpt_params["there@far.test"].get("ORCPT"), "rfc822;fwd@demo.test")
    # Far tells of it later: a report to the rewritten name.
    n = len(other.letters)
    check_equal(incoming(s, "", sender, letter("sorry", sender="MAILER-DAEMON@far.test"))[0], 250)
    back = other.wait(n + 1)[-1]
    check_equal((back.subject, back.sender, back.rcpts), ("sorry", "", ["x@other.test"]))
    check_equal(incoming(s, "", sender.upper().replace("DEMO.TEST", "demo.test"), letter("louder", sender="MAILER-DAEMON@far.test"))[0], 250)
    other.wait(n + 2)


@case("a rewritten name that is not ours, or that is written to by anybody, is nobody")
def _(s, far, other, old):
    sender = forwarded_sender(far.find("forwarded")[0])
    tail = sender[sender.index("=", 5):]
    for wrong in ("SRS0=aaaaaa" + tail, "SRS0=x=y=other.test=x@demo.test", sender.replace("=x@", "=y@"), "SRS1=aaaaaa=first.test==a=b=c.test=d@demo.test"):
        check_equal(incoming(s, "", wrong, letter("forged"))[0], 550)
    check_equal(incoming(s, "y@other.test", sender, letter("an answer"))[0], 550)
    check_equal(incoming(s, "", sender.replace("demo.test", "nowhere.test"), letter("relay"))[0], 550)


@case("a forwarded letter that is refused: the report goes to who it came from, and there is none about that report")
def _(s, far, other, old):
    script(far, rcpt="550 5.1.1 gone")
    n, at = len(other.letters), s.log_size()
    check_equal(incoming(s, "x@other.test", "fwd@demo.test", letter("forwarded and refused"))[0], 250)
    got = other.wait(n + 1)[-1]
    check_equal((got.sender, got.rcpts), ("", ["x@other.test"]))
    r = Report(got.data)
    check_equal(r.rcpts["there@far.test"]["Original-Recipient"], "rfc822;fwd@demo.test")
    s.wait_log("report-sent", at=at)
    script(other, rcpt="550 5.1.1 nobody")
    at = s.log_size()
    check_equal(incoming(s, "x@other.test", "fwd@demo.test", letter("twice refused"))[0], 250)
    s.wait_log("report-sent", at=at)
    time.sleep(QUIET_S)
    check_equal(len(other.letters), n + 1)
    check_equal(s.log_text(at).count("report-sent"), 1)
    script(other)
    script(far)


@case("a letter that comes back to the alias it has passed is a loop")
def _(s, far, other, old):
    n = len(far.letters)
    reply = incoming(s, "x@other.test", "fwd@demo.test", letter("round", extra="Delivered-To: <FWD@demo.test>\r\n"))
    check_equal(reply[0], 554)
    check_in("loop", str(reply[1]))
    check_equal(incoming(s, "x@other.test", "fwd@demo.test", letter("straight", extra="Delivered-To: <alice@demo.test>\r\n"))[0], 250)
    far.wait_for("straight")
    check_equal(len(far.letters), n + 1)


@case("a stranger's letter for a domain that we relay: refused there, told to the stranger")
def _(s, far, other, old):
    script(far, rcpt="550 5.1.1 no such user")
    n = len(other.letters)
    check_equal(incoming(s, "x@other.test", "who@backed.test", letter("for another"))[0], 250)
    got = other.wait(n + 1)[-1]
    check_equal(Report(got.data).rcpts["who@backed.test"]["Action"], "failed")
    script(far)
    check_equal(incoming(s, "x@other.test", "who@unknown.test", letter("open relay"))[0], 550)


@case("ETRN: what waits for a domain that we relay is sent now")
def _(s, far, other, old):
    s.set("queue", retry_first="1h", retry_max="2h")
    assert s.reload()
    time.sleep(1.0)
    script(far, mail=["451 4.3.0 not now"])
    check_equal(incoming(s, "x@other.test", "who@backed.test", letter("waiting"))[0], 250)
    wait_until(lambda: far.said("MAIL FROM:<X@OTHER.TEST>"), what="the first attempt")
    time.sleep(QUIET_S)
    assert not far.find("waiting")
    with Raw(s, "smtp") as c:
        c.smtp("EHLO mx.backed.test")
        check_equal(c.smtp("ETRN other.test")[0], 459)
        check_equal(c.smtp("ETRN BACKED.test")[0], 250)
    far.wait_for("waiting")
    s.set("queue", **QUEUE)
    assert s.reload()


@case("no letter is left, and what is stored is whole")
def _(s, far, other, old):
    wait_until(lambda: not s.run("queue", "list", "--json").strip(" \n[]"), seconds=15, what="an empty queue")
    s.verify()


def main():
    plain = tuple(f for f in FEATURES if f != "DSN")
    with Remote("127.0.0.1", free_base(1)) as far, Remote("127.0.0.1", free_base(1), name="mx.other.test") as other, \
            Remote("127.0.0.1", free_base(1), name="mx.old.test", features=plain) as old:
        s = Server(settings={"queue": QUEUE})
        s.extra_listeners = ["route %s { next_hop [127.0.0.1]:%d; tls none }" % at for at in
                             (("far.test", far.port), ("other.test", other.port), ("old.test", old.port))]
        s.extra_listeners.append("route backed.test { next_hop [127.0.0.1]:%d; tls none; relay yes }" % far.port)
        s.write_conf()
        with s:
            return tap.run(s, far, other, old, on_failure=s.show_log)


sys.exit(1 if main() else 0)
