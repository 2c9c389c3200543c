#!/usr/bin/env python3
"""test/interop/sending_dns.py - what the names of a destination can be like, in a signed tree of zones with a validating resolver: each leads to the
right server, to a retry, or to a bounce.

All letters are sent at once; the cases then look at what became of theirs.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import HOLE, SENDER, Internet, address6
from remote import Remote
from sending import Sender
from server import HOSTNAME
from tap import case, check_equal, check_in

A, B, C = "20.0.3.1", "20.0.3.2", "20.0.3.3"  # servers; nobody is at DEAD
DEAD, A6, DEAD6 = "20.0.3.99", address6(31), address6(32)
HOSTS = "a A %s\nb A %s\nc A %s\ndead A %s\n" % (A, B, C, DEAD)

# name -> (zone, who takes the letter)
SENT = {
    "plain": ("@ MX 10 a\n" + HOSTS, A),
    "preferred": ("@ MX 20 a\n@ MX 10 b\n@ MX 30 c\n" + HOSTS, B),
    "fallback": ("@ MX 10 dead\n@ MX 20 b\n" + HOSTS, B),
    "fifth": ("@ MX 1 dead\n@ MX 2 dead2\n@ MX 3 dead3\n@ MX 4 nowhere\n@ MX 5 c\ndead2 A 20.0.3.98\ndead3 A 20.0.3.97\n" + HOSTS, C),
    "equal": ("@ MX 10 dead\n@ MX 10 b\n" + HOSTS, B),
    "swallowed": ("@ MX 10 hole\n@ MX 20 b\nhole A %s\n" % HOLE + HOSTS, B),
    "missing": ("@ MX 10 nowhere\n@ MX 20 b\n" + HOSTS, B),
    "implicit": ("@ A %s\n" % A, A),
    "implicit6": ("@ AAAA %s\n" % A6, A6),
    "six": ("@ MX 10 six\nsix AAAA %s\n" % A6, A6),
    "both": ("@ MX 10 m\nm A %s\nm AAAA %s\n" % (B, DEAD6), B),
    "many": ("@ MX 10 m\nm A %s\nm A 20.0.3.98\nm A %s\n" % (DEAD, B), B),
    "mxcname": ("@ MX 10 alias\nalias CNAME a\n" + HOSTS, A),
    "cnamed": ("sub CNAME real\nreal MX 10 c\n" + HOSTS, C),
    "chain": ("@ MX 10 c1\nc1 CNAME c2\nc2 CNAME c3\nc3 CNAME c\n" + HOSTS, C),
    "wild": ("* MX 10 b\n" + HOSTS, B),
    "nullamong": ("@ MX 0 .\n@ MX 10 a\n" + HOSTS, A),
    "uppercase": ("@ MX 10 A.UpperCase.TEST.\na A %s\n" % A, A),
    "xn--mller-kva": ("@ MX 10 a\n" + HOSTS, A),
    "large": ("".join("@ MX %d %s\n" % (50 + i, "long-%d-%s" % (i, "x" * 50)) for i in range(80)) + "@ MX 10 c\n" + HOSTS, C),
    "slow": ("@ MX 10 c\n" + HOSTS, C),
    "signed": ("@ MX 10 a\n" + HOSTS, A),
    "behindus": ("@ MX 10 b\n@ MX 20 %s.\n" % HOSTNAME + HOSTS, B),
    "address": ("@ MX 10 %s.\n" % A, A),  # what RFC 5321 5.1 does not allow, and some have
    "us": ("@ MX 10 %s.\n@ MX 20 b\n" % HOSTNAME + HOSTS, None),
}
ADDRESS = {"cnamed": "x@sub.cnamed.test", "wild": "x@any.thing.wild.test", "xn--mller-kva": "x@xn--mller-kva.test"}
# name -> (zone, the status that its report tells): for good, at once
BOUNCED = {
    "nullmx": ("@ MX 0 .\n@ A %s\n" % A, "5.1.10"),
    "nodata": ("@ TXT nothing\n", "5."),
    "onlymissing": ("@ MX 10 nowhere\n@ MX 20 neither\n@ A %s\n" % A, "5."),
    "us": (SENT["us"][0], "5."),
    "private": ("@ MX 10 m\nm A 10.1.2.3\nm A 127.0.0.1\nm A 192.168.1.1\nm AAAA ::1\nm AAAA fd00::1\n", "5."),
}
del SENT["us"]
# What may be well again: it waits.
WAITING = {
    "lame": "", "failing": "", "silent": "", "bogus": "@ MX 10 a\n" + HOSTS, "loop": "@ MX 10 one\none CNAME two\ntwo CNAME one\n", "alldead": "@ MX 10 dead\n" + HOSTS,
    "bogusmx": "@ MX 10 m.bogus.test.\n",
}


def zones(_ca):
    made = {n + ".test": z for n, (z, _who) in list(SENT.items()) + list(BOUNCED.items())}
    made.update({n + ".test": z for n, z in WAITING.items()})
    made["moving.test"] = "@ MX 10 dead\n" + HOSTS
    made["demo.test"] = "@ MX 10 mail\nmail A %s\n" % SENDER
    return made


def address(name):
    return ADDRESS.get(name, "x@%s.test" % name)


class Trial:
    def __init__(self, net):
        self.net = net
        self.remotes = {a: net.with_(Remote(a)) for a in (A, B, C, A6)}

    def who_has(self, subject):
        return [a for a, r in self.remotes.items() for _l in r.find(subject)]

    def show(self):
        self.s.show_log()
        for line in self.s.run("queue", "list").splitlines():
            tap.comment(line)


@case("letters to all of them, to an address literal and to a domain written in its own script are taken by submission")
def _(t):
    c = t.s.smtp("submission", tls=True, login="alice")
    for name in list(SENT) + list(BOUNCED) + list(WAITING):
        t.s.submit(address(name), "to " + name, connection=c)
    t.s.submit("x@moving.test", "to moving", connection=c)
    t.s.submit("x@[%s]" % C, "to literal", connection=c)
    t.s.submit("x@[IPv6:%s]" % A6, "to literal6", connection=c)
    t.s.submit("x@no-such-domain.test", "to nobody", connection=c)
    c.quit()
    with t.s.smtp("submission", tls=True, login="alice") as c:
        c.ehlo()
        check_equal(c.docmd("MAIL FROM:<alice@demo.test> SMTPUTF8")[0], 250)
        c.send("RCPT TO:<y@m\u00fcller.test>\r\n".encode())
        check_equal(c.getreply()[0], 250)
        check_equal(c.data(b"From: <alice@demo.test>\r\nSubject: to umlaut\r\n\r\nx\r\n")[0], 250)


@case("MX and addresses of every kind: the letter comes to the right server, once")
def _(t):
    until, wrong = time.monotonic() + 40, []
    for name, (_zone, who) in SENT.items():
        try:
            wait_until(lambda: t.who_has("to " + name), max(0.1, until - time.monotonic()))
        except AssertionError:
            wrong.append((name, "never came", t.s.run("queue", "history", "--to", address(name)).splitlines()[-2:]))
    for name, (_zone, who) in SENT.items():
        if t.who_has("to " + name) not in ([], [who]):
            wrong.append((name, t.who_has("to " + name)))
    check_equal(wrong, [])


@case("address literals are gone to; a domain in its own script is asked for in A-labels")
def _(t):
    wait_until(lambda: t.who_has("to literal") and t.who_has("to literal6") and t.who_has("to umlaut"))
    check_equal([t.who_has(w) for w in ("to literal", "to literal6", "to umlaut")], [[C], [A6], [A]])


@case("null MX, no such domain, no server at all, ourselves, private addresses: a bounce at once, and nobody is connected to")
def _(t):
    for name, (_zone, status) in list(BOUNCED.items()) + [("no-such-domain", ("", "5.1.2"))]:
        try:
            _report, fields = t.s.report_on(address(name), seconds=10)
        except AssertionError:
            raise AssertionError(name, t.s.run("queue", "history", "--to", address(name))) from None
        check_equal((name, fields["action"]), (name, "failed"))
        assert fields["status"].startswith(status), (name, fields)
        check_equal((name, len(t.s.attempts(address(name)))), (name, 1))
        check_equal(t.who_has("to " + name), [])


@case("lame, failing, silent and forged zones, loops of aliases, servers that are all down: the letter waits and is tried again")
def _(t):
    for name in WAITING:
        wait_until(lambda: len(t.s.attempts(address(name))) >= 2, 40, "a second attempt at " + name)
        attempt = t.s.attempts(address(name))[-1]["recipients"][0]
        check_equal((name, attempt["state"]), (name, "waiting"))
        assert attempt["status"].startswith("4."), (name, attempt)
        check_equal(t.who_has("to " + name), [])
    waiting = {g["domain"] for g in t.s.waiting()}
    check_equal(waiting, {n + ".test" for n in WAITING} | {"moving.test"})


@case("records that change between two attempts are seen")
def _(t):
    t.net.change("moving.test", "@ MX 10 c\n" + HOSTS)
    wait_until(lambda: t.who_has("to moving") == [C], 20, "the letter at its new server")


@case("without a resolver letters wait; with it again they leave")
def _(t):
    t.net.end(t.net.unbound)
    t.s.submit("x@plain.test", "without names")
    wait_until(lambda: t.s.waiting("--domain", "plain.test"))
    wait_until(lambda: any(a["recipients"][0]["state"] == "waiting" for a in t.s.attempts("x@plain.test")), 20, "an attempt without names")
    check_equal(t.who_has("without names"), [])
    t.net.unbound = t.net.spawn(53, "unbound", "-d", "-c", t.net.path("unbound.conf"))
    wait_until(lambda: t.who_has("without names") == [A], 30, "the letter")


@case("a letter whose names never answer is reported when its time is over")
def _(t):
    t.s.set("queue", lifetime="3s")
    assert t.s.reload()
    for name in ("failing", "bogus", "silent"):
        t.s.submit(address(name), "in vain", sender="bob")
    for name in ("failing", "bogus", "silent"):
        _report, fields = t.s.report_on(address(name), who="bob", seconds=30)
        check_equal((name, fields["action"]), (name, "failed"))
    wait_until(lambda: t.s.run("queue", "delete", "--all", check=False)[0] == 0 or not t.s.waiting(), what="an empty queue")  # an attempt may be under way
    t.s.wait_empty()
    t.s.verify()


if __name__ == "__main__":
    tap.need_programs("openssl", "knotd", "unbound", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(zones, signed=("signed.test", "large.test", "nullmx.test"), bogus=("bogus.test",), lame=("lame.test",), failing=("failing.test",),
                  silent=("silent.test",), slow=("slow.test",)) as net:
        trial = Trial(net)
        with Sender(net) as trial.s:
            sys.exit(tap.run(trial, on_failure=trial.show) > 0)
