#!/usr/bin/env python3
"""test/interop/sending_hostile.py - remote servers that refuse, stall, lie, cut and reset: each leads to a retry or to a bounce, nothing is lost, and a
letter comes twice only where SMTP cannot know better.

Every case is a domain with a server of its own; all letters are sent at once, and the cases then look at what became of theirs.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import Raw, wait_until
from internet import Internet
from remote import FEATURES, Deaf, Remote
from sending import Sender
from tap import case, check_equal, check_in

LONG_LINE = "220 " + "x" * 100000
MANY_LINES = "".join("220-line %d\\r\\n" % i for i in range(3000)) + "220 last\\r\\n"

# name -> what its script is; each letter is taken once in the end.
TAKEN_ONCE = {
    "greet421": {"greeting": ["421 4.3.2 later"]},
    "greetclose": {"connect": ["close"]},
    "greetreset": {"connect": ["reset"]},
    "greetstall": {"greeting": ["stall"]},
    "greetgarbage": {"greeting": ["raw hello there\\r\\n|stall 0.2|close"]},
    "greetlong": {"greeting": ["raw %s\\r\\n" % LONG_LINE]},
    "greetmany": {"greeting": ["raw %s" % MANY_LINES]},
    "greetdrip": {"greeting": ["drip 220 slow but well\\r\\n"]},
    "greetendless": {"greeting": ["drip " + "220-and\\r\\n" * 400]},
    "greetcode": {"greeting": ["raw 299 odd\\r\\n", "raw 22 odd\\r\\n", "raw 2200 odd\\r\\n"]},
    "ehlo502": {"ehlo": lambda s, a: "502 5.5.1 what"},
    "ehlo421": {"ehlo": ["421 4.3.2 later|close"]},
    "ehloclose": {"ehlo": ["close"]},
    "ehlostall": {"ehlo": ["stall"]},
    "ehlobarelf": {"ehlo": ["raw 250-mx\\n250 8BITMIME\\n"]},
    "ehlomixed": {"ehlo": ["raw 250-mx\\r\\n550 no\\r\\n|stall 0.2|close"]},
    "mail451": {"mail": ["451 4.3.0 later"]},
    "mail421": {"mail": ["421 4.3.2 later|close"]},
    "mailstall": {"mail": ["stall"]},
    "mailclose": {"mail": ["close"]},
    "rcpt451": {"rcpt": ["451 4.2.1 later", "451 4.2.1 later"]},
    "rcpt452": {"rcpt": ["452 4.5.3 too many"]},
    "rcpt421": {"rcpt": ["421 4.3.2 later|close"]},
    "rcptreset": {"rcpt": ["reset"]},
    "rcptstall": {"rcpt": ["stall"]},
    "data451": {"data": ["451 4.3.0 later"]},
    "data250": {"data": ["250 2.0.0 what?|stall 0.5|close"]},
    "data421": {"data": ["421 4.3.2 later|close"]},
    "datastall": {"data": ["stall"]},
    "textreset": {"text": ["read 20|reset"]},
    "textclose": {"text": ["close"]},
    "textstall": {"text": ["stall"]},
    "dot451": {"dot": ["451 4.3.0 later", "452 4.3.1 full"]},
    "dot421": {"dot": ["421 4.3.2 later|close"]},
    "dotcut": {"dot": ["close"]},
    "dotreset": {"dot": ["reset"]},
    "dotstall": {"dot": ["stall"]},
    "dotlines": {"dot": ["250-2.0.0 I\\n250-2.0.0 take\\n250 2.0.0 it"]},
    "dotdrip": {"dot": ["accept|drip 250 2.0.0 yes\\r\\n"]},
    "dotthenclose": {"dot": ["250 2.0.0 yes|close"]},
    "dotthenreset": {"dot": ["250 2.0.0 yes|stall 0.3|reset"]},
    "quitstall": {"quit": ["stall"]},
    "quitclose": {"quit": ["close"]},
    "quitgarbage": {"quit": ["raw \\x00\\xff nothing like a reply\\r\\n"]},
    "starttls454": {"starttls": ["454 4.7.0 not now"]},
    "starttls500": {"starttls": ["500 5.5.1 what"] * 4},
    "starttlsclose": {"starttls": ["close"]},
    "tlsreset": {"tls": ["reset", "reset"]},
    "tlsgarbage": {"tls": ["raw this is no TLS at all, and there is plenty of it\\r\\n|close"] * 2},
    "tlsinject": {"starttls": ["raw 220 go\\r\\n250 injected\\r\\n"]},
}
# The same in chunks (RFC 3030), which only servers of a name that begins with "chunk" offer.
TAKEN_ONCE.update({"chunk" + n: {step: list(v) if isinstance(v, list) else v for step, v in script.items()} for n, script in TAKEN_ONCE.items()
                   if n.startswith(("dot", "text", "rcpt"))})
# It is taken, and it cannot be known: the reply never came.
TAKEN_TWICE = {"takencut": {"dot": ["accept|close"]}, "takenreset": {"dot": ["accept|reset"]}, "takenstall": {"dot": ["accept|stall"]},
               "takengarbage": {"dot": ["accept|raw what\\r\\n|close"]}, "chunktakencut": {"dot": ["accept|close"]}}
# name -> (script, the status that its report tells)
BOUNCED = {
    "mail550": ({"mail": lambda s, a: "550 5.7.1 not from you"}, "5.7.1"),
    "rcpt550": ({"rcpt": lambda s, a: "550 5.1.1 nobody here"}, "5.1.1"),
    "rcpt553": ({"rcpt": lambda s, a: "553 no such mailbox"}, "5."),
    "data554": ({"data": lambda s, a: "554 5.7.0 no letters"}, "5.7.0"),
    "chunk554": ({"dot": lambda s, a: "554 5.7.1 no chunks"}, "5.7.1"),
    "dot554": ({"dot": lambda s, a: "554-5.7.1 we do not\\n554 5.7.1 want this"}, "5.7.1"),
    "rcptlong": ({"rcpt": lambda s, a: "550 5.1.1 " + "no " * 150}, "5.1.1"),
    "rcptodd": ({"rcpt": lambda s, a: "550 5.1.1 \x1b[2J\x07<script>"}, "5.1.1"),
}
# What never says a word that counts runs into the letter's end.
EXPIRED = {"nobody": None, "deaf": "deaf", "always421": {"greeting": lambda s, a: "421 4.3.2 never|close"}, "alwaysdot451": {"dot": lambda s, a: "451 4.7.0 greylisted"},
           "alwaysclose": {"connect": lambda s, a: "close"}}
OWN = ["two", "seven", "perletter", "slowly", "small", "late", "few"]
NAMES = list(TAKEN_ONCE) + list(TAKEN_TWICE) + list(BOUNCED) + list(EXPIRED) + OWN
ADDRESS = {name: "20.0.%d.%d" % (2 + i // 200, 1 + i % 200) for i, name in enumerate(NAMES)}


def zone(name):
    return "@ MX 10 mx\nmx A %s\n" % ADDRESS[name]


class Trial:
    def __init__(self, net):
        self.net, self.remotes, self.late = net, {}, None
        tls = net.ca.issue("mx.hostile.test")
        for name in NAMES:
            script = TAKEN_ONCE.get(name) or TAKEN_TWICE.get(name) or BOUNCED.get(name, (None,))[0] or EXPIRED.get(name) or self.own(name)
            if name in ("nobody", "late"):
                continue
            if script == "deaf":
                net.with_(Deaf(ADDRESS[name]))
                continue
            features = [f for f in FEATURES if f != "CHUNKING" or name.startswith("chunk")] + (["SIZE 1000"] if name == "small" else [])
            self.remotes[name] = net.with_(Remote(ADDRESS[name], script=script, tls=tls if "tls" in name else None, name="mx.%s.test" % name,
                                                  per_second=1 if name == "slowly" else 0, features=features))

    @staticmethod
    def own(name):
        refused = set()

        def later(_session, argument):  # one of the two, and each once
            if "later@" in argument and argument not in refused:
                refused.add(argument)
                return "450 4.2.1 busy"
            return "550 5.1.1 nobody" if "never@" in argument else None
        return {"two": {"rcpt": later}, "seven": {"rcpt": lambda s, a: "452 4.5.3 three are enough" if len(s.rcpts) >= 3 else None},
                "perletter": {"dot": lambda s, a: "250 2.0.0 one is enough|close"}, "few": {"connect": lambda s, a: "raw 421 4.7.0 too many\\r\\n|close"
                                                                                          if s.remote.n_open > 2 else None}}.get(name, {})

    def send(self):
        """All those that shall be there in the end."""
        c = self.s.smtp("submission", tls=True, login="alice")
        for name in [n for n in NAMES if n not in EXPIRED and n not in OWN]:
            self.s.submit("someone@%s.test" % name, "to " + name, body="A letter to %s\r\n.dot\r\n" % name * 3, connection=c)
        self.s.submit(["now@two.test", "later@two.test", "never@two.test"], "to two", connection=c)
        self.s.submit(["r%d@seven.test" % i for i in range(7)], "to seven", connection=c)
        for i in range(5):
            for name in ("perletter", "slowly", "few"):
                self.s.submit("someone@%s.test" % name, "%s %d" % (name, i), connection=c)
        self.s.submit("someone@small.test", "to small", body="much\r\n" * 1000, connection=c)
        self.s.submit("someone@late.test", "to late", connection=c)
        c.quit()

    def show(self):
        self.s.show_log()
        for line in self.s.run("queue", "list").splitlines():
            tap.comment(line)


@case("a letter to each of %d servers is taken by submission" % len(NAMES))
def _(t):
    t.send()


@case("refusals for now, stalls, cuts, resets, lies and odd replies at each step: the letter is taken in the end, once")
def _(t):
    until, wrong = time.monotonic() + 40, []
    for name in TAKEN_ONCE:
        try:
            wait_until(lambda: t.remotes[name].find("to " + name), max(0.1, until - time.monotonic()))
        except AssertionError:
            wrong.append((name, "never came", t.remotes[name].sessions and t.remotes[name].sessions[-1].lines[-3:]))
    time.sleep(1)
    for name in TAKEN_ONCE:
        letters = t.remotes[name].find("to " + name)
        if len(letters) > 1:
            wrong.append((name, "came %d times" % len(letters)))
        elif letters and letters[0].body != b"A letter to %s\r\n.dot\r\n" % name.encode() * 3:
            wrong.append((name, letters[0].body))
    check_equal(wrong, [])


@case("the reply to a letter's end never came although it was taken: it comes again, and is the same")
def _(t):
    for name in TAKEN_TWICE:
        wait_until(lambda: any(l.told for l in t.remotes[name].find("to " + name)), 30, "the second copy at " + name)
        letters = t.remotes[name].find("to " + name)
        check_equal((name, len(letters), len({l.digest for l in letters}), len({l.field("Message-ID") for l in letters})), (name, 2, 1, 1))


@case("what is refused for good is reported, with the other server's words made harmless, and not tried again")
def _(t):
    for name, (_script, status) in BOUNCED.items():
        _report, fields = t.s.report_on("someone@%s.test" % name)
        check_equal((name, fields["action"]), (name, "failed"))
        assert fields["status"].startswith(status), (name, fields)
        check_equal(t.remotes[name].letters, [])
    for report in t.s.reports():
        assert b"\x1b" not in report.data and b"\x07" not in report.data


@case("three recipients, three answers: one copy now, one later, one bounce")
def _(t):
    letters = t.remotes["two"].wait(2)
    check_equal([l.rcpts for l in letters], [["now@two.test"], ["later@two.test"]])
    report, fields = t.s.report_on("never@two.test")
    check_equal((sorted(report.recipients), fields["action"], fields["status"]), (["never@two.test"], "failed", "5.1.1"))


@case("a server that takes three recipients at a time gets all seven, each once")
def _(t):
    r = t.remotes["seven"]
    wait_until(lambda: len([a for l in r.letters for a in l.rcpts]) >= 7, 30)
    check_equal(sorted(a for l in r.letters for a in l.rcpts), ["r%d@seven.test" % i for i in range(7)])


@case("a server that closes after each letter, one that takes a letter a second, one that takes two connections: all letters come once")
def _(t):
    for name in ("perletter", "slowly", "few"):
        t.remotes[name].wait(5, 40)
        time.sleep(0.2)
        check_equal(sorted(l.subject for l in t.remotes[name].letters), ["%s %d" % (name, i) for i in range(5)])


@case("a letter above the other server's SIZE is reported, and its text not sent")
def _(t):
    _report, fields = t.s.report_on("someone@small.test")
    assert fields["status"].startswith("5.3.4") or fields["status"].startswith("5.2.3"), fields
    check_equal(t.remotes["small"].said("DATA") + t.remotes["small"].said("BDAT"), [])


@case("a server that is not there yet gets its letter when it is")
def _(t):
    wait_until(lambda: t.s.attempts("someone@late.test"), what="an attempt")
    with Remote(ADDRESS["late"]) as r:
        check_equal(r.wait_for("to late").rcpts, ["someone@late.test"])
        wait_until(lambda: not t.s.waiting("--domain", "late.test"), what="the end of it")


@case("nothing waits any more, and what is stored obeys its invariants")
def _(t):
    t.s.wait_empty()
    check_equal({a for r in t.s.reports() for a in r.recipients}, {"someone@%s.test" % n for n in BOUNCED} | {"never@two.test", "someone@small.test"})
    t.s.verify()


@case("each attempt is told: the server, the reply, what came of it")
def _(t):
    attempts = t.s.attempts("someone@dot451.test")
    check_equal([a["recipients"][0]["state"] for a in attempts], ["waiting", "waiting", "sent"])
    check_equal([(a["host"], a["ip"], a["recipients"][0]["code"]) for a in attempts], [("mx.dot451.test", ADDRESS["dot451"], c) for c in (451, 452, 250)])
    shown = t.s.run("queue", "history", "--to", "someone@rcptodd.test")
    check_in("5.1.1", shown)
    assert "\x1b" not in shown and "\x07" not in shown, shown


@case("whoever never takes it: the sender is told when its time is over, of everyone")
def _(t):
    t.s.set("queue", lifetime="3s")
    assert t.s.reload()
    c = t.s.smtp("submission", tls=True, login="bob")
    for name in EXPIRED:
        t.s.submit("someone@%s.test" % name, "to " + name, sender="bob", connection=c)
    c.quit()
    for name in EXPIRED:
        _report, fields = t.s.report_on("someone@%s.test" % name, who="bob", seconds=30)
        check_equal((name, fields["action"]), (name, "failed"))
        assert fields["status"][0] in "45", fields
    t.s.wait_empty()
    t.s.verify()


if __name__ == "__main__":
    tap.need_programs("openssl", "knotd", "unbound", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet({name + ".test": zone(name) for name in NAMES}, ttl=300) as net:
        trial = Trial(net)
        with Sender(net) as trial.s:
            sys.exit(tap.run(trial, on_failure=trial.show) > 0)
