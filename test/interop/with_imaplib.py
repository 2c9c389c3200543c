#!/usr/bin/env python3
"""test/interop/with_imaplib.py - IMAP with Python's client: every command, and IDLE by a bare connection."""
import base64
import imaplib
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, expunged, letter, uids
from server import Server
from tap import case, check_equal, check_in

imaplib.Commands.setdefault("MOVE", ("SELECTED",))


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def fresh(s, mailbox, n=0, who="alice"):
    """A new mailbox with n letters, selected."""
    c = s.imap(who)
    c.delete(mailbox)
    ok(c.create(mailbox))
    for i in range(n):
        ok(c.append(mailbox, None, None, letter("m%d" % (i + 1))))
    ok(c.select(mailbox))
    return c


def codes(c, name):
    """The last value of a response code."""
    return [v for v in c.response(name)[1] if v][-1]


@case("LOGIN and AUTHENTICATE PLAIN by every service; wrong ones are refused")
def _(s):
    for service, tls in (("imap", False), ("imap", True), ("imaps", True)):
        for method in ("login", "authenticate"):
            c = s.imap(None, service, tls)
            if method == "login":
                ok(c.login("alice@demo.test", "demo"))
            else:
                check_in("AUTH=PLAIN", c.capabilities)
                ok(c.authenticate("PLAIN", lambda x: b"\0alice@demo.test\0demo"))
            ok(c.select())
            ok(c.close())
            c.logout()
    c = s.imap(None)
    for user, password in (("alice@demo.test", "wrong"), ("nobody@demo.test", "demo")):
        try:
            c.login(user, password)
            raise AssertionError("logged in")
        except imaplib.IMAP4.error as e:
            check_in("AUTHENTICATIONFAILED", str(e))
    c.shutdown()


@case("CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, CHECK")
def _(s):
    c = s.imap(select="INBOX")
    for name in ("IMAP4REV1", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE", "NAMESPACE", "CHILDREN", "UNSELECT", "UIDPLUS", "MOVE",
                 "SPECIAL-USE", "WITHIN"):
        check_in(name, ok(c.capability())[0].decode().upper().split())
    ok(c.xatom("ID", '("name" "test")'))
    check_equal(ok(c.namespace())[0], b'(("" "/")) NIL NIL')
    ok(c.noop())
    ok(c.check())
    ok(c.unselect())
    c.logout()


@case("CREATE, RENAME, SUBSCRIBE, LSUB, LIST, STATUS, DELETE of nested and non-ASCII mailboxes")
def _(s):
    c = s.imap()
    for name in ("one", "one/two", "one/two/three", "&AOQA9gD8-", "with blank"):
        ok(c.create('"%s"' % name))
    check_equal(c.create("one")[0], "NO")
    ok(c.subscribe("one/two"))
    listed = b"\n".join(ok(c.list()))
    for name in (b"one/two/three", b"&AOQA9gD8-", b"with blank"):
        check_in(name, listed)
    check_in(b"one/two", b"\n".join(ok(c.lsub())))
    check_equal(len([l for l in ok(c.list('""', "one/%")) if l]), 1)
    check_equal(len([l for l in ok(c.list('""', "one/*")) if l]), 2)
    ok(c.append("one/two", None, None, letter("kept")))
    ok(c.rename("one", "uno"))
    listed = b"\n".join(ok(c.list()))
    check_in(b"uno/two/three", listed)
    assert b"one/" not in listed, listed
    status = ok(c.status("uno/two", "(MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY)"))[0]
    check_in(b"MESSAGES 1", status)
    check_in(b"UNSEEN 1", status)
    check_equal(c.rename("uno", "INBOX")[0], "NO")
    check_equal(c.delete("INBOX")[0], "NO")
    ok(c.unsubscribe("one/two"))
    for name in ("uno/two/three", "uno/two", "uno", "&AOQA9gD8-", "with blank"):
        ok(c.delete('"%s"' % name))
    check_equal(c.status("uno", "(MESSAGES)")[0], "NO")
    check_equal(c.select("uno")[0], "NO")
    c.logout()


@case("RENAME of INBOX moves its letters and leaves it empty")
def _(s):
    empty(s.imap("bob"))
    expect(deliver(s, "bob", letter("to be moved")), 250)
    c = s.imap("bob")
    ok(c.rename("INBOX", "old-inbox"))
    check_equal(ok(c.select("INBOX")), [b"0"])
    check_equal(ok(c.select("old-inbox")), [b"1"])
    c.close()
    ok(c.delete("old-inbox"))
    c.logout()


@case("the mailboxes every account begins with carry their special uses")
def _(s):
    c = s.imap()
    listed = b"\n".join(ok(c.list()))
    for name, use in ((b"Drafts", b"\\Drafts"), (b"Sent", b"\\Sent"), (b"Junk", b"\\Junk"), (b"Trash", b"\\Trash"), (b"Archive", b"\\Archive")):
        line = [l for l in listed.split(b"\n") if name in l]
        assert line and use in line[0], "%r in %r" % (use, listed)
    c.logout()


@case("APPEND keeps flags, keywords, date and bytes, and answers APPENDUID")
def _(s):
    c = fresh(s, "append")
    data = letter("appended", "8-bit: \u00e4\r\n.dot\r\n")
    ok(c.append("append", "(\\Seen \\Flagged work $Label1)", '"22-Nov-2026 15:04:05 +0200"', data))
    validity, uid = codes(c, "APPENDUID").split()
    ok(c.noop())
    flags = ok(c.uid("FETCH", uid.decode(), "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"))
    head = flags[0][0]
    for part in (b"\\Seen", b"\\Flagged", b"work", b"$Label1", b"RFC822.SIZE %d" % len(data)):
        check_in(part, head)
    date = re.search(rb'INTERNALDATE "([^"]+)"', head).group(1).decode()
    check_equal(imaplib.Internaldate2tuple(b'INTERNALDATE "' + date.encode() + b'"'),
                imaplib.Internaldate2tuple(b'INTERNALDATE "22-Nov-2026 15:04:05 +0200"'))
    check_equal(flags[0][1], data)
    check_in(validity, ok(c.status("append", "(UIDVALIDITY)"))[0])
    answer = c.append("no-such-mailbox", None, None, data)
    check_equal(answer[0], "NO")
    check_in(b"TRYCREATE", answer[1][0])
    c.logout()


@case("FETCH of all items, sections and partial ones")
def _(s):
    c = fresh(s, "fetch")
    data = (b"From: \"A B\" <a@far.test>\r\nTo: alice@demo.test\r\nSubject: =?utf-8?Q?f=C3=B6tch?=\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nfirst part\r\n--b\r\n"
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n--b--\r\n")
    ok(c.append("fetch", None, None, data))
    ok(c.noop())
    full = ok(c.fetch("1", "FULL"))[0]
    for part in (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE %d" % len(data), b"ENVELOPE", b"BODY (", b"=?utf-8?Q?f=C3=B6tch?="):
        check_in(part, full)
    structure = ok(c.fetch("1", "(BODYSTRUCTURE)"))[0]
    check_in(b'"text" "plain"', structure.lower())
    check_in(b'"mixed" ("boundary" "b")', structure.lower())
    for item, want in (("BODY.PEEK[1]", b"first part"), ("BODY.PEEK[2]", b"PGI+"), ("BODY.PEEK[TEXT]<0.3>", b"--b"),
                       ("BODY.PEEK[1]<6.100>", b"part"), ("BODY.PEEK[2.MIME]", b"Content-Type: text/html; charset=utf-8\r\n"
                                                          b"Content-Transfer-Encoding: base64\r\n\r\n"),
                       ("BODY.PEEK[HEADER.FIELDS (To)]", b"To: alice@demo.test\r\n\r\n"), ("BODY.PEEK[]<0.4>", b"From"),
                       ("BODY.PEEK[HEADER]", data.split(b"\r\n\r\n")[0] + b"\r\n\r\n")):
        check_equal(ok(c.fetch("1", "(%s)" % item))[0][1], want, item)
    assert b"\\Seen" not in ok(c.fetch("1", "(FLAGS)"))[0]
    ok(c.fetch("1", "(BODY[1])"))
    check_in(b"\\Seen", ok(c.fetch("1", "(FLAGS)"))[0])
    check_equal(ok(c.fetch("1", "(RFC822.HEADER)"))[0][1], data.split(b"\r\n\r\n")[0] + b"\r\n\r\n")
    check_equal(ok(c.fetch("1", "(RFC822)"))[0][1], data)
    check_equal(ok(c.uid("FETCH", "999", "(FLAGS)")), [None])
    c.logout()


@case("STORE sets, adds and removes flags and keywords, silently or not")
def _(s):
    c = fresh(s, "store", 3)
    got = ok(c.store("1:3", "+FLAGS", "(\\Seen key)"))
    check_equal(len(got), 3)
    ok(c.store("1", "-FLAGS", "(\\Seen)"))
    ok(c.store("2", "FLAGS", "(\\Answered)"))
    check_equal(ok(c.store("3", "+FLAGS.SILENT", "(\\Deleted)")), [None])
    flags = [sorted(f for f in imaplib.ParseFlags(row) if f != b"\\Recent") for row in ok(c.fetch("1:3", "(FLAGS)"))]
    check_equal(flags, [[b"key"], [b"\\Answered"], [b"\\Deleted", b"\\Seen", b"key"]])
    ok(c.select("store", readonly=True))
    try:
        check_equal(c.store("1", "+FLAGS", "(\\Seen)")[0], "NO")
    except imaplib.IMAP4.readonly:
        pass
    c.logout()


@case("EXPUNGE, UID EXPUNGE, CLOSE and UNSELECT remove what they should")
def _(s):
    c = fresh(s, "expunge", 6)
    all_uids = uids(c)
    ok(c.store("2,4", "+FLAGS.SILENT", "(\\Deleted)"))
    check_equal(expunged(ok(c.expunge()), 6), [2, 4])
    check_equal(uids(c), [all_uids[i] for i in (0, 2, 4, 5)])
    ok(c.store("1:2", "+FLAGS.SILENT", "(\\Deleted)"))
    ok(c.uid("EXPUNGE", all_uids[0].decode()))
    check_equal(uids(c), [all_uids[i] for i in (2, 4, 5)])
    ok(c.unselect())
    ok(c.select("expunge"))
    check_equal(len(uids(c)), 3, "after UNSELECT")
    ok(c.close())
    check_equal(ok(c.select("expunge")), [b"2"], "after CLOSE")
    c.logout()


@case("COPY, UID COPY, MOVE and UID MOVE with COPYUID; flags travel along")
def _(s):
    c = fresh(s, "from", 4)
    c.delete("to")
    answer = c.copy("1", "to")
    check_equal(answer[0], "NO")
    check_in(b"TRYCREATE", answer[1][0])
    ok(c.create("to"))
    ok(c.store("2", "+FLAGS.SILENT", "(\\Flagged travels)"))
    source = uids(c)
    ok(c.copy("1:2", "to"))
    copied = codes(c, "COPYUID").split()
    check_equal(len(copied), 3)
    ok(c.uid("COPY", source[2].decode(), "to"))
    ok(c.uid("MOVE", "%s,%s" % (source[1].decode(), source[3].decode()), "to"))
    check_equal(uids(c), [source[0], source[2]])
    ok(c._simple_command("MOVE", "1", "to"))
    check_equal(uids(c), [source[2]])
    ok(c.select("to"))
    check_equal(len(uids(c)), 6)
    check_equal(len(uids(c, "FLAGGED", "KEYWORD", "travels")), 2)
    c.logout()


@case("SEARCH by every kind of key")
def _(s):
    c = fresh(s, "search")
    ok(c.append("search", "(\\Seen)", '"01-Jan-2020 00:00:00 +0000"', letter("apple pie", "the needle is here\r\n", to="x@far.test")))
    ok(c.append("search", "(\\Flagged k1)", '"01-Jan-2024 00:00:00 +0000"', letter("banana", "b" * 3000 + "\r\n", extra="Cc: c@far.test\r\n")))
    ok(c.append("search", "(\\Answered \\Draft)", None, letter("=?utf-8?B?w4RwZmVs?=", "gr\u00fcn\r\n", extra="Bcc: b@far.test\r\n"
                                                               "Content-Type: text/plain; charset=utf-8\r\n")))
    ok(c.noop())
    for keys, want in (("ALL", "1 2 3"), ("SEEN", "1"), ("UNSEEN", "2 3"), ("FLAGGED", "2"), ("UNFLAGGED", "1 3"), ("ANSWERED", "3"),
                       ("UNANSWERED", "1 2"), ("DRAFT", "3"), ("UNDRAFT", "1 2"), ("DELETED", ""), ("UNDELETED", "1 2 3"),
                       ("KEYWORD k1", "2"), ("UNKEYWORD k1", "1 3"), ("KEYWORD never", ""), ("SUBJECT APPLE", "1"), ("BODY needle", "1"),
                       ("TEXT needle", "1"), ("TO x@far", "1"), ("CC c@far", "2"), ("BCC b@far", "3"), ("FROM sender", "1 2 3"),
                       ("HEADER Message-ID banana", "2"), ("HEADER Cc \"\"", "2"), ("BEFORE 1-Jan-2021", "1"), ("SINCE 1-Jan-2025", "3"),
                       ("ON 1-Jan-2024", "2"), ("SENTSINCE 1-Jan-2026", "1 2 3"), ("SENTBEFORE 1-Jan-2026", ""),
                       ("SENTON 22-Nov-2026", "1 2 3"), ("LARGER 2000", "2"), ("SMALLER 2000", "1 3"), ("OLDER 100000", "1 2"),
                       ("YOUNGER 100000", "3"), ("2:3", "2 3"), ("*", "3"), ("NOT SEEN", "2 3"), ("OR SEEN FLAGGED", "1 2"),
                       ("OR (SEEN SUBJECT apple) (NOT (OR SEEN FLAGGED))", "1 3"), ("UNSEEN NOT FLAGGED", "3"), ("UID 1:*", "1 2 3")):
        check_equal((ok(c.search(None, keys))[0] or b"").decode(), want, keys)
    c.literal = "\u00e4PFEL".encode()  # imaplib sends it behind the last argument
    check_equal(ok(c.search("UTF-8", "SUBJECT"))[0], b"3")
    answer = c.search("X-UNKNOWN", "ALL")
    check_equal(answer[0], "NO")
    check_in(b"BADCHARSET", answer[1][0])
    c.logout()


def fetched(answer, item):
    """The number behind an item of the first FETCH answer."""
    line = answer[0][0] if isinstance(answer[0], tuple) else answer[0]
    return int(re.search(re.escape(item).encode() + rb" \(?(\d+)", line)[1])


@case("CONDSTORE: of two clients that change a message the second learns of the first")
def _(s):
    fresh(s, "cond", 3).logout()
    a, b = s.imap(), s.imap()
    for c in (a, b):
        check_equal(c.enable("CONDSTORE")[0], "OK")
        ok(c.select("cond"))
    seen = fetched(ok(a.fetch("2", "(MODSEQ)")), "MODSEQ")
    ok(b.store("2", "+FLAGS.SILENT", "(\\Flagged)"))
    answer = ok(a.store("1:3", "(UNCHANGEDSINCE %d) +FLAGS.SILENT" % (seen + 1), "(\\Answered)"))
    check_equal(codes(a, "MODIFIED"), b"2")
    assert all(b"MODSEQ" in line for line in answer), answer
    check_equal(len(ok(a.fetch("1:*", "(FLAGS) (CHANGEDSINCE %d)" % (seen + 1)))), 3)
    flags = b"".join(ok(a.fetch("2", "(FLAGS)")))
    assert b"\\Flagged" in flags and b"\\Answered" not in flags, flags
    newest = fetched(ok(a.fetch("3", "(MODSEQ)")), "MODSEQ")
    check_equal(ok(a.fetch("1:*", "(FLAGS) (CHANGEDSINCE %d)" % newest)), [None])
    check_in(b"HIGHESTMODSEQ %d" % newest, ok(b.status("cond", "(HIGHESTMODSEQ)"))[0])
    a.logout()
    b.logout()


@case("ESEARCH and $: found, counted, kept, and gone when it is expunged; under IMAP4rev2 always")
def _(s):
    c = fresh(s, "found", 12)
    ok(c.store("2:5,9", "+FLAGS.SILENT", "(\\Flagged)"))
    ok(c.search(None, "RETURN (MIN MAX COUNT ALL SAVE)", "FLAGGED"))
    check_in(b"ALL 2:5,9 MIN 2 MAX 9 COUNT 5", codes(c, "ESEARCH"))
    check_equal(len(ok(c.fetch("$", "(UID)"))), 5)
    ok(c.copy("$", "Archive"))
    ok(c.store("3", "+FLAGS.SILENT", "(\\Deleted)"))
    ok(c.expunge())
    ok(c.search(None, "RETURN (ALL COUNT)", "$"))
    check_in(b"ALL 2:4,8 COUNT 4", codes(c, "ESEARCH"))
    ok(c.store("$", "+FLAGS.SILENT", "(\\Deleted)"))
    ok(c.expunge())
    check_equal(ok(c.search(None, "$")), [b""])
    c.logout()
    c = s.imap()
    ok(c.enable("IMAP4rev2"))
    ok(c.select("found"))
    ok(c.search(None, "UNSEEN"))
    check_in(b"ALL 1:7", codes(c, "ESEARCH"))
    check_equal(c.response("RECENT")[1], [None])
    c.logout()


@case("BINARY: a large attachment comes decoded, whole and in parts")
def _(s):
    c = fresh(s, "binary")
    data = bytes(i * 7 & 255 for i in range(1 << 20)) * 2
    ok(c.append("binary", None, None, b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                + base64.encodebytes(data).replace(b"\n", b"\r\n") + b"--b--\r\n"))
    ok(c.noop())
    check_equal(fetched(ok(c.fetch("1", "(BINARY.SIZE[2])")), "BINARY.SIZE[2]"), len(data))
    got = ok(c.fetch("1", "(BINARY.PEEK[2])"))[0]
    assert got[0].endswith(b"~{%d}" % len(data)) and got[1] == data, got[0]
    for at, n in ((0, 1), (131071, 3), (1 << 20, 70000), (len(data) - 5, 100), (len(data), 1)):
        got = ok(c.fetch("1", "(BINARY.PEEK[2]<%d.%d>)" % (at, n)))[0]
        check_equal(got[1], data[at:at + n], "%d.%d" % (at, n))
    check_equal(ok(c.fetch("1", "(BINARY.PEEK[1])"))[0][1], b"text")
    c.logout()


@case("bad sets, unknown commands and wrong states are refused, and the session goes on")
def _(s):
    with Raw(s, "imap") as c:
        for text, want in (("FROB", "BAD"), ("SELECT INBOX", ""), ("LOGIN", "BAD"), ("NOOP extra", "BAD"), ("FETCH 1 FLAGS", "")):
            answer = c.imap(text)[-1]
            assert answer.startswith(("x BAD", "x NO") if not want else "x " + want), (text, answer)
        c.imap_login(select="INBOX")
        for text in ("FETCH 0 FLAGS", "FETCH 1:x FLAGS", "FETCH 1 (FLAGS", "STORE 1 FLAGS", "SEARCH", "SEARCH (", "COPY 1", "UID NOOP",
                     "FETCH 1 BODY[1", "LIST", "APPEND INBOX (\\Seen", "SEARCH CHARSET UTF-8", "FETCH 4294967296 FLAGS"):
            check_equal(c.imap(text)[-1][:5], "x BAD", text)
        check_equal(c.imap("NOOP")[-1][:4], "x OK")


@case("literals: synchronising, non-synchronising, in commands other than APPEND")
def _(s):
    with Raw(s, "imap") as c:
        c.say("a LOGIN {15}")
        check_equal(c.line()[:1], "+")
        c.send(b"alice@demo.test {4+}\r\ndemo\r\n")
        check_equal(c.imap_until("a")[-1][:4], "a OK")
        data = letter("by literal+")
        c.send(b"b APPEND INBOX {%d+}\r\n" % len(data) + data + b"\r\n")
        check_in("APPENDUID", c.imap_until("b")[-1])
        limit = 60 << 20
        c.say("c APPEND INBOX {%d}" % limit)
        check_in("TOOBIG", c.imap_until("c")[-1])
        c.say("d APPEND no-such {%d}" % len(data))
        line = c.line()
        if line.startswith("+"):
            c.send(data + b"\r\n")
            line = c.line()
        check_in("TRYCREATE", line)
        check_equal(c.imap("NOOP")[-1][:4], "x OK")


@case("IDLE tells of arrivals, flags and expunges, and ends with DONE")
def _(s):
    writer = fresh(s, "idle", 1)
    with Raw(s, "imap").imap_login(select="idle") as c:
        c.say("i IDLE")
        check_equal(c.line()[:1], "+")
        ok(writer.append("idle", None, None, letter("wake up")))
        check_equal(c.line(), "* 2 EXISTS")
        seen = time.monotonic()
        ok(writer.store("1", "+FLAGS", "(\\Flagged)"))
        line = c.line()
        while "RECENT" in line:
            line = c.line()
        assert line.startswith("* 1 FETCH") and "\\Flagged" in line, line
        ok(writer.store("1", "+FLAGS.SILENT", "(\\Deleted)"))
        ok(writer.expunge())
        line = c.line()
        while "FETCH" in line:
            line = c.line()
        check_equal(line, "* 1 EXPUNGE")
        c.say("DONE")
        check_in("i OK", c.imap_until("i")[-1])
        assert time.monotonic() - seen < 5
    with Raw(s, "imap").imap_login(select="INBOX") as c:
        c.say("i IDLE")
        c.line()
        c.say("NOT DONE")
        check_equal(c.imap_until("i")[-1][:5], "i BAD")


@case("thousands of letters: APPEND, SEARCH, FETCH, STORE, EXPUNGE of all")
def _(s):
    n = 3000
    c = fresh(s, "many")
    with Raw(s, "imap", timeout=60).imap_login() as w:
        data = letter("one of many")
        for at in range(0, n, 100):
            w.send(b"".join(b"t%d APPEND many {%d+}\r\n" % (i, len(data)) + data + b"\r\n" for i in range(at, at + 100)))
            for i in range(at, at + 100):
                check_in("OK", w.imap_until("t%d" % i)[-1])
    ok(c.noop())
    check_equal(len(uids(c)), n)
    check_equal(len(ok(c.fetch("1:*", "(FLAGS UID)"))), n)
    check_equal(len([x for x in ok(c.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")) if isinstance(x, tuple)]), n)
    check_equal(len(uids(c, "SUBJECT", "many", "UNSEEN")), n)
    ok(c.store("1:*", "+FLAGS.SILENT", "(\\Deleted)"))
    check_equal(len(ok(c.expunge())), n)
    check_equal(uids(c), [])
    c.logout()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
