#!/usr/bin/env python3
"""test/interop/sending.py - letters leave for real servers, Postfix, Exim, OpenSMTPD and Dovecot's LMTP, over the best lock that each has; and for
scripted ones that know less."""
import base64
import email
import email.policy
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import Raw, expect, letter, subjects, wait_until
from dovecot_host import Dovecot
from internet import OTHER_SENDERS, Internet
from peers import Exim, OpenSMTPD, Postfix
from remote import Remote
from sending import Sender, settle
from server import free_base
from tap import case, check_equal, check_in

HOSTS = {"postfix": "20.0.1.11", "exim": "20.0.1.12", "open": "20.0.1.13", "smart": "20.0.1.14"}
OLD, NEW, PLAIN = "20.0.1.21", "20.0.1.22", "20.0.1.23"
EVERY = ["postfix", "exim", "open", "sts"]


def zones(ca):
    made = {n: ca.issue("mx.%s.test" % n) for n in HOSTS}
    z = {n + ".test": "@ MX 10 mx\nmx A %s\n" % a for n, a in HOSTS.items()}
    z["postfix.test"] += "_25._tcp.mx TLSA %s\n" % made["postfix"].tlsa(3)
    z["exim.test"] += "_25._tcp.mx TLSA %s\n" % made["exim"].tlsa(2, 0)
    z["sts.test"] = "@ MX 10 mx.smart.test.\n" + Internet.sts_records()
    for name, address in (("old", OLD), ("new", NEW), ("source", PLAIN)):
        z[name + ".test"] = "@ MX 10 mx\nmx A %s\n" % address
    zones.certificates = made
    return z


class Trial:
    def __init__(self, net):
        self.net = net
        self.sink = net.with_(Remote("127.0.0.1", 0))
        for kind, name, more in ((Postfix, "postfix", {}), (Exim, "exim", {}), (OpenSMTPD, "open", {}), (Exim, "smart", {"options": ""})):
            kind(net, "mx.%s.test" % name, HOSTS[name], (name + ".test",), self.sink, certificate=zones.certificates[name], **more)
        self.submitter = Exim(net, "mx.smart.test-587", HOSTS["smart"], ("smart.test",), self.sink, port=587, login="relay", password="secret word",
                              certificate=zones.certificates["smart"])
        self.old = net.with_(Remote(OLD, features=()))
        self.new = net.with_(Remote(NEW, tls=net.ca.issue("mx.new.test")))
        self.plain = net.with_(Remote(PLAIN))
        net.policy("sts.test", "enforce", "mx.smart.test")
        self.lmtp_port = free_base(1)
        self.dovecot = Dovecot(users=("dora@lmtp.test",), more=LMTP % self.lmtp_port).__enter__()
        self.password = net.write("password", "secret word\n")
        os.chmod(self.password, 0o600)

    def routes(self):
        return ["route lmtp.test { protocol lmtp; next_hop 127.0.0.1:%d }" % self.lmtp_port,
                "route via.test { next_hop [mx.smart.test]:587; tls verify; login relay; password_file %s }" % self.password,
                "route wrong.test { next_hop [mx.new.test]; tls dane }",
                "route backup.test { next_hop [%s]; relay yes }" % NEW,
                "source other { address %s; helo other.demo.test; domains side.test }" % OTHER_SENDERS[0],
                "route source.test { source other }"]

    def show(self):
        self.s.show_log()
        for line in self.s.run("queue", "list").splitlines():
            tap.comment(line)

    def lock(self, to):
        wait_until(lambda: any(r["state"] in ("sent", "relayed") for a in self.s.attempts(to) for r in a["recipients"]), what="the end of the letter to " + to)
        return [a for a in self.s.attempts(to)][-1]["lock"]


LMTP = """
protocols = imap lmtp
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %d
  }
}
"""


@case("Postfix and Exim by DANE, OpenSMTPD in plain since its handshakes fail, MTA-STS enforced: each has the letter, and the lock is told")
def _(t):
    for name in EVERY:
        t.s.submit("someone@%s.test" % name, "to " + name, body="What is said\r\n.\r\n..dots\r\n")
    for name, lock in (("postfix", "dane"), ("exim", "dane"), ("open", "none"), ("sts", "mta-sts")):
        got = t.sink.wait_for("to " + name)
        check_equal((got.rcpts, got.sender, got.body), (["someone@%s.test" % name], "alice@demo.test", b"What is said\r\n.\r\n..dots\r\n"))
        check_equal((name, t.lock("someone@%s.test" % name)), (name, lock))
    settle()
    check_equal([len(t.sink.find("to " + n)) for n in EVERY], [1] * len(EVERY))


@case("a route that demands DANE of a server without it: the letter waits, and nothing is said there")
def _(t):
    n = len(t.new.said("MAIL"))
    t.s.submit("someone@wrong.test", "to wrong")
    wait_until(lambda: t.s.attempts("someone@wrong.test"))
    attempt = t.s.attempts("someone@wrong.test")[0]["recipients"][0]
    assert attempt["state"] in ("waiting", "failed"), attempt
    check_equal(len(t.new.said("MAIL")), n)
    t.s.run("queue", "delete", "--to", "someone@wrong.test", check=False)


@case("8-bit text stays as it is where 8BITMIME is known, and is made 7 bit, the same to its reader, where it is not")
def _(t):
    body = "Gr\u00fc\u00dfe aus K\u00f6ln \u4f60\u597d\r\n" * 3
    extra = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    for name in ("postfix", "exim", "new", "old"):
        t.s.submit("someone@%s.test" % name, "eight at " + name, data=letter("eight at " + name, body, sender="alice@demo.test", extra=extra), mail=["BODY=8BITMIME"])
    for name, r in (("postfix", t.sink), ("exim", t.sink), ("new", t.new)):
        check_equal(r.wait_for("eight at " + name).body, body.encode())
    old = t.old.wait_for("eight at old")
    assert all(b < 128 for b in old.data), old.data
    check_equal(email.message_from_bytes(old.data, policy=email.policy.default).get_content().replace("\n", "\r\n").replace("\r\r", "\r"), body)
    check_equal(old.params, {})


@case("addresses in other scripts (SMTPUTF8) to who knows them; a bounce where the next server does not")
def _(t):
    def submit(to, subject):
        with t.s.smtp("submission", tls=True, login="alice") as c:
            check_equal(c.docmd("MAIL FROM:<alice@demo.test> SMTPUTF8 BODY=8BITMIME")[0], 250)
            c.send(("RCPT TO:<%s>\r\n" % to).encode())
            check_equal(c.getreply()[0], 250)
            check_equal(c.data("From: <alice@demo.test>\r\nTo: <{0}>\r\nSubject: {1}\r\n\r\nx\r\n".format(to, subject).encode())[0], 250)
    for to in ("\u4f60\u597d@postfix.test", "\u4f60\u597d@new.test", "\u4f60\u597d@open.test", "\u4f60\u597d@old.test"):
        submit(to, "to " + to)
    check_equal(t.sink.wait_for("to \u4f60\u597d@postfix.test").rcpts, ["\u4f60\u597d@postfix.test"])
    check_in("SMTPUTF8", t.new.wait_for("to \u4f60\u597d@new.test").params)
    for to in ("\u4f60\u597d@open.test", "\u4f60\u597d@old.test"):
        fields = wait_until(lambda: [f for r in t.s.reports() for a, f in r.recipients.items() if to.split("@")[1] in a and f["status"].startswith("5.6.7")], 20,
                            "the bounce of " + to)
        check_equal(fields[0]["action"], "failed")


@case("DSN: what the sender asked for goes along; a server that knows none is reported as relayed to")
def _(t):
    for name in ("new", "postfix", "old"):
        t.s.submit("someone@%s.test" % name, "dsn " + name, mail=["RET=HDRS", "ENVID=env-" + name],
                   rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;someone+40%s.test" % name])
    for r, name in ((t.new, "new"), (t.sink, "postfix")):
        got = r.wait_for("dsn " + name)
        check_equal((got.params.get("RET"), got.params.get("ENVID")), ("HDRS", "env-" + name))
        p = got.rcpt_params["someone@%s.test" % name]
        check_equal((set(p["NOTIFY"].split(",")), p["ORCPT"].replace("+40", "@")), ({"SUCCESS", "FAILURE"}, "rfc822;someone@%s.test" % name))
    t.old.wait_for("dsn old")
    report, fields = t.s.report_on("someone@old.test", action="relayed")
    check_equal((fields["action"], report.about.get("original-envelope-id")), ("relayed", "env-old"))


@case("90 recipients at one domain go in one transaction; a letter for three domains and both of ours reaches everybody once")
def _(t):
    many = ["r%d@new.test" % i for i in range(90)]
    t.s.submit(many, "many")
    wait_until(lambda: len([a for l in t.new.find("many") for a in l.rcpts]) == 90)
    check_equal(len(t.new.find("many")), 1)
    check_equal(sorted(t.new.find("many")[0].rcpts), sorted(many))
    t.s.submit(["a@postfix.test", "b@postfix.test", "c@exim.test", "d@new.test", "bob@demo.test", "alice@demo.test"], "several")
    wait_until(lambda: len([a for l in t.sink.find("several") for a in l.rcpts]) == 3 and t.new.find("several"))
    settle()
    check_equal(sorted(a for l in t.sink.find("several") + t.new.find("several") for a in l.rcpts),
                ["a@postfix.test", "b@postfix.test", "c@exim.test", "d@new.test"])
    for who in ("alice", "bob"):
        c = t.s.imap(who)
        wait_until(lambda: subjects(c).count("several") == 1)
        c.logout()
    check_equal({l.digest for l in t.sink.find("several") + t.new.find("several")}.__len__(), 1)


@case("letters one behind the other go over one connection, under one TLS handshake; a large one in chunks, byte by byte the same")
def _(t):
    wait_until(lambda: t.new.n_open == 0)
    n = len(t.new.sessions)
    c = t.s.smtp("submission", tls=True, login="alice")
    for i in range(10):
        t.s.submit("someone@new.test", "reuse %d" % i, connection=c)
        t.new.wait_for("reuse %d" % i)
    c.quit()
    used = t.new.sessions[n:]
    check_equal(([s.taken for s in used], used[0].cipher is not None), ([10], True))
    check_equal(sorted(a["reused"] for a in t.s.attempts("someone@new.test")[-10:]), [False] + [True] * 9)
    body = "\r\n".join(base64.b64encode(os.urandom(51)).decode() for _ in range(60000)) + "\r\n.\r\n..\r\n"
    t.s.submit("someone@new.test", "large", body=body)
    t.s.submit("someone@exim.test", "large", body=body)
    for r in (t.new, t.sink):
        got = r.wait_for("large", 30)
        check_equal((len(got.body), got.digest), (len(body), hashlib.sha256(body.encode()).hexdigest()))
    assert t.new.find("large")[0].chunked


@case("a smart host with AUTH under a verified certificate; without the right password the letter waits")
def _(t):
    t.s.submit("someone@via.test", "via the smart host")
    check_equal(t.sink.wait_for("via the smart host").rcpts, ["someone@via.test"])
    check_equal(t.lock("someone@via.test"), "verified")
    check_in("A=plain", t.submitter.log().lower().replace("a=plain", "A=plain"))
    with open(t.password, "w") as f:
        f.write("another word\n")
    assert t.s.reload()
    t.s.submit("someone@via.test", "refused by the smart host")
    wait_until(lambda: len(t.s.attempts("someone@via.test")) >= 2)
    check_equal(t.s.attempts("someone@via.test")[-1]["recipients"][0]["state"], "waiting")
    with open(t.password, "w") as f:
        f.write("secret word\n")
    assert t.s.reload()
    t.sink.wait_for("refused by the smart host")


@case("a route's domain is taken from strangers and handed on: backup MX; other domains are not, and no sender makes them so")
def _(t):
    with Raw(t.s, "smtp") as c:
        expect(c.smtp("EHLO stranger.test"), 250)
        expect(c.smtp("MAIL FROM:<stranger@far.test>"), 250)
        expect(c.smtp("RCPT TO:<someone@backup.test>"), 250)
        for to in ("someone@new.test", "someone%new.test@backup.elsewhere.test", "@backup.test:someone@new.test"):
            assert c.smtp("RCPT TO:<%s>" % to)[0] // 100 == 5
        expect(c.smtp("DATA"), 354)
        c.send("From: <stranger@far.test>\r\nSubject: backup\r\n\r\nx\r\n.\r\n")
        expect(c.smtp(), 250)
    got = t.new.wait_for("backup")
    check_equal((got.sender, got.rcpts), ("stranger@far.test", ["someone@backup.test"]))
    assert got.header.lower().count(b"\r\nreceived:") + got.header.lower().startswith(b"received:") == 1


@case("LMTP to Dovecot: in the mailbox once; who is unknown there bounces")
def _(t):
    t.s.submit(["dora@lmtp.test", "nobody@lmtp.test"], "by lmtp")
    def there():
        c = t.dovecot.imap("dora@lmtp.test")
        n = subjects(c).count("by lmtp")
        c.logout()
        return n
    wait_until(lambda: there() == 1)
    _report, fields = t.s.report_on("nobody@lmtp.test")
    check_equal((fields["action"], fields["status"][0]), ("failed", "5"))
    settle()
    check_equal(there(), 1)


@case("an address and a name of a source are what the other server sees")
def _(t):
    t.s.submit("someone@source.test", "from elsewhere")
    session = t.plain.wait_for("from elsewhere").session
    check_equal((session.peer, session.helo), (OTHER_SENDERS[0], "other.demo.test"))


@case("reports are letters that programs can read, with the null sender; nothing is left in the queue")
def _(t):
    t.s.submit("nobody@lmtp.test", "in vain")
    report, fields = t.s.report_on("nobody@lmtp.test")
    check_in("message/delivery-status", report.parts)
    assert "message/rfc822" in report.parts or "text/rfc822-headers" in report.parts, report.parts
    check_in(b"Return-Path: <>", report.data)
    t.s.wait_empty()
    t.s.verify()


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "postfix", "dovecot", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(zones, signed=("postfix.test", "exim.test"), ttl=300) as net:
        trial = Trial(net)
        try:
            with Sender(net, trial.routes()) as trial.s:
                sys.exit(tap.run(trial, on_failure=trial.show) > 0)
        finally:
            trial.dovecot.__exit__(None, None, None)
