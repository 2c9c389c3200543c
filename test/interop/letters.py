#!/usr/bin/env python3
"""test/interop/letters.py - unusual, large and many letters: in by SMTP or APPEND, out by IMAP and POP3 as they were, byte by byte."""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter, letter_files, uids
from server import Server
from tap import case, check_equal

LARGE = 20 << 20


def one(s, who="alice"):
    """The only letter of INBOX by IMAP and by POP3."""
    c = s.imap(who, select="INBOX", timeout=60)
    check_equal(len(uids(c)), 1)
    size, by_imap = c.fetch("1", "(RFC822.SIZE BODY.PEEK[])")[1][0]
    c.logout()
    p = s.pop(who, timeout=60)
    by_pop = b"".join(l + b"\r\n" for l in p.retr(1)[1])
    check_equal(int(p.list(1).split()[2]), len(by_pop), "POP3's size")
    p.quit()
    assert b"RFC822.SIZE %d " % len(by_imap) in size, size
    return by_imap, by_pop


@case("each unusual letter comes out by IMAP and POP3 as it went in by SMTP, and all its parts can be asked for")
def _(s):
    for name, data in letter_files():
        empty(s.imap("alice"))
        reply = deliver(s, "alice", data)
        check_equal(reply[0], 250, name)
        by_imap, by_pop = one(s)
        assert by_imap.endswith(data), "%s by IMAP: %r" % (name, by_imap[-300:])
        check_equal(by_pop, by_imap, name + " by POP3")
        c = s.imap("alice", select="INBOX")
        for items in ("FULL", "(BODYSTRUCTURE ENVELOPE)", "(BODY.PEEK[1] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1.MIME])",
                      "(BODY.PEEK[9.9.9] BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)])"):
            status, answer = c.fetch("1", items)
            check_equal(status, "OK", "%s: FETCH %s" % (name, items))
        for keys in ('TEXT "the"', 'SUBJECT "letter"', 'BODY "part"', 'HEADER X-Empty ""'):
            check_equal(c.search(None, keys)[0], "OK", "%s: SEARCH %s" % (name, keys))
        c.logout()


@case("each unusual letter comes back from APPEND unchanged, without a byte before it")
def _(s):
    c = s.imap("alice")
    c.create("odd")
    for name, data in letter_files():
        check_equal(c.append("odd", None, None, data)[0], "OK", name)
    c.select("odd")
    for i, (name, data) in enumerate(letter_files(), 1):
        check_equal(c.fetch(str(i), "(BODY.PEEK[])")[1][0][1], data, name)
    c.delete("odd")
    c.logout()


@case("a letter that holds NUL is refused by SMTP, and by APPEND too (RFC 3501 4.3.1)")
def _(s):
    empty(s.imap("alice"))
    data = letter("nul", "a\0b\r\n")
    check_equal(deliver(s, "alice", data)[0], 554)
    c = s.imap("alice", select="INBOX")
    check_equal(c.append("INBOX", None, None, data)[0] in ("NO", "BAD"), True, "APPEND")
    check_equal(uids(c), [])
    c.logout()


@case("a letter of 20 MB goes through SMTP, IMAP and POP3 whole, and out again by APPEND")
def _(s):
    random.seed(7)
    line = bytes(random.choice(b"abcdefghijklmnopqrstuvwxyz0123456789+/.") for _ in range(4096))
    body = b"".join(line[(i * 61) % 4000:][:76] + b"\r\n" for i in range(LARGE // 78))
    data = letter("large").replace(b"Hello\r\n", b"") + body
    empty(s.imap("bob"))
    began = time.monotonic()
    check_equal(deliver(s, "bob", data)[0], 250)
    took = time.monotonic() - began
    by_imap, by_pop = one(s, "bob")
    assert by_imap.endswith(data), "IMAP: %d bytes of %d" % (len(by_imap), len(data))
    assert by_pop == by_imap, "POP3: %d bytes of %d" % (len(by_pop), len(by_imap))
    c = s.imap("bob", timeout=60)
    c.create("large")
    check_equal(c.append("large", None, None, data)[0], "OK")
    c.select("large")
    assert c.fetch("1", "(BODY.PEEK[])")[1][0][1] == data
    for at in (0, 65530, 4 << 20, len(data) - 10):
        check_equal(c.fetch("1", "(BODY.PEEK[]<%d.100>)" % at)[1][0][1], data[at:at + 100])
    check_equal(c.search(None, 'SUBJECT "large"')[1], [b"1"])
    check_equal(c.search(None, 'BODY "nowhere in it"')[1], [b""])
    c.logout()
    tap.comment("20 MB by SMTP in %.2f s" % took)


@case("two thousand small letters on eight connections: all there, none twice")
def _(s):
    empty(s.imap("bob"))
    n, workers = 2000, 8
    errors = []

    def work(k):
        try:
            for at in range(k, n, workers * 50):
                with Raw(s, "smtp") as c:
                    c.smtp("EHLO c.test")
                    for i in range(at, min(at + workers * 50, n), workers):
                        c.send(b"MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@demo.test>\r\nDATA\r\n")
                        for code in (250, 250, 354):
                            expect(c.smtp(), code)
                        c.send(letter("small %d" % i) + b".\r\n")
                        expect(c.smtp(), 250)
        except Exception as e:
            errors.append(repr(e))
    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(k,)) for k in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    check_equal(errors, [])
    c = s.imap("bob", select="INBOX", timeout=60)
    got = c.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    got = sorted(int(x[1].split()[2]) for x in got if isinstance(x, tuple))
    check_equal(got, list(range(n)))
    c.logout()
    tap.comment("%d letters in %.1f s, %.0f a second" % (n, took, n / took))


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
