#!/usr/bin/env python3
"""test/interop/queue_keeping.py - what store keeps for letters that leave: through a backup and its restore, addresses that are refused, aliases that lead
elsewhere."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, letter
from remote import Remote
from server import Server
from tap import case, check_equal, check_in

DEFERRED = "451 4.2.0 not now"
FOREVER = {"queue": {"retry_first": "1h", "retry_max": "1h", "suppress_after": 2}, "dns": {"resolver": "127.0.0.1:9"}}


def server_to(remote, **more):
    """A server whose letters to far.test go to remote."""
    s = Server(settings=FOREVER, **more)
    s.extra_listeners = ["route far.test { next_hop [127.0.0.1]:%d; tls none }" % remote.port]
    s.write_conf()
    return s


def queue(s):
    return [json.loads(line) for line in s.run("queue", "list", "--json").splitlines()]


def wait(condition, what, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what + " did not come"
        time.sleep(0.05)


def submit(s, rcpt, subject):
    """The replies to RCPT and, when that is good, to the letter."""
    with s.smtp("submission", login="alice") as c:
        c.mail("alice@demo.test")
        code, text = c.rcpt(rcpt)
        return (code, text) if code != 250 else c.data("From: alice@demo.test\r\nSubject: %s\r\n\r\nhello\r\n" % subject)


@case("letters that wait come back from a backup, held, and leave when they are released")
def _(s):
    where = s.dir + "/keep"
    trace = submit(s, "bob@far.test", "waits")[1].decode().split()[-1]
    wait(lambda: [e for e in queue(s) if e["attempts"] == 1 and e["recipients"][0]["code"]], "the first attempt")
    s.run("backup", where)
    with Remote("127.0.0.1", 0) as good, server_to(good, accounts=()) as other:
        other.run("domain", "delete", "demo.test")
        out = other.run("restore", where)
        check_in("held\t1\t", out)
        other.verify()
        other.restart()
        (e,) = queue(other)
        check_equal((e["state"], e["attempts"], e["trace"], e["recipients"][0]["code"]), ("held", 1, trace, 451))
        other.run("queue", "release", "--trace", trace)
        good.wait(1)
        check_equal(good.letters[0].subject, "waits")
        check_in(trace.encode(), good.letters[0].header)  # our own Received field came back too
        wait(lambda: not queue(other), "an empty queue")
        other.verify()
    s.run("queue", "delete", "--all")


@case("an address that has failed for good twice is refused, until a command or its time says otherwise")
def _(s):
    s.remote.script["rcpt"] = lambda _s, _a: "550 5.1.1 nobody of this name"
    for n in (1, 2):
        check_equal(submit(s, "gone@far.test", "to nobody")[0], 250)
        wait(lambda: "gone@far.test" in s.run("suppression", "list", "alice@demo.test") and not queue(s), "the failure")
    check_in("gone@far.test\trefused\t", s.run("suppression", "list", "alice@demo.test"))
    code, text = submit(s, "gone@far.test", "again")
    assert 500 <= code < 600, (code, text)
    s.run("suppression", "delete", "alice@demo.test", "gone@far.test")
    check_equal(s.run("suppression", "list", "alice@demo.test"), "")
    check_equal(s.run("suppression", "delete", "alice@demo.test", "gone@far.test", check=False)[0], 1)
    s.run("suppression", "add", "alice@demo.test", "never@far.test")
    check_in("never@far.test\trefused\tfor ever\t0\t-\tcommand", s.run("suppression", "list", "alice@demo.test"))
    assert 500 <= submit(s, "never@far.test", "by command")[0] < 600
    s.run("suppression", "add", "alice@demo.test", "never@far.test", "--days", "3")
    check_equal(s.run("suppression", "add", "alice@demo.test", "never@far.test", "--days", "0", check=False)[0], 1)
    s.run("suppression", "delete", "alice@demo.test", "never@far.test")
    check_in("suppression add alice@demo.test never@far.test", s.run("audit", "list"))


@case("an alias leads to an address elsewhere where forwarding is on")
def _(s):
    s.remote.script.pop("rcpt", None)
    n = len(s.remote.letters)
    s.run("alias", "add", "away@demo.test", "Bob@far.test", "alice@demo.test")
    check_equal(deliver(s, "away@demo.test", letter("sent on"))[0], 250)
    s.remote.wait(n + 1)
    check_equal(s.remote.letters[-1].rcpts, ["Bob@far.test"])
    c = s.imap("alice", select="INBOX")
    wait(lambda: c.uid("SEARCH", "SUBJECT", '"sent on"')[1][0], "the other copy")
    c.logout()
    s.set("queue", forwarding="no")
    s.reload()
    status, _out, err = s.run("alias", "add", "more@demo.test", "bob@far.test", check=False)
    check_equal(status, 1)
    check_in("queue.forwarding is off", err)


@case("what is stored obeys its invariants")
def _(s):
    wait(lambda: not queue(s), "an empty queue")
    s.verify()


if __name__ == "__main__":
    with Remote("127.0.0.1", 0, {"rcpt": lambda _s, _a: DEFERRED}) as remote, server_to(remote) as server:
        server.remote = remote
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
