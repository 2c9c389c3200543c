#!/usr/bin/env python3
"""test/interop/routing.py - who gets a letter: aliases, subaddresses, postmaster, several recipients; and who may send where."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter, subjects, wait_until
from server import Server, ServerError
from tap import case, check_equal, check_in


def count(s, who, subject):
    c = s.imap(who)
    n = subjects(c).count(subject)
    c.logout()
    return n


def check_counts(s, subject, **wanted):
    """Letters for several are delivered after the reply; when nothing comes any more, the counts are right."""
    wait_until(lambda: all(count(s, who, subject) >= n for who, n in wanted.items()), what="delivery of %r to %r" % (subject, wanted))
    check_equal({who: count(s, who, subject) for who in wanted}, wanted, subject)


@case("an alias delivers to one and to many, also through another alias; loops end")
def _(s):
    s.run("alias", "add", "sales@demo.test", "alice@demo.test")
    s.run("alias", "add", "all@demo.test", "alice@demo.test", "bob@demo.test")
    s.run("alias", "add", "deep@demo.test", "sales@demo.test", "bob@demo.test")
    expect(deliver(s, "sales", letter("to one")), 250)
    check_counts(s, "to one", alice=1, bob=0)
    expect(deliver(s, "all", letter("to many")), 250)
    check_counts(s, "to many", alice=1, bob=1)
    expect(deliver(s, "deep", letter("to deep")), 250)
    check_counts(s, "to deep", alice=1, bob=1)
    check_in("all@demo.test", s.run("alias", "list"))
    status, _out, _err = s.run("alias", "add", "loop1@demo.test", "loop2@demo.test", check=False)
    if status == 0:
        s.run("alias", "add", "loop2@demo.test", "loop1@demo.test", check=False)
        with Raw(s, "smtp") as c:
            c.smtp("EHLO c.test")
            c.smtp("MAIL FROM:<a@far.test>")
            code = c.smtp("RCPT TO:<loop1@demo.test>")[0]
            assert code >= 400, "a loop of aliases is deliverable: %d" % code


@case("user+anything is the user's; names know no upper case")
def _(s):
    for i, to in enumerate(("alice+news@demo.test", "ALICE@demo.test", "Alice+X@DEMO.TEST", "alice+a+b@demo.test")):
        expect(deliver(s, to, letter("sub %d" % i)), 250)
        check_counts(s, "sub %d" % i, alice=1)


@case("postmaster and abuse are deliverable without being made")
def _(s):
    for i, to in enumerate(("postmaster@demo.test", "Postmaster@demo.test", "abuse@demo.test", "postmaster", "PostMaster@mail.demo.test")):
        with Raw(s, "smtp") as c:
            c.smtp("EHLO c.test")
            c.smtp("MAIL FROM:<>")
            expect(c.smtp("RCPT TO:<%s>" % to), 250)
            expect(c.smtp("DATA"), 354)
            c.send(letter("for the postmaster %d" % i) + b".\r\n")
            expect(c.smtp(), 250)


@case("several recipients get one each; who is named twice, by alias, subaddress or case, gets one")
def _(s):
    expect(deliver(s, ["alice", "bob"], letter("both")), 250)
    check_counts(s, "both", alice=1, bob=1)
    expect(deliver(s, ["alice", "alice", "ALICE@DEMO.TEST", "alice+x@demo.test", "sales", "all", "bob"], letter("often")), 250)
    check_counts(s, "often", alice=1, bob=1)
    expect(deliver(s, ["alice", "alice"], letter("twice")), 250)
    check_counts(s, "twice", alice=1)


@case("fifty accounts get one letter each")
def _(s):
    names = ["user%d" % i for i in range(48)]
    for name in names:
        s.add_account(name)
    expect(deliver(s, names + ["alice", "bob"], letter("to fifty")), 250)
    check_counts(s, "to fifty", **{name: 1 for name in names + ["alice", "bob"]})


@case("each recipient's letter names that recipient alone")
def _(s):
    expect(deliver(s, ["alice", "bob"], letter("private")), 250)
    check_counts(s, "private", alice=1, bob=1)
    for who, other in (("alice", "bob"), ("bob", "alice")):
        c = s.imap(who, select="INBOX")
        header = c.fetch("*", "(BODY.PEEK[HEADER.FIELDS (DELIVERED-TO RECEIVED RETURN-PATH)])")[1][0][1]
        check_in(b"Delivered-To: <%s@demo.test>" % who.encode(), header)
        assert other.encode() not in header, header
        c.logout()


@case("nobody can relay: not by a plain address, nor by old tricks")
def _(s):
    for to in ("x@far.test", "postmaster@far.test", "x@mail.demo.test", "x%far.test@demo.test", "@demo.test:x@far.test", '"x@far.test"@demo.test', "far.test!x@demo.test", "x@[127.0.0.1]",
               "x@[192.0.2.1]", "x@demo.test@far.test", "x@sub.demo.test", "x@demo.test.far.test"):
        with Raw(s, "smtp") as c:
            c.smtp("EHLO c.test")
            expect(c.smtp("MAIL FROM:<alice@demo.test>"), 250)
            code, text = c.smtp("RCPT TO:<%s>" % to)
            assert 500 <= code < 600, "RCPT TO:<%s>: %s" % (to, text)
    for user, to, want in (("alice", "x@far.test", 250), ("alice", "nobody@demo.test", 550), ("alice", "bob@demo.test", 250)):
        with s.smtp("submission", tls=True, login=user) as c:
            c.docmd("MAIL", "FROM:<alice@demo.test>")
            check_equal(c.docmd("RCPT", "TO:<%s>" % to)[0], want, to)


@case("an account or alias that is deleted is unknown at once, and its login ends")
def _(s):
    s.add_account("short")
    expect(deliver(s, "short", letter("hello")), 250)
    c = s.imap("short", select="INBOX")
    s.run("alias", "delete", "sales@demo.test")
    s.run("account", "delete", "short@demo.test")
    for to in ("short", "sales"):
        with Raw(s, "smtp") as r:
            r.smtp("EHLO c.test")
            r.smtp("MAIL FROM:<a@far.test>")
            expect(r.smtp("RCPT TO:<%s@demo.test>" % to), 550)
    try:
        assert c.noop()[0] != "OK" or c.noop()[0] != "OK", "the session goes on"
    except Exception as e:
        assert not isinstance(e, AssertionError), e


@case("commands refuse what is wrong and say so")
def _(s):
    for words, stdin in ((("domain", "add", "demo.test"), ""), (("account", "add", "alice@demo.test"), "x\n"), (("account", "add", "x@other.test"), "x\n"),
                         (("domain", "delete", "demo.test"), ""), (("account", "delete", "nobody@demo.test"), ""), (("domain", "add", "not a domain"), ""),
                         (("account", "add", "alice"), "x\n"), (("account", "add", "empty@demo.test"), "\n"), (("passwd", "nobody@demo.test"), "x\n"),
                         (("alias", "add", "alice@demo.test", "bob@demo.test"), ""), (("alias", "delete", "never@demo.test"), "")):
        try:
            s.run(*words, stdin=stdin)
        except ServerError as e:
            check_in("sallyport: ", str(e))
        else:
            raise AssertionError("%s was done" % " ".join(words))
    check_equal(len([l for l in s.run("account", "list").splitlines() if l.startswith(("alice@", "bob@"))]), 2)
    check_in("demo.test", s.run("domain", "list"))


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
