#!/usr/bin/env python3
"""test/interop/sessions.py - several sessions on one mailbox: what each is told, and when (RFC 3501 5.2, 7.4.1; RFC 2180)."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, expect, letter, uids
from server import Server
from tap import case, check_equal, check_in


def setup(s, name, n):
    """A mailbox of n letters and three sessions in it."""
    c = s.imap()
    c.create(name)
    for i in range(n):
        check_equal(c.append(name, None, None, letter("%s %d" % (name, i)))[0], "OK")
    c.logout()
    return [Raw(s, "imap").imap_login(select=name) for _ in range(3)]


def untagged(lines, word):
    return [l for l in lines if l.startswith("* ") and l.split()[2] == word]


@case("NOOP tells EXISTS, FETCH and EXPUNGE of other sessions, each once")
def _(s):
    a, b, c = setup(s, "noop", 3)
    check_equal(a.imap("STORE 2 +FLAGS (\\Flagged)")[-1][:4], "x OK")
    told = b.imap("NOOP")
    assert any(l.startswith("* 2 FETCH") and "\\Flagged" in l for l in told), told
    check_equal(untagged(b.imap("NOOP"), "FETCH"), [])
    a.imap("STORE 1 +FLAGS.SILENT (\\Deleted)")
    a.imap("EXPUNGE")
    told = b.imap("NOOP")
    check_equal(untagged(told, "EXPUNGE"), ["* 1 EXPUNGE"])
    check_equal(untagged(c.imap("NOOP"), "EXPUNGE"), ["* 1 EXPUNGE"])
    with s.imap() as w:
        w.append("noop", None, None, letter("new"))
    for session in (a, b, c):
        check_equal(untagged(session.imap("NOOP"), "EXISTS"), ["* 3 EXISTS"])
        check_equal(untagged(session.imap("NOOP"), "EXISTS"), [])


@case("an expunge is not told during FETCH, STORE and SEARCH by number, and is after UID commands")
def _(s):
    a, b, c = setup(s, "numbers", 4)
    a.imap("STORE 2 +FLAGS.SILENT (\\Deleted)")
    a.imap("EXPUNGE")
    for text in ("FETCH 1:4 (FLAGS)", "SEARCH ALL", "STORE 1 +FLAGS (\\Seen)"):
        check_equal(untagged(b.imap(text), "EXPUNGE"), [], text)
    got = b.imap("FETCH 4 (UID)")
    assert any("* 4 FETCH" in l and "UID 4" in l for l in got), got
    check_equal(untagged(b.imap("NOOP"), "EXPUNGE"), ["* 2 EXPUNGE"])
    check_equal(untagged(c.imap("UID SEARCH ALL"), "EXPUNGE"), ["* 2 EXPUNGE"])
    got = c.imap("FETCH 3 (UID)")
    assert any("* 3 FETCH" in l and "UID 4" in l for l in got), got


@case("a letter that is gone elsewhere can still not be taken for another by its number")
def _(s):
    a, b, _c = setup(s, "gone", 3)
    a.imap("STORE 1 +FLAGS.SILENT (\\Deleted)")
    a.imap("EXPUNGE")
    got = b.imap("FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert not any("gone 1" in l or "gone 2" in l for l in got), got
    got = b.imap("FETCH 2 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert any("gone 1" in l for l in got), got
    b.imap("NOOP")
    got = b.imap("FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert any("gone 1" in l for l in got), got


@case("idlers in two sessions hear of a letter that SMTP brings, and of what the third does")
def _(s):
    sessions = [Raw(s, "imap").imap_login("bob", select="INBOX") for _ in range(3)]
    for i in sessions[:2]:
        i.say("i IDLE")
        check_equal(i.line()[:1], "+")
    expect(deliver(s, "bob", letter("for idlers")), 250)
    for i in sessions[:2]:
        line = i.line()
        assert line.endswith(" EXISTS"), line
    n = int(line.split()[1])
    sessions[2].imap("NOOP")
    sessions[2].imap("STORE %d +FLAGS (\\Seen)" % n)
    for i in sessions[:2]:
        line = i.line()
        while "RECENT" in line:
            line = i.line()
        assert "FETCH" in line and "\\Seen" in line, line
    sessions[2].imap("STORE %d +FLAGS.SILENT (\\Deleted)" % n)
    sessions[2].imap("EXPUNGE")
    for i in sessions[:2]:
        line = i.line()
        while "FETCH" in line:
            line = i.line()
        check_equal(line, "* %d EXPUNGE" % n)
        i.say("DONE")
        i.imap_until("i")


@case("a mailbox deleted under a session ends that session or its selection, not the server")
def _(s):
    a, b, c = setup(s, "doomed", 1)
    a.imap("UNSELECT")
    check_equal(a.imap("DELETE doomed")[-1][:4], "x OK")
    for session in (b, c):
        try:
            for _ in range(3):
                session.imap("NOOP")
        except (EOFError, ConnectionError):
            pass
    check_equal(a.imap("NOOP")[-1][:4], "x OK")


@case("a password change ends the sessions under the old one")
def _(s):
    s.add_account("carol")
    with Raw(s, "imap").imap_login("carol", select="INBOX") as c:
        s.run("passwd", "carol@demo.test", stdin="other\n")
        try:
            answers = c.imap("NOOP")
            assert any(l.startswith("* BYE") for l in answers + [c.rest().decode()]), answers
        except (EOFError, ConnectionError):  # it ended first, with our NOOP unread: then TCP resets
            pass
    c = s.imap(None)
    c.login("carol@demo.test", "other")
    c.logout()


@case("eight sessions storing, copying and expunging at once agree in the end")
def _(s):
    c = s.imap()
    c.create("busy")
    for i in range(200):
        c.append("busy", None, None, letter("busy %d" % i))
    errors = []

    def work(k):
        try:
            with Raw(s, "imap").imap_login(select="busy") as r:
                for i in range(25):
                    for text in ("UID STORE %d +FLAGS.SILENT (k%d)" % (k * 25 + i + 1, k), "UID COPY %d busy" % (k * 25 + i + 1),
                                 "UID STORE %d +FLAGS.SILENT (\\Deleted)" % (k * 25 + i + 1), "UID EXPUNGE %d" % (k * 25 + i + 1)):
                        answer = r.imap(text)[-1]
                        if not answer.startswith("x OK"):
                            errors.append((text, answer))
        except Exception as e:
            errors.append(e)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check_equal(errors, [])
    check_equal(c.select("busy"), ("OK", [b"200"]))
    left = sorted(int(u) for u in uids(c))
    check_equal(left, list(range(201, 401)))
    for k in range(8):
        check_equal(len(uids(c, "KEYWORD", "k%d" % k)), 25)
    c.logout()


@case("what is stored obeys its invariants")
def _(s):
    check_in("wrong\t0", s.verify())


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
