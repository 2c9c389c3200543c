#!/usr/bin/env python3
"""test/interop/imap_oracle.py - the same letters and the same commands to Dovecot and to Sallyport: the answers are the same, or
DIFFERENCES says which section of an RFC lets them differ.

Compared as values (test/lib/imap_answer.py): how a string is quoted, the order of items and modification sequences themselves are
each server's own business. Needs root and dovecot-imapd.
"""
import base64
import os
import quopri
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import imap_answer as ia
import tap
from client import LETTERS, Raw
from dovecot import Dovecot
from server import Server
from tap import case

DATE = b'"17-Jul-2026 02:44:25 -0700"'
BINARY = bytes(range(256)) * 300


def part(kind, encoding, body, extra=b""):
    return b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n%s\r\n%s" % (kind, encoding, extra, body)


def multipart(parts, subtype=b"mixed", extra=b""):
    body = b"".join(b"--bound\r\n" + p + b"\r\n" for p in parts)
    return extra + b"MIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary=bound\r\n\r\npreamble\r\n%s--bound--\r\nepilogue\r\n" % (subtype, body)


def crlf(data):
    return re.sub(rb"\r?\n", b"\r\n", data)


HEAD = b"From: Ann B <ann@a.test>\r\nTo: \"C, D\" <cd@b.test>, e@f.test\r\nCc: group: g@h.test, i@j.test;\r\nSubject: oracle\r\n" \
    b"Date: Mon, 9 Feb 2026 10:00:00 +0100\r\nMessage-ID: <one@oracle.test>\r\nIn-Reply-To: <zero@oracle.test>\r\n"

MADE = {
    "encodings": multipart([
        part(b"text/plain; charset=utf-8", b"quoted-printable", crlf(quopri.encodestring("K\u00e4se = gut \u2013 ja \nund so".encode()))),
        part(b"application/octet-stream; name=\"a b.bin\"", b"base64", crlf(base64.encodebytes(BINARY)).rstrip(b"\r\n"),
             b"Content-Disposition: attachment; filename=\"a b.bin\"; size=76800\r\nContent-ID: <cid@x>\r\nContent-Description: some bytes\r\n"
             b"Content-Language: en, de\r\nContent-Location: http://a.test/b\r\n"),
        part(b"text/plain", b"8bit", b"as it is"), part(b"text/plain", b"7bit", b""),
    ], extra=HEAD),
    "single-base64": HEAD + b"MIME-Version: 1.0\r\n" + part(b"text/plain", b"BASE64", crlf(base64.encodebytes(b"Hello, world\r\n" * 50))),
    "single-qp": HEAD + b"MIME-Version: 1.0\r\n" + part(b"text/plain", b"quoted-printable", b"soft=\r\nbreak =3D  \r\nblank =20\r\nbad =zz\r\n"),
    "message": multipart([part(b"message/rfc822", b"7bit", HEAD + multipart([part(b"text/plain", b"base64", b"aW5uZXI=")], b"alternative"))],
                         extra=HEAD),
    "two-froms": b"From: a@a.test, B <b@b.test>\r\nSender: c@c.test\r\nReply-To: d@d.test\r\nSubject: =?utf-8?q?K=C3=A4se?=\r\n\r\nx\r\n",
    "plain": b"From: a@a.test\r\nSubject: plain\r\n\r\none\r\ntwo\r\n",
}


def letters():
    found = {}
    for name in sorted(os.listdir(LETTERS)):
        with open(os.path.join(LETTERS, name), "rb") as f:
            found[name[:-4]] = crlf(f.read())
    return {**{k: v for k, v in found.items() if b"\0" not in v}, **MADE}


# (letter, item): why the two may differ there. An item may end in "*".
DIFFERENCES = {
    # RFC 5322 3.4 has no grammar for "broken <,five@far.test>"; RFC 9051 7.5.2 says nothing of what is no address.
    ("many-addresses", "ENVELOPE"): "not an address",
    # A limit of ours on the depth of parts: what lies deeper is one application/octet-stream.
    ("nested-deep", "BODY"): "depth", ("nested-deep", "BODYSTRUCTURE"): "depth",
    # RFC 2046 5.1.1: the CRLF before a boundary belongs to the boundary, behind an inner close-delimiter too.
    ("rfc822", "BODY"): "CRLF", ("rfc822", "BODYSTRUCTURE"): "CRLF", ("rfc822", "BODY[2]"): "CRLF", ("rfc822", "BODY[2.TEXT]"): "CRLF",
    # RFC 9051 6.4.4: they ask for the Date: field; a letter without one has none before that day.
    ("SENTBEFORE 9-Feb-2026", "SEARCH"): "no Date:",
    # RFC 9051 6.4.5.1: a letter that is no multipart has a part 1; a part that is no multipart has none.
    ("boundary-unclosed", "BODY[1.1*"): "no such part", ("rfc822", "BODY[1.1*"): "no such part", ("encodings", "BODY[1.1*"): "no such part",
    # RFC 2045 6.7 (2): "=zz" is shown as it is; RFC 3516 4.2 wants UNKNOWN-CTE for encodings that are not known, and this one is.
    ("single-qp", "BINARY*"): "malformed",
    # RFC 3516 4.2: the encoding of the section itself is undone; Dovecot undoes those of parts within, too, and changes their headers.
    ("message", "BINARY*"): "within",
    # RFC 9051 6.4.5: the empty line may be left out for a letter that has none and no body; Dovecot does so for FIELDS.NOT alone.
    ("header-only", "BODY[HEADER.FIELDS.NOT*"): "no empty line",
    # RFC 9051 6.4.4: NOT is every message that does not match.
    ("NOT MODSEQ 999999999", "SEARCH"): "not",
    # RFC 7162 3.1.5: a server that keeps one modification sequence a message ignores the entry name.
    ("entry-name", "MODSEQ"): "one a message",
}


def known(letter, item):
    return any(l in (letter, "*") and (item == i or (i.endswith("*") and item.startswith(i[:-1]))) for l, i in DIFFERENCES)


def alike(value):
    """Of a section that a letter does not have: NIL here, an empty string there (RFC 9051 9: msg-att-static is an nstring)."""
    return b"" if value is None else value


class Both:
    """One session with each, a mailbox of its own in both."""

    def __init__(self, ours, theirs):
        self.s = {"ours": ia.Session(Raw(ours, "imap")), "theirs": ia.Session(Raw(theirs, "imap"))}
        for s in self.s.values():
            assert s.run(b"LOGIN alice@demo.test demo")[1][0] == "OK"

    def run(self, command):
        return {who: s.run(command) for who, s in self.s.items()}

    def ok(self, command):
        got = self.run(command)
        for who, (_, status) in got.items():
            assert status[0] == "OK", (who, command, status)
        return got

    def fill(self, name, data):
        self.run(b"DELETE " + name)
        self.ok(b"CREATE " + name)
        for number, letter in enumerate(data):
            flags = b"(" + b" ".join(f for i, f in enumerate([b"\\Seen", b"\\Flagged", b"\\Answered", b"$Work"]) if number >> i & 1) + b")"
            self.ok([b"APPEND %s %s %s " % (name, flags, DATE), letter, b""])
        self.ok(b"SELECT " + name)

    def close(self):
        for s in self.s.values():
            s.raw.close()


def same(what, got, of):
    ours, theirs = of(got["ours"][0]), of(got["theirs"][0])
    assert got["ours"][1][0] == got["theirs"][1][0], "%s: we say %r, Dovecot %r" % (what, got["ours"][1], got["theirs"][1])
    assert ours == theirs, "%s:\n  we      %r\n  Dovecot %r" % (what, ours, theirs)


def compare_items(both, command, names):
    """A FETCH of all messages, item by item; fails with all differences that DIFFERENCES does not know."""
    got = both.ok(command)
    ours, theirs = ia.fetches(got["ours"][0]), ia.fetches(got["theirs"][0])
    wrong = []
    for number, name in enumerate(names, 1):
        a, b = ours.get(number, {}), theirs.get(number, {})
        for item in sorted(set(a) | set(b)):
            if alike(a.get(item, "absent")) != alike(b.get(item, "absent")) and not known(name, item):
                wrong.append("%s %s:\n  we      %r\n  Dovecot %r" % (name, item, a.get(item, "absent"), b.get(item, "absent")))
    assert not wrong, "\n".join(wrong)


@case("FETCH: ENVELOPE, BODY, BODYSTRUCTURE, sizes and dates of every letter")
def _(both):
    all_of = letters()
    both.fill(b"structures", all_of.values())
    compare_items(both, b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)", list(all_of))


@case("FETCH: sections, their headers, partials, the old names")
def _(both):
    names = list(letters())
    both.ok(b"SELECT structures")
    for items in (b"BODY.PEEK[]", b"BODY.PEEK[HEADER] BODY.PEEK[TEXT]", b"BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2] BODY.PEEK[9]",
                  b"BODY.PEEK[1.1] BODY.PEEK[1.HEADER] BODY.PEEK[1.TEXT] BODY.PEEK[1.1.MIME]",
                  b"BODY.PEEK[HEADER.FIELDS (subject TO X-Nothing)] BODY.PEEK[HEADER.FIELDS.NOT (Subject Received)]",
                  b"BODY.PEEK[]<10.20> BODY.PEEK[TEXT]<0.1> BODY.PEEK[1]<1000000.5>", b"RFC822.HEADER"):
        compare_items(both, b"FETCH 1:* (%s)" % items, names)


@case("FETCH: BINARY, BINARY.SIZE, partials of what is decoded")
def _(both):
    names = list(letters())
    both.ok(b"SELECT structures")
    usual = [n for n in names if n in MADE]
    for name in usual:
        n = names.index(name) + 1
        for items in (b"BINARY.SIZE[1]", b"BINARY.PEEK[1]", b"BINARY.PEEK[1]<3.7>", b"BINARY.PEEK[1]<100000.7>", b"BINARY.PEEK[2]"):
            got = both.run(b"FETCH %d (%s)" % (n, items))
            item = items.decode().replace(".PEEK", "").partition("<")[0]
            if not known(name, item):
                same("%s %s" % (name, items.decode()), got, lambda u: [{k: alike(v) for k, v in row.items()} for row in ia.fetches(u).values()])


SEARCHES = """ALL | SEEN | UNSEEN FLAGGED | NOT ANSWERED | KEYWORD $Work | UNKEYWORD $Work | OR SEEN FLAGGED | (SEEN (NOT FLAGGED)) | 2:4 | * | UID 1:3 NOT 2
SUBJECT oracle | FROM ann | TO cd@b.test | CC i@j.test | BCC nobody | HEADER Message-ID one@oracle | HEADER X-Nothing "" | HEADER Subject ""
BODY inner | TEXT oracle | TEXT world | BODY "Hello, world" | SUBJECT {K\u00e4se} | LARGER 1000 | SMALLER 1000 | LARGER 0
BEFORE 18-Jul-2026 | ON 17-Jul-2026 | SINCE 17-Jul-2026 | BEFORE 17-Jul-2026 | SENTON 9-Feb-2026 | SENTBEFORE 9-Feb-2026 | SENTSINCE 9-Feb-2026
OLDER 1 | YOUNGER 100 | DRAFT | DELETED | MODSEQ 1 | NOT MODSEQ 999999999""".replace("\n", " | ").split(" | ")


def search_command(prefix, keys):
    m = re.search(r"\{(.*)\}", keys)
    if not m:
        return prefix + keys.encode()
    return [prefix + b"CHARSET UTF-8 " + keys[:m.start()].encode(), m[1].encode(), keys[m.end():].encode()]


@case("SEARCH and UID SEARCH, and with RETURN: what is found")
def _(both):
    both.fill(b"searching", MADE.values())
    for keys in SEARCHES:
        for prefix in (b"SEARCH ", b"UID SEARCH ", b"SEARCH RETURN (MIN MAX COUNT ALL) ", b"UID SEARCH RETURN () ", b"SEARCH RETURN (COUNT) "):
            if known(keys, "SEARCH"):
                continue
            same(prefix.decode() + keys, both.run(search_command(prefix, keys)), ia.searches)


@case("SEARCH: what is refused")
def _(both):
    both.ok(b"SELECT searching")
    for command in (b"SEARCH", b"SEARCH FOO", b"SEARCH (SEEN", b"SEARCH OR SEEN", b"SEARCH RETURN (FOO) ALL", b"SEARCH SINCE 31-Foo-2026",
                    b"SEARCH RETURN ALL", b"SEARCH CHARSET X-NONE TEXT x", b"SEARCH 0", b"UID SEARCH UID 0"):
        if not known(command.decode(), "SEARCH"):
            same(command.decode(), both.run(command), ia.searches)


@case("SEARCHRES: $ in every command")
def _(both):
    both.fill(b"saving", MADE.values())
    both.run(b"DELETE saved")
    both.ok(b"CREATE saved")
    for command in (b"FETCH $ UID", b"SEARCH RETURN (SAVE) FLAGGED", b"FETCH $ (UID FLAGS)", b"UID FETCH $ FLAGS", b"SEARCH $", b"UID SEARCH NOT $",
                    b"SEARCH RETURN (SAVE COUNT) $ SEEN", b"SEARCH RETURN (ALL) $", b"SEARCH RETURN (SAVE MIN MAX) ALL", b"SEARCH RETURN (ALL) $",
                    b"SEARCH RETURN (SAVE MIN) ALL", b"SEARCH RETURN (ALL) $", b"SEARCH RETURN (SAVE MIN ALL) ALL", b"SEARCH RETURN (COUNT) $",
                    b"SEARCH RETURN (SAVE) 2:4", b"STORE $ +FLAGS (\\Deleted)", b"UID EXPUNGE $", b"SEARCH RETURN (COUNT) $",
                    b"SEARCH RETURN (SAVE) ALL", b"COPY $ saved", b"SEARCH RETURN (SAVE) CHARSET X-NONE TEXT x", b"SEARCH RETURN (COUNT) $"):
        got = both.run(command)
        if known(command.decode(), "SAVE"):
            continue
        same(command.decode(), got, without_modseq)
        same(command.decode(), got, ia.searches)


def modified(got):
    return {who: re.sub(r"^MODIFIED ", "", status[1]) if status[1].startswith("MODIFIED") else None for who, (_, status) in got.items()}


def modseqs(both, n):
    """Of message n, as each server counts."""
    got = both.ok(b"FETCH %d MODSEQ" % n)
    return {who: int(ia.fetches(untagged)[n]["MODSEQ"][0]) for who, (untagged, _) in got.items()}


def each(both, command, values):
    return {who: s.run(command % values[who]) for who, s in both.s.items()}


def without_modseq(untagged):
    return {n: {k: v if k != "MODSEQ" else "some" for k, v in row.items()} for n, row in ia.fetches(untagged).items()}


@case("CONDSTORE: what STORE tests, what changed since, MODSEQ in answers")
def _(both):
    both.fill(b"sequences", MADE.values())
    both.ok(b"SELECT sequences (CONDSTORE)")
    same("STORE", both.ok(b"STORE 2 +FLAGS (\\Draft)"), without_modseq)
    same("silent STORE", both.ok(b"STORE 3 +FLAGS.SILENT (\\Draft)"), without_modseq)
    both.ok(b"STORE 4 +FLAGS.SILENT (\\Draft)")
    third = modseqs(both, 3)
    for command, since in ((b"STORE 1:5 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Deleted)", third), (b"UID STORE 1:6 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Seen)", third),
                           (b"STORE 4 (UNCHANGEDSINCE 0%d) FLAGS (\\Seen)", {"ours": 0, "theirs": 0})):
        got = each(both, command, since)
        named = modified(got)
        assert ia.numbers(named["ours"]) == ia.numbers(named["theirs"]), (command, named)
    for command, since in ((b"FETCH 1:* (FLAGS) (CHANGEDSINCE %d)", third), (b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)", third),
                           (b"SEARCH MODSEQ %d", third), (b"SEARCH RETURN (ALL) MODSEQ \"/flags/\\\\draft\" all %d", third)):
        got = each(both, command, since)
        if b"/flags/" in command and known("entry-name", "MODSEQ"):
            assert all(status[0] == "OK" for _, status in got.values())
            continue
        same(command.decode(), got, without_modseq)
        same(command.decode(), got, ia.searches)


def main():
    with Server() as ours, Dovecot() as theirs:
        both = Both(ours, theirs)
        try:
            return 1 if tap.run(both, on_failure=ours.show_log) else 0
        finally:
            both.close()


if __name__ == "__main__":
    sys.exit(main())
