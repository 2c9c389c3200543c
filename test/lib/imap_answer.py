"""test/lib/imap_answer.py - IMAP answers as Python values, for comparing servers: lists, bytes, None for NIL, and what may differ made alike."""
import re

ATOM = re.compile(rb"(?:[A-Za-z0-9.]+\[[^\]]*\](?:<\d+>)?|[^\s()\"{}]+)")


class Parser:
    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self):
        return self.data[self.at:self.at + 1]

    def value(self):
        ch = self.peek()
        if ch == b"(":
            return self.list()
        if ch == b'"':
            return self.quoted()
        m = re.compile(rb"~?\{(\d+)\}\r\n").match(self.data, self.at)
        if m:
            n = int(m[1])
            self.at = m.end() + n
            return self.data[m.end():self.at]
        m = ATOM.match(self.data, self.at)
        assert m, (self.data, self.at)
        self.at = m.end()
        return None if m[0].upper() == b"NIL" else Atom(m[0].decode("latin-1"))

    def list(self):
        out = []
        self.at += 1
        while self.peek() != b")":
            if self.peek() == b" ":
                self.at += 1
                continue
            out.append(self.value())
        self.at += 1
        return out

    def quoted(self):
        out = bytearray()
        self.at += 1
        while self.peek() != b'"':
            if self.peek() == b"\\":
                self.at += 1
            out += self.peek()
            self.at += 1
        self.at += 1
        return bytes(out)

    def values(self):
        out = []
        while self.at < len(self.data):
            if self.peek() == b" ":
                self.at += 1
            else:
                out.append(self.value())
        return out


class Atom(str):
    pass


class Session:
    """Commands and what came of them: [untagged, as lists of values], (status, code)."""

    def __init__(self, raw):
        self.raw, self.n = raw, 0

    def answer(self):
        data = b""
        while True:
            line = self.raw.line_bytes()
            data += line
            m = re.search(rb"~?\{(\d+)\}$", line)
            if not m:
                return data
            data += b"\r\n" + self.raw.read(int(m[1]))

    def send(self, tag, command):
        """A list is pieces with literals between them."""
        pieces = command if isinstance(command, list) else [command]
        self.raw.send(tag.encode() + b" " + pieces[0])
        for literal, text in zip(pieces[1::2], pieces[2::2]):
            self.raw.send(b"{%d}\r\n" % len(literal))
            line = self.raw.line_bytes()
            assert line.startswith(b"+"), line
            self.raw.send(literal + text)
        self.raw.send(b"\r\n")

    def run(self, command):
        self.n += 1
        tag = "t%d" % self.n
        self.send(tag, command)
        untagged = []
        while True:
            data = self.answer()
            if data.startswith(tag.encode() + b" "):
                m = re.match(rb"\S+ (OK|NO|BAD)(?: \[([^\]]*)\])?", data)
                return untagged, (m[1].decode(), (m[2] or b"").decode())
            assert data.startswith(b"* "), data
            untagged.append(data[2:])


def fetches(untagged):
    """{number: {item: value}} of FETCH answers, several for one message joined; flags as sets, without \\Recent."""
    out = {}
    for data in untagged:
        m = re.match(rb"(\d+) FETCH ", data)
        if not m:
            continue
        row = Parser(data[m.end():]).value()
        items = {str(k).upper(): v for k, v in zip(row[::2], row[1::2])}
        if "FLAGS" in items:
            items["FLAGS"] = sorted(f for f in items["FLAGS"] if f.lower() != "\\recent")
        out.setdefault(int(m[1]), {}).update(items)
    return out


def numbers(text):
    out = set()
    for part in text.split(","):
        lo, _, hi = part.partition(":")
        out |= set(range(int(lo), int(hi or lo) + 1))
    return sorted(out)


def searches(untagged):
    """[{"UID": bool, "ALL": [..], "MIN": n ...}] of SEARCH and ESEARCH answers."""
    out = []
    for data in untagged:
        words = data.decode("latin-1").split()
        if words[0] == "SEARCH":
            m = re.search(r"\(MODSEQ (\d+)\)", data.decode())
            listed = re.sub(r"\(.*", "", data.decode()).split()[1:]
            out.append({"SEARCH": sorted(map(int, listed)), "MODSEQ": m is not None})
        elif words[0] == "ESEARCH":
            rest = Parser(data[len(b"ESEARCH"):]).values()[1:]
            x = {"UID": rest[:1] == ["UID"]}
            rest = rest[1:] if x["UID"] else rest
            for k, v in zip(rest[::2], rest[1::2]):
                x[k.upper()] = numbers(v) if k.upper() == "ALL" else True if k.upper() == "MODSEQ" else int(v)
            out.append(x)
    return out
