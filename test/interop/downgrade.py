#!/usr/bin/env python3
"""test/interop/downgrade.py: letters converted for servers that take less say the same as before: Python's email package reads both.

Every letter of test/data and 600 made at random are converted; what comes out holds no 8-bit byte, no NUL and no line above 998 octets, is a fixed
point of the conversion, has the same tree, and every leaf, decoded, has the same bytes."""
import email
import email.header
import email.policy
import glob
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import tap  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROGRAM = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(TOP, "build"), "test-downgrade")
DONE, SIGNED, ENCODING, ADDRESS, FIELD = range(5)


def convert(letters, wire="7bit", mode="lax"):
    """The end and the bytes of each."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for i, letter in enumerate(letters):
            names.append(os.path.join(folder, str(i)))
            with open(names[-1], "wb") as f:
                f.write(letter)
        out = subprocess.run([PROGRAM, wire, mode] + names, check=True, stdout=subprocess.PIPE).stdout
    got = []
    for _ in letters:
        head, out = out.split(b"\n", 1)
        end, size = map(int, head.split())
        got.append((end, out[:size]))
        out = out[size:]
    assert not out
    return got


def lines(b):
    """As a letter's bytes are on their way: CRLF ends each line."""
    return b.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def leaves(msg, path=""):
    if msg.is_multipart():
        for i, part in enumerate(msg.get_payload()):
            yield from leaves(part, path + ".%d" % i)
    else:
        yield path, msg.get_content_type(), lines(msg.get_payload(decode=True) or b"")


def text_of(value):
    """A header's text, as readers show it."""
    out = ""
    for part, charset in email.header.decode_header(value):
        if isinstance(part, bytes):
            try:
                part = part.decode(charset if charset not in (None, "unknown-8bit") else "utf-8")
            except (UnicodeDecodeError, LookupError):
                part = part.decode("cp1252", "replace")
        out += part
    return " ".join(out.split())


def parse(b):
    return email.message_from_bytes(b)


def same(before, after, what):
    a, b = list(leaves(parse(lines(before)))), list(leaves(parse(after)))
    tap.check_equal([x[:2] for x in b], [x[:2] for x in a], what + ": the tree")
    for x, y in zip(a, b):
        # A body that ends without a line's end may have got one, as any that is sent.
        assert x[2] == y[2] or x[2].rstrip(b"\r\n") == y[2].rstrip(b"\r\n"), "%s: part %s: %r is not %r" % (what, x[0], y[2][:300], x[2][:300])


def check_7bit(b, what):
    assert all(c and c < 128 for c in b.split(b"\r\n\r\n", 1)[-1]), what + ": a byte that may not be there"
    long = [n for n in map(len, b.split(b"\r\n\r\n", 1)[-1].split(b"\r\n")) if n > 998]
    assert not long, "%s: lines of %r" % (what, long)


@tap.case("letters of test/data say the same, and converting them again changes nothing")
def data():
    files = sorted(glob.glob(TOP + "/test/data/letters/*.eml") + glob.glob(TOP + "/test/data/mime/*.eml"))
    letters = [lines(open(f, "rb").read()) for f in files]
    results = convert(letters)
    n = 0
    for name, letter, (end, out) in zip(files, letters, results):
        name = os.path.basename(name)
        if end != DONE:
            tap.comment("%s: %d" % (name, end))
            continue
        n += 1
        same(letter, out, name)
    assert n >= len(files) - 2, "%d of %d were converted" % (n, len(files))
    done = [out for end, out in results if end == DONE]
    for (end, again), out in zip(convert(done), done):
        assert end == DONE and again == out, "converting again changes %r into %r" % (out[:500], again[:500])


WORDS = ["Grüße", "hello", "日本語の文章です", "a=b", ".", "From here", "", "tab\there", "trailing  ", "naïve café", "x" * 50, "=?utf-8?q?no?="]


def random_text(r, charset):
    text = "\r\n".join(" ".join(r.choice(WORDS) for _ in range(r.randrange(0, 12))) * r.choice((1, 1, 1, 30)) for _ in range(r.randrange(1, 12)))
    return text.encode(charset, "replace")


def random_leaf(r):
    kind = r.randrange(7)
    if kind == 0:
        return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + random_text(r, "utf-8")
    if kind == 1:
        return b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n" + random_text(r, "latin-1")
    if kind == 2:
        return (b"Content-Type: application/octet-stream; name=\"gr\xc3\xbc\xc3\x9fe.bin\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
                bytes(r.choice(b"\x01\x7f\x80\xff\xc3\xa9abc =.\t") for _ in range(r.randrange(500))))
    if kind == 3:
        return b"\r\n" + random_text(r, "ascii")
    if kind == 4:
        return b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nso=3Dweit=\r\n ge\xc3\xbc" + b"x" * r.randrange(1500)
    if kind == 5:
        return b"Content-Type: message/rfc822\r\n\r\n" + random_letter(r, 2)
    return b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"


def random_multipart(r, depth):
    boundary = b"b%d" % r.randrange(10**9)
    parts = b"".join(b"--" + boundary + b"\r\n" + (random_multipart(r, depth + 1) if depth < 3 and r.random() < .3 else random_leaf(r)) + b"\r\n"
                     for _ in range(r.randrange(1, 4)))
    return (b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n" + r.choice((b"", b"preamble\r\n")) + parts + b"--" + boundary +
            b"--\r\n" + r.choice((b"", b"epilogue \xc3\xbc\r\n")))


def random_letter(r, depth=0):
    head = b"From: =?utf-8?q?G=C3=BC?= <a@example.org>\r\nSubject: " + r.choice(WORDS).replace("\t", " ").encode() + b" " + r.choice(WORDS).replace("\t", " ").encode() + b" x\r\n"
    head += b"To: \"K\xc3\xb6nig, J.\" <k@example.org>, plain@example.org\r\nMIME-Version: 1.0\r\n"
    return head + (random_multipart(r, depth) if r.random() < .7 else random_leaf(r))


@tap.case("600 letters made at random say the same, in 7 bits, and converting them again changes nothing")
def at_random():
    r = random.Random(4)
    letters = [random_letter(r) for _ in range(600)]
    done = []
    for i, (letter, (end, out)) in enumerate(zip(letters, convert(letters))):
        tap.check_equal(end, DONE, "letter %d" % i)
        check_7bit(out, "letter %d" % i)
        same(letter, out, "letter %d" % i)
        a, b = parse(letter), parse(out)
        tap.check_equal(text_of(b["To"]).replace('"', "").replace("<plain@example.org>", "plain@example.org"), text_of(a["To"]).replace('"', ""), "To")
        done.append(out)
    for i, (end, again) in enumerate(convert(done)):
        assert end == DONE and again == done[i], "letter %d changes when converted again" % i


@tap.case("for a server that takes 8 bits only lines too long and NULs are encoded")
def eight_bit():
    letters = [b"Subject: x\r\n\r\n\xc3\xbc\r\n", b"Subject: x\r\n\r\n" + b"\xc3\xbc" * 499 + b"\r\n", b"Subject: x\r\n\r\n" + b"\xc3\xbc" * 499 + b"a\r\n", b"Subject: x\r\n\r\na\0b\r\n"]
    got = convert(letters, "8bit")
    tap.check_equal([out == letter for (_, out), letter in zip(got, letters)], [True, True, False, False])
    for (_, out), letter in zip(got, letters):
        same(letter, out, "letter")


@tap.case("what is signed is not touched: it is refused, or kept when it needs nothing")
def signed():
    def letter(text, outside):
        return (b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n" + outside + b"\r\n--o\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
                b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text +
                b"\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--b--\r\n\r\n--o--\r\n")
    got = convert([letter(b"\xc3\xbc", b"x"), letter(b"x", b"\xc3\xbc"), letter(b"x", b"x"), letter(b"x" * 2000, b"x")])
    tap.check_equal([end for end, _ in got], [SIGNED, DONE, DONE, DONE])
    inner = letter(b"x", b"").split(b"--b\r\n")[1]
    assert inner in got[1][1], "the signed part was changed"


@tap.case("what cannot be converted is refused: composite types with bytes of their own, uuencoded text, boundaries of 8 bits")
def refused():
    got = convert([b"Content-Type: message/partial; id=x\r\n\r\n\xc3\xbc\r\n", b"Content-Type: multipart/mixed\r\n\r\n\xc3\xbc\r\n",
                   b"Content-Transfer-Encoding: x-uuencode\r\n\r\n\xc3\xbc\r\n", b"Content-Type: multipart/mixed; boundary=\"\xc3\xbc\"\r\n\r\n--\xc3\xbc\r\n\r\nx\r\n--\xc3\xbc--\r\n"])
    tap.check_equal([end for end, _ in got], [ENCODING] * 4)


@tap.case("strictly: domains become A-labels, names encoded words; local parts and identifiers have no other form")
def strict():
    letters = ["From: Jürgen <j@müller.example>\r\n\r\nx\r\n", "From: jürgen@x.example\r\n\r\nx\r\n", "Message-ID: <ü@x.example>\r\n\r\nx\r\n",
               "To: Gruppe ü: a@x.example, \"Ö, b\" <b@x.example>;, c@x.example\r\n\r\nx\r\n", "Sübject: x\r\n\r\nx\r\n",
               "Content-Disposition: attachment; filename=\"grüße.txt\"\r\nSubject: reines ASCII, dann Ü und Ende\r\n\r\nx\r\n"]
    got = convert([x.encode() for x in letters], "7bit", "strict")
    tap.check_equal([end for end, _ in got], [DONE, ADDRESS, FIELD, DONE, FIELD, DONE])
    tap.check_in(b"<j@xn--mller-kva.example>", got[0][1])
    tap.check_equal(text_of(parse(got[0][1])["From"]), "Jürgen <j@xn--mller-kva.example>")
    groups = email.message_from_bytes(got[3][1], policy=email.policy.default)["To"].groups
    tap.check_equal([(g.display_name, [(a.display_name, a.addr_spec) for a in g.addresses]) for g in groups],
                    [("Gruppe ü", [("", "a@x.example"), ("Ö, b", "b@x.example")]), (None, [("", "c@x.example")])])
    tap.check_equal(parse(got[5][1]).get_filename(), "grüße.txt")
    tap.check_equal(text_of(parse(got[5][1])["Subject"]), "reines ASCII, dann Ü und Ende")


@tap.case("a letter of 30 MB is converted a piece at a time")
def large():
    letter = b"Content-Type: application/octet-stream\r\n\r\n" + (b"\xff" * 70 + b"\r\n") * 430000
    (end, out), = convert([letter])
    tap.check_equal(end, DONE)
    same(letter, out, "large")


sys.exit(1 if tap.run() else 0)
