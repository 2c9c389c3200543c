#!/usr/bin/env python3
"""test/interop/queue_commands.py - `sallyport queue` with servers that defer, refuse and stall: every command, filter and form of output, with
replies that would like to be more than text."""
import json
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from remote import Remote
from server import Server, free_base
from tap import case, check_equal, check_in

HOSTILE = "451 4.3.0 no\x1b[2J\t\"\\ {\"x\":1},\x9b%s\u2028 \u00fc"
SHOWN = '451 4.3.0 no?[2J?"\\ {"x":1},??%s??? ??'  # relay takes nothing else than text from a server
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
ROOM = ("defer", "refuse", "stall", "good", "more")


class Site:
    def __init__(self, server, remotes):
        self.s, self.remotes = server, remotes

    def queue(self, *words, status=0):
        got, out, err = self.s.run("queue", *words, check=False)
        assert got == status, "queue %r: status %d, not %d: %s%s" % (words, got, status, out, err)
        self.err = err
        return [line.split("\t") for line in out.splitlines()]

    def json(self, *words):
        status, out, err = self.s.run("queue", *words, "--json", check=False)
        assert status == 0, (words, status, err)
        return [json.loads(line) for line in out.splitlines()]

    def send(self, *rcpts, sender="alice@demo.test", login="alice", subject="x"):
        """Submits a letter; its trace."""
        with self.s.smtp("submission", login=login) as c:
            c.mail(sender)
            for r in rcpts:
                code, text = c.rcpt(r)
                assert code == 250, (r, code, text)
            code, text = c.data("From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\nhello\r\n" % (sender, ", ".join(rcpts), subject))
            assert code == 250, (code, text)
        return text.decode().split()[-1]

    def wait(self, condition, what, seconds=20):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "%s did not come: %r" % (what, self.json("list"))
            time.sleep(0.05)

    def tried(self, domain, n=1):
        self.wait(lambda: [e for e in self.json("list", "--domain", domain) if e["attempts"] >= n and e["recipients"][0]["code"]], "attempt %d at %s" % (n, domain))

    def clear(self):
        def gone():
            self.s.run("queue", "delete", "--all", check=False)
            return not self.json("list")
        self.wait(gone, "an empty queue", 30)


def said(remote):
    return sum("bob@" in line for s in remote.sessions for line in s.lines)


@case("a letter that is deferred is listed, with what the server replied, and nothing of that moves the terminal or makes a line")
def _(x):
    x.trace = x.send("bob@defer.test", "b2@defer.test")
    x.tried("defer.test")
    lines = x.queue("list")
    check_equal(len(lines), 1)
    ident, state, domain, sender, n, attempts, due, accepted, size, trace, reply = lines[0]
    check_equal((state, domain, sender, n, attempts, trace), ("waiting", "defer.test", "<alice@demo.test>", "2", "1", x.trace))
    assert re.match(r"^\d+\.0$", ident) and re.match(TIME, due) and re.match(TIME, accepted) and due > accepted and int(size) > 50, lines
    check_equal(reply, "[127.0.0.1]:%d: %s" % (x.remotes["defer"].port, SHOWN.replace("\\", "\\x5c")))
    x.id = ident.split(".")[0]


@case("--json is one object a line, as Python reads it")
def _(x):
    (e,) = x.json("list")
    check_equal((e["kind"], str(e["id"]), e["group"], e["state"], e["domain"], e["from"], e["attempts"], e["trace"], e["login"]),
                ("group", x.id, 0, "waiting", "defer.test", "alice@demo.test", 1, x.trace, "alice@demo.test"))
    check_equal([r["to"] for r in e["recipients"]], ["bob@defer.test", "b2@defer.test"])
    for r in e["recipients"]:
        check_equal((r["state"], r["code"], r["status"], r["text"]), ("waiting", 451, "4.3.0", "[127.0.0.1]:%d: %s" % (x.remotes["defer"].port, SHOWN)))
    assert re.match(TIME, e["next"]) and e["next"] > e["accepted"] and e["until"] > e["next"], e


@case("show, by id, by group and by trace: the letter and its attempt, for people and as JSON")
def _(x):
    for word in (x.id, x.id + ".0", x.trace):
        status, out, _err = x.s.run("queue", "show", word, check=False)
        check_equal(status, 0)
        for part in ("letter %s\n" % x.id, x.trace, "<bob@defer.test>  waiting  [127.0.0.1]:%d: 451 4.3.0 no?[2J" % x.remotes["defer"].port, "attempt 1 to ", "[127.0.0.1]:%d" % x.remotes["defer"].port,
                     "lock none", "over a new connection", "1 attempt,"):
            check_in(part, out, word)
        assert "\x1b" not in out and "\x9b" not in out
        group, attempt = x.json("show", word)
        check_equal((group["kind"], attempt["kind"], attempt["attempt"], attempt["left"]), ("group", "attempt", 1, 2))
        check_equal((attempt["ip"], attempt["port"], attempt["lock"], attempt["tls"]), ("127.0.0.1", x.remotes["defer"].port, "none", ""))
        assert attempt["total_ms"] >= attempt["connect_ms"] >= attempt["dns_ms"], attempt
        check_in(SHOWN, attempt["recipients"][0]["text"])
    for word in ("999999", x.id + ".7", "nosuchtrace"):
        x.queue("show", word, status=1)
        check_in("there is none", x.err)
    x.queue("show", status=2)


@case("filters: each of them, several together, and those that fit nothing")
def _(x):
    x.send("carol@more.test", sender="bob@demo.test", login="bob")
    x.tried("more.test")
    def domains(*words):
        return sorted(e["domain"] for e in x.json("list", *words))
    both = ["defer.test", "more.test"]
    for words, want in (((), both), (("--domain", "defer.test"), both[:1]), (("--domain", "DEFER.test"), both[:1]), (("--domain", "x.test"), []),
                        (("--sender", "bob@demo.test"), both[1:]), (("--sender", "@demo.test"), both), (("--sender", "<>"), []), (("--sender", "@x.test"), []),
                        (("--to", "b2@defer.test"), both[:1]), (("--to", "@more.test"), both[1:]), (("--to", "x@more.test"), []),
                        (("--account", "bob@demo.test"), both[1:]), (("--account", "alice@demo.test"), both[:1]), (("--trace", x.trace), both[:1]),
                        (("--trace", "nosuch"), []), (("--older", "1h"), []), (("--older", "0s"), both), (("--since", "1h"), both), (("--since", "2099-01-01"), []),
                        (("--state", "waiting"), both), (("--state", "held"), []), (("--sender", "alice@demo.test", "--domain", "more.test"), []),
                        (("--sender", "@demo.test", "--to", "@more.test", "--since", "1h"), both[1:]), ((x.id,), both[:1]), ((x.id + ".0",), both[:1]),
                        ((x.id + ".1",), []), ((x.trace,), both[:1])):
        check_equal(domains(*words), want, str(words))
    for words in (("--bogus", "x"), ("--domain",), ("--domain", "a", "--domain", "b"), (x.id, "--domain", "defer.test")):
        x.queue("list", *words, status=2)
    for words in (("--sender", "nobody"), ("--account", "nobody@demo.test"), ("--older", "soon"), ("--state", "odd")):
        x.queue("list", *words, status=1)
        assert x.err.startswith("sallyport: "), x.err


@case("hold keeps letters back, and release lets them go: an attempt follows")
def _(x):
    check_equal(x.queue("hold", "--domain", "defer.test"), [["hold", "done 1", "busy 0", "gone 0"]])
    (line,) = x.queue("list", "--state", "held")
    check_equal((line[1], line[6]), ("held", "-"))
    before = said(x.remotes["defer"])
    check_equal(x.queue("release", x.id), [["release", "done 1", "busy 0", "gone 0"]])
    x.tried("defer.test", 2)
    assert said(x.remotes["defer"]) > before
    check_equal(x.queue("list", "--state", "held"), [])


@case("retry tries at once, and says when there is nothing to try")
def _(x):
    check_equal(x.queue("retry", "--to", "bob@defer.test"), [["retry", "done 1", "busy 0", "gone 0"]])
    x.tried("defer.test", 3)
    check_equal(x.queue("retry", "--domain", "x.test", status=1), [["retry", "done 0", "busy 0", "gone 0"]])
    check_in("nothing that waits", x.err)


@case("count tells by domain, the largest first")
def _(x):
    x.send("d@more.test")
    x.tried("more.test")
    x.wait(lambda: all(e["attempts"] for e in x.json("list")), "attempts")
    lines = x.queue("count")
    check_equal([l[:4] for l in lines], [["more.test", "2", "2", "0"], ["defer.test", "1", "2", "0"]])
    for l in lines:
        assert int(l[4]) > 50 and re.match(TIME, l[5]) and re.match(TIME, l[6]), l
    check_in(": 451 4.3.0 no", lines[1][7])
    found = x.json("count", "--domain", "defer.test")
    check_equal([(d["domain"], d["letters"], d["recipients"], d["held"]) for d in found], [("defer.test", 1, 2, 0)])
    check_in(": 451 4.3.0 no", found[0]["reply"])


@case("reroute leads a letter by another server, and the history tells of both")
def _(x):
    good = x.remotes["good"]
    x.queue("reroute", "not a host", "--domain", "defer.test", status=2)
    x.queue("reroute", "[127.0.0.1]:%d" % good.port, "--domain", "defer.test")
    good.wait(1)
    check_equal(sorted(good.letters[0].rcpts), ["b2@defer.test", "bob@defer.test"])
    x.wait(lambda: not x.json("list", "--domain", "defer.test"), "the end of the letter")
    events = x.json("history", "--trace", x.trace)
    check_equal([e["attempt"] for e in events], [1, 2, 3, 4])
    check_equal((events[-1]["port"], events[-1]["left"], {r["state"] for r in events[-1]["recipients"]} <= {"sent", "relayed"}), (good.port, 0, True))
    lines = x.queue("history", "--trace", x.trace)
    check_equal(len(lines), 8)
    for l in lines:
        assert re.match(TIME, l[0]) and l[1] == x.id + ".0" and l[8] == x.trace and len(l) == 10, l
    check_equal([l[5] for l in lines[:6]], ["waiting"] * 6)
    out = x.s.run("queue", "show", x.trace)
    check_in("letter %s\n" % x.id, out)
    check_in("attempt 4 to ", out)
    check_equal(x.json("history", "--trace", x.trace, "--since", "2099-01-01"), [])
    check_equal(len(x.json("history", "--to", "bob@defer.test")), 4)
    check_equal(x.json("history", "--sender", "bob@demo.test", "--domain", "defer.test"), [])


@case("a held letter stays held, whatever else is done to it; reroute none is the usual way again")
def _(x):
    trace = x.send("e@defer.test")
    x.tried("defer.test")
    x.queue("hold", "--trace", trace)
    def now():
        (e,) = x.json("list", "--trace", trace)
        return e["state"], e["route"], e["attempts"]
    hop = "[127.0.0.1]:%d" % x.remotes["good"].port
    for words, want in ((("reroute", hop), ("held", hop, 1)), (("retry",), ("held", hop, 1)), (("reroute", "none"), ("held", "", 1)), (("hold",), ("held", "", 1))):
        x.queue(*words, "--trace", trace)
        check_equal(now(), want)
    before = len(x.remotes["good"].letters)
    x.queue("release", "--trace", trace)
    x.wait(lambda: now() == ("waiting", "", 2) and x.json("history", "--trace", trace)[-1]["attempt"] == 2, "the second attempt")
    check_equal([e["port"] for e in x.json("history", "--trace", trace)], [x.remotes["defer"].port] * 2)
    check_equal(len(x.remotes["good"].letters), before)


@case("a refusal ends the letter: the history has the reply, the sender a report")
def _(x):
    trace = x.send("f@refuse.test", subject="refused")
    x.wait(lambda: not x.json("list", "--trace", trace), "the end of the letter")
    (e,) = x.json("history", "--trace", trace)
    check_equal((e["attempt"], e["recipients"][0]["state"], e["recipients"][0]["code"], e["recipients"][0]["status"], e["recipients"][0]["text"]),
                (1, "failed", 550, "5.1.1", '[127.0.0.1]:%d: 550 5.1.1 nobody "here"' % x.remotes["refuse"].port))
    with x.s.imap("alice", select="INBOX") as c:
        x.wait(lambda: c.noop() and c.search(None, "BODY", "f@refuse.test")[1] != [b""], "the report")


@case("delete removes letters for good: the history says so, and nobody is told")
def _(x):
    before = [len(r.letters) for r in x.remotes.values()]
    trace = x.send("g@more.test")  # which has just been found unable, so that nothing is tried there now
    check_equal(x.queue("delete", "--trace", trace)[0][:2], ["delete", "done 1"])
    check_equal(x.queue("list", "--trace", trace), [])
    last = x.json("history", "--trace", trace)[-1]
    check_equal([r["state"] for r in last["recipients"]], ["removed"])
    x.queue("delete", trace, status=1)
    check_equal([len(r.letters) for r in x.remotes.values()], before)
    with x.s.imap("alice", select="INBOX") as c:
        check_equal(c.search(None, "BODY", "g@more.test"), ("OK", [b""]))


@case("what changes letters needs to be told which, or --all")
def _(x):
    for command in ("hold", "release", "retry", "delete"):
        x.queue(command, status=2)
        check_in("--all", x.err)
    x.queue("reroute", "[127.0.0.1]:1", status=2)
    assert x.json("list"), "they are there still"


@case("`sallyport test --to` sends a letter out and says what became of it")
def _(x):
    def tested(to):
        status, out, _err = x.s.run("test", "alice@demo.test", "--to", to, check=False)
        return status, [l.split("\t") for l in out.splitlines() if l.split("\t")[1] == "send"]
    before = len(x.remotes["good"].letters)
    status, lines = tested("you@good.test")
    check_equal((status, len(lines), lines[0][0]), (0, 1, "ok"))
    check_in("to you@good.test: taken by [127.0.0.1]:%d after " % x.remotes["good"].port, lines[0][2])
    check_equal((len(x.remotes["good"].letters), x.remotes["good"].letters[-1].rcpts), (before + 1, ["you@good.test"]))
    assert x.remotes["good"].letters[-1].subject.startswith("Sallyport tries its door submission"), x.remotes["good"].letters[-1].header
    status, lines = tested("you@refuse.test")
    check_equal((status, lines[0][0]), (1, "error"))
    check_in('refused: [127.0.0.1]:%d: 550 5.1.1 nobody "here"' % x.remotes["refuse"].port, lines[0][2])
    status, lines = tested("you@defer.test")
    check_equal((status, lines[0][0]), (0, "warning"))
    check_in("451 4.3.0", lines[0][2])
    check_equal(x.s.run("test", "--to", "nobody", check=False)[0], 2)
    x.queue("delete", "--to", "you@defer.test")


@case("a letter that is being sent stays as it is, and that is told")
def _(x):
    trace = x.send("h@stall.test")
    x.wait(lambda: x.remotes["stall"].sessions, "a connection")
    x.wait(lambda: [e for e in x.json("list", "--trace", trace) if e["attempts"]], "the beginning of an attempt")
    check_equal(x.queue("delete", "--trace", trace, status=1), [["delete", "done 0", "busy 1", "gone 0"]])
    check_in("being sent", x.err)
    check_equal(len(x.queue("list", "--trace", trace)), 1)


@case("the audit log has each act with its words and who it was, and none of what only looks")
def _(x):
    acts = [l.split("\t") for l in x.s.run("audit", "list").splitlines() if "\tqueue " in l]
    texts = [a[-1] for a in acts]
    for want in ("queue hold --domain defer.test", "queue release " + x.id, "queue retry --to bob@defer.test", "queue delete --trace "):
        assert any(t.startswith(want) for t in texts), (want, texts)
    assert all(a[3].startswith("uid ") for a in acts), acts
    assert not [t for t in texts if re.match("queue (list|show|count|history)", t)], texts


@case("seven hundred groups are more than a page, and than one call takes: all are listed, held, released and removed once")
def _(x):
    for n in range(7):
        x.send(*["u%d@d%d.many.test" % (n, i) for i in range(100)])
    def many(*words):
        return [e for e in x.json("list", *words) if e["domain"].endswith(".many.test")]
    x.wait(lambda: len(many()) == 700, "700 groups")
    check_equal(len({(e["id"], e["group"]) for e in many()}), 700)
    check_equal(sum(d["letters"] for d in x.json("count") if d["domain"].endswith(".many.test")), 700)
    def hold():
        x.s.run("queue", "hold", "--sender", "alice@demo.test", "--state", "waiting", check=False)
        return len(many("--state", "held")) == 700
    x.wait(hold, "all of them held", 60)
    check_equal(many("--state", "waiting"), [])
    (line,) = x.queue("delete", "--state", "held")
    check_equal(line[0], "delete")
    assert int(line[1].split()[1]) >= 700 and line[2:] == ["busy 0", "gone 0"], line
    check_equal(many(), [])


@case("status and metrics count the queue, what was sent, deferred and refused")
def _(x):
    x.send("i@defer.test")
    x.tried("defer.test")
    x.queue("hold", "--domain", "defer.test")
    def counted():
        values = dict(re.findall(r"(?m)^sallyport_((?:outgoing|relay)_\w+) (\d+)$", metrics(x)))
        return values if values.get("outgoing_held") == "1" else None
    x.wait(counted, "the count of what is held")
    values = {k: int(v) for k, v in counted().items()}
    assert values["outgoing_sent_total"] >= 2 and values["outgoing_deferred_total"] >= 6 and values["outgoing_failed_total"] >= 1, values
    assert values["outgoing_attempts_total"] >= 6 and values["outgoing_lock_none_total"] >= 4 and values["relay_connections_total"] >= 4, values
    status = x.s.run("status")
    assert re.search(r"(?m)^sending\t.*held 1\b", status), status


def metrics(x):
    with socket.create_connection(("127.0.0.1", x.metrics), 10) as c:
        c.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        data = b""
        while True:
            more = c.recv(65536)
            if not more:
                return data.decode()
            data += more


@case("an empty queue: nothing is printed, and that is no error")
def _(x):
    x.remotes["stall"].close()
    x.clear()
    for words in (("list",), ("count",), ("list", "--json"), ("count", "--json")):
        check_equal(x.queue(*words), [])
    x.queue("delete", "--all", status=1)
    check_in("nothing that waits", x.err)
    x.s.verify()


def main():
    remotes = {
        "defer": Remote("127.0.0.1", 0, {"rcpt": lambda _s, _a: HOSTILE}),
        "refuse": Remote("127.0.0.1", 0, {"rcpt": lambda _s, _a: '550 5.1.1 nobody "here"'}),
        "stall": Remote("127.0.0.1", 0, {"mail": lambda _s, _a: "stall"}),
        "good": Remote("127.0.0.1", 0),
        "more": Remote("127.0.0.1", 0, {"greeting": lambda _s, _a: "421 4.3.2 not now"}),
    }
    base = free_base(2)
    server = Server(settings={"queue": {"retry_first": "1h", "retry_max": "1h"}, "dns": {"resolver": "127.0.0.1:9"}, "timeouts": {"relay_reply": "60s"}})
    server.extra_listeners = ["route %s.test { next_hop [127.0.0.1]:%d; tls none }" % (name, r.port) for name, r in remotes.items()]
    server.extra_listeners += ["route *.many.test { next_hop [127.0.0.1]:%d; tls none }" % base, "listen metrics { address 127.0.0.1; port %d; tls none }" % (base + 1)]
    server.write_conf()
    with server as s:
        site = Site(s, remotes)
        site.metrics = base + 1
        try:
            return tap.run(site, on_failure=s.show_log)
        finally:
            for r in remotes.values():
                r.close()


sys.exit(1 if main() else 0)
