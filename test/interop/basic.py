#!/usr/bin/env python3
"""test/interop/basic.py [-X] [--unprivileged] - the whole journey in short: in by SMTP and submission, out by IMAP and POP3, over every door, all
roles in one process (-X) or as a user without rights."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter, letter_files, subjects, uids, wait_until
from server import Server
from tap import case, check_equal, check_in


@case("every service speaks, plain and under TLS")
def _(s):
    for service in ("smtp", "submission"):
        for tls in (False, True):
            with s.smtp(service, tls=tls) as c:
                check_equal(c.noop()[0], 250)
    with s.smtp("submissions") as c:
        check_equal(c.noop()[0], 250)
    for service, tls in (("imap", False), ("imap", True), ("imaps", True)):
        s.imap("alice", service, tls).logout()
    for service, tls in (("pop3", False), ("pop3", True), ("pop3s", True)):
        s.pop("alice", service, tls).quit()


@case("a stranger's letter, a user's letter, one for both: IMAP and POP3 show them")
def _(s):
    expect(deliver(s, "alice", letter("stranger")), 250)
    with s.smtp("submission", tls=True, login="bob") as c:
        c.sendmail("bob@demo.test", ["alice@demo.test"], letter("colleague", sender="bob@demo.test"))
        c.sendmail("bob@demo.test", ["alice@demo.test", "bob@demo.test"], letter("for both", sender="bob@demo.test"))
    want = ["stranger", "colleague", "for both"]

    def got():
        c = s.imap("alice", "imaps")
        found = subjects(c)
        c.logout()
        return found
    wait_until(lambda: len(got()) == 3)
    check_equal(sorted(got()), sorted(want))
    p = s.pop("alice")
    check_equal(p.stat()[0], 3)
    found = [[l for l in p.retr(i)[1] if l.startswith(b"Subject: ")][0][9:].decode() for i in (1, 2, 3)]
    check_equal(sorted(found), sorted(want))
    p.dele(1)
    p.quit()
    check_equal(len(got()), 2)


@case("APPEND, FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE, RENAME, DELETE")
def _(s):
    c = s.imap()
    c.create("basic")
    for i in range(5):
        check_equal(c.append("basic", "(\\Seen)" if i % 2 else None, None, letter("basic %d" % i))[0], "OK")
    c.select("basic")
    check_equal(uids(c), [b"1", b"2", b"3", b"4", b"5"])
    check_equal(uids(c, "SEEN"), [b"2", b"4"])
    check_equal(uids(c, "BODY", "hello"), [b"1", b"2", b"3", b"4", b"5"])
    check_in(b"\\Flagged", c.store("1", "+FLAGS", "(\\Flagged)")[1][0])
    check_equal(c.copy("1:2", "Archive")[0], "OK")
    check_equal(c.uid("MOVE", "3", "Archive")[0], "OK")
    c.store("1", "+FLAGS.SILENT", "(\\Deleted)")
    c.expunge()
    check_equal(uids(c), [b"2", b"4", b"5"])
    check_equal(c.rename("basic", "basic2")[0], "OK")
    c.close()
    check_equal(c.delete("basic2")[0], "OK")
    check_equal(len(subjects(c, "Archive")), 3)
    c.logout()


@case("IDLE hears of a letter")
def _(s):
    with Raw(s, "imaps", tls=True).imap_login(select="INBOX") as c:
        c.say("i IDLE")
        c.line()
        expect(deliver(s, "alice", letter("wake up")), 250)
        assert c.line().endswith("EXISTS")
        c.say("DONE")
        c.imap_until("i")


@case("unusual letters and one of 6 MB come back byte by byte")
def _(s):
    for name, data in list(letter_files()) + [("large", letter("large", ("x" * 70 + "\r\n") * 90000))]:
        c = s.imap("bob")
        empty(c)
        expect(deliver(s, "bob", data), 250)
        c.select("INBOX")
        assert c.fetch("1", "(BODY.PEEK[])")[1][0][1].endswith(data), name
        c.logout()


@case("commands: status, lists, a new account, a new password, verify")
def _(s):
    s.add_account("dora")
    s.run("passwd", "dora@demo.test", stdin="new\n")
    c = s.imap(None)
    c.login("dora@demo.test", "new")
    c.logout()
    check_in("dora@demo.test", s.run("account", "list"))
    assert s.roles()
    s.run("account", "delete", "dora@demo.test")
    s.verify()


@case("a reload, and a stop with status 0; after it everything is there still")
def _(s):
    assert s.reload()
    expect(deliver(s, "alice", letter("last")), 250)
    status, took = s.stop()
    check_equal(status, 0)
    assert took < 10, took
    s.start()
    c = s.imap()
    check_in("last", subjects(c))
    c.logout()
    s.verify()


if __name__ == "__main__":
    with Server(embedded="-X" in sys.argv, unprivileged="--unprivileged" in sys.argv) as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
