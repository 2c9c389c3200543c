#!/usr/bin/env python3
"""test/interop/with_poplib.py - POP3 with Python's client, over all its doors."""
import os
import poplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, dot_stuff, empty, expect, letter, uids
from server import Server
from tap import case, check_equal, check_in


def fill(s, n, who="alice"):
    empty(s.imap(who))
    for i in range(n):
        expect(deliver(s, who, letter("pop %d" % i, "line 1\r\nline 2\r\n.line 3\r\n")), 250)


def error_of(fn, *args):
    try:
        fn(*args)
    except poplib.error_proto as e:
        return e.args[0] if isinstance(e.args[0], bytes) else str(e).encode()
    raise AssertionError("%s%r was allowed" % (fn.__name__, args))


@case("plain, STLS and implicit TLS show the same maildrop")
def _(s):
    fill(s, 3)
    seen = []
    for service, tls in (("pop3", False), ("pop3", True), ("pop3s", True)):
        c = s.pop("alice", service, tls)
        seen.append((c.stat(), c.list()[1], c.uidl()[1]))
        c.quit()
    assert seen[0] == seen[1] == seen[2], seen
    check_equal(seen[0][0][0], 3)


@case("CAPA before and after the login")
def _(s):
    c = s.pop(None)
    before = c.capa()
    for name in ("TOP", "UIDL", "USER", "STLS", "PIPELINING", "RESP-CODES"):
        check_in(name, before)
    c.user("alice@demo.test")
    c.pass_("demo")
    assert "STLS" not in c.capa()
    c.quit()


@case("STAT, LIST, UIDL, RETR, TOP, NOOP: sizes and bytes agree")
def _(s):
    fill(s, 2)
    c = s.pop()
    n, total = c.stat()
    sizes = [int(l.split()[1]) for l in c.list()[1]]
    check_equal(sum(sizes), total)
    check_equal(len(c.uidl()[1]), n)
    for i in range(1, n + 1):
        raw = b"".join(l + b"\r\n" for l in c.retr(i)[1])
        check_equal(len(raw), sizes[i - 1], "octets of letter %d" % i)
        assert raw.endswith(b"line 1\r\nline 2\r\n.line 3\r\n"), raw
    check_equal(c.top(1, 1)[1][-1], b"line 1")
    check_equal(c.top(1, 0)[1][-1], b"")
    check_equal(c.top(1, 99)[1][-1], b".line 3")
    check_equal(c.noop()[:3], b"+OK")
    check_equal(c.list(2).split()[2], b"%d" % sizes[1])
    check_equal(c.uidl(1).split()[2], c.uidl()[1][0].split()[1])
    for fn, arg in ((c.retr, 3), (c.retr, 0), (c.dele, 99), (c.list, 3), (c.uidl, 4)):
        check_equal(error_of(fn, arg)[:4], b"-ERR")
    c.quit()


@case("DELE counts at QUIT only; RSET and a lost connection take it back")
def _(s):
    fill(s, 3)
    c = s.pop()
    c.dele(1)
    check_equal(c.stat()[0], 2)
    error_of(c.retr, 1)
    error_of(c.dele, 1)
    c.rset()
    check_equal(c.stat()[0], 3)
    c.dele(2)
    c.close()
    c = s.pop()
    check_equal(c.stat()[0], 3, "letters after a session that was lost")
    ids = [l.split()[1] for l in c.uidl()[1]]
    c.dele(1)
    c.dele(3)
    c.quit()
    c = s.pop()
    check_equal([l.split()[1] for l in c.uidl()[1]], [ids[1]], "what is left, by its unique id")
    c.quit()
    i = s.imap("alice", select="INBOX")
    check_equal(len(uids(i)), 1)
    i.logout()


@case("a maildrop is one session's; another is told that it is in use")
def _(s):
    fill(s, 1)
    first = s.pop()
    second = s.pop(None)
    second.user("alice@demo.test")
    check_in(b"IN-USE", error_of(second.pass_, "demo"))
    second.close()
    other = s.pop("bob")
    other.quit()
    first.quit()
    again = s.pop()
    again.quit()


@case("a wrong password and a missing user look the same")
def _(s):
    answers = []
    for user in ("alice@demo.test", "nobody@demo.test"):
        c = s.pop(None)
        c.user(user)
        answers.append(error_of(c.pass_, "wrong"))
        c.close()
    check_equal(answers[0], answers[1])
    check_in(b"[AUTH]", answers[0])


@case("pipelined commands are answered in order")
def _(s):
    fill(s, 2)
    with Raw(s, "pop3") as c:
        c.send(b"USER alice@demo.test\r\nPASS demo\r\nSTAT\r\nRETR 1\r\nDELE 2\r\nQUIT\r\n")
        lines = c.rest().split(b"\r\n")
        check_equal([l[:3] for l in lines if l.startswith((b"+OK", b"-ERR"))], [b"+OK"] * 6)
    c = s.pop()
    check_equal(c.stat()[0], 1)
    c.quit()


@case("a letter that arrives during a session is not in it, nor one expunged by IMAP a surprise")
def _(s):
    fill(s, 2)
    c = s.pop()
    expect(deliver(s, "alice", letter("late")), 250)
    check_equal(c.stat()[0], 2)
    i = s.imap("alice", select="INBOX")
    i.store("1", "+FLAGS.SILENT", "(\\Deleted)")
    i.expunge()
    i.logout()
    try:
        c.retr(1)
    except poplib.error_proto:
        pass
    assert c.retr(2)[1]
    c.quit()
    c = s.pop()
    check_equal(c.stat()[0], 2)
    c.quit()


@case("commands in the wrong state and lines that are too long are refused, and the session goes on")
def _(s):
    with Raw(s, "pop3") as c:
        for bad in ("STAT", "RETR 1", "PASS x", "", "X" * 400, "USER"):
            c.say(bad)
            check_equal(c.line()[:4], "-ERR", bad)
        c.say("USER alice@demo.test")
        c.line()
        c.say("PASS demo")
        check_equal(c.line()[:3], "+OK")
        c.say("USER again")
        check_equal(c.line()[:4], "-ERR")


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
