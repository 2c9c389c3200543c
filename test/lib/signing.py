"""test/lib/signing.py - a domain that signs what its users send, for tests: its keys made by commands and published in a zone, letters of every shape,
what their signatures say of themselves and what others say of them.

    site = Site(zones, server, far)                   # zones: a Zones or an Internet
    site.make_keys("demo.test")                       # until they sign
    hand_in(server, data, options, FROM, "you@far.test")
"""
import base64
import json
import os
import re
import subprocess

from client import Raw, dot_stuff, wait_until
from tap import check_equal

HERE = os.path.dirname(os.path.abspath(__file__))

FROM = "alice@demo.test"
HEAD = "From: Alice <alice@demo.test>\r\nTo: bob@demo.test\r\nSubject: s\r\n"

SHAPES = {
    "8 bit": (HEAD + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n", ["BODY=8BITMIME"]),
    "long lines": (HEAD + "\r\n" + "x" * 900 + "\r\n" + "y z  " * 150 + "\r\n", []),
    "blanks at the ends of lines": (HEAD + "\r\na \t\r\n b\t\tc  d \r\n\t\r\ne\r\n", []),
    "empty lines at the end": (HEAD + "\r\na\r\n\r\n \r\n\r\n\r\n", []),
    "empty lines alone": (HEAD + "\r\n\r\n\r\n", []),
    "no body": (HEAD + "\r\n", []),
    "a header alone": (HEAD, []),
    "dots": (HEAD + "\r\n.\r\n..\r\n.a\r\n", []),
    "folded fields": ("From: Alice\r\n <alice@demo.test>\r\nTo:\tbob@demo.test,\r\n\t carol@demo.test\r\nSubject: a\r\n  b \t c  \r\n"
                      "References: <1@a>\r\n <2@a>\r\n\t<3@a>\r\n\r\nx\r\n", []),
    "fields twice": (HEAD + "Subject: t\r\nTo: carol@demo.test\r\nReceived: x\r\nReceived: y\r\nList-Id: <a.demo.test>\r\nList-Id: <b.demo.test>\r\n\r\nx\r\n", []),
    "two authors": ("From: alice@demo.test, bob@demo.test\r\nSender: alice@demo.test\r\n\r\nx\r\n", []),
    "an author alone": ("From: alice@demo.test\r\n\r\nx\r\n", []),
    "a list's letter": (HEAD + "List-Unsubscribe: <https://demo.test/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSender: list@demo.test\r\n"
                        "Resent-From: alice@demo.test\r\nResent-Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nx\r\n", []),
    "UTF-8 fields": ("From: Alice <alice@demo.test>\r\nSubject: Gr\u00fc\u00dfe \u4f60\r\n\r\nx\r\n", ["SMTPUTF8", "BODY=8BITMIME"]),
    "Bcc, taken away": (HEAD + "Bcc: carol@demo.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nx\r\n", []),
    "one of 300 KB": (HEAD + "\r\n" + "Line of  text \t with blanks \r\n" * 10000, []),
}


class Site:
    """A server, its zones, what stands in them, and a server elsewhere that takes everything. domains: whose zones are its own; all without."""

    def __init__(self, zones, server, far, domains=()):
        self.zones, self.server, self.far = zones, server, far
        self.domains = domains or tuple(zones.zones)
        self.records = {}

    def dkim(self, *words, check=True):
        return self.server.run("dkim", *words, check=check)

    def keys(self, domain="demo.test"):
        """{selector: [algorithm, role, record's state, record]}"""
        return {f[1]: f[2:] for f in (line.split("\t") for line in self.dkim("list", domain).splitlines())}

    def roles(self, domain="demo.test"):
        return {selector: f[1] for selector, f in self.keys(domain).items()}

    def publish(self, lines):
        """Zone file lines, as the commands print them, are added to the zones."""
        for line in lines:
            name, text = re.match(r'(\S+)\. 3600 IN TXT (.*)', line).groups()
            self.records[name] = text
        self.write()

    def make_keys(self, domain):
        """Two keys, until they sign."""
        self.publish(records_of(self.dkim("add", domain)))
        wait_until(lambda: list(self.roles(domain).values()) == ["signs"] * 2, what="the keys to be seen")

    def withdraw(self, selector, domain="demo.test"):
        del self.records["%s._domainkey.%s" % (selector, domain)]
        self.write()

    def write(self):
        for domain in self.domains:
            self.zones.change(domain, "@ MX 10 mail.demo.test.\n" + "".join(
                "%s. 3600 TXT %s\n" % kv for kv in self.records.items() if kv[0].endswith("." + domain)))

    def texts(self):
        return {name: "".join(re.findall(r'"([^"]*)"', text)) for name, text in self.records.items()}


def records_of(out):
    return [line for line in out.splitlines() if " IN TXT " in line]


def hand_in(s, data, options, sender, to, login="alice"):
    """A letter by submission, with BDAT where it is binary."""
    with Raw(s, "submission") as r:
        r.smtp("EHLO far.test")
        plain = base64.b64encode(b"\0" + s.address(login).encode() + b"\0" + s.password.encode()).decode()
        check_equal(r.smtp("AUTH PLAIN " + plain)[0], 235)
        check_equal(r.smtp("MAIL FROM:<%s>%s" % (sender, "".join(" " + o for o in options)))[0], 250)
        check_equal(r.smtp("RCPT TO:<%s>" % to)[0], 250)
        if "BODY=BINARYMIME" in options:
            r.send(b"BDAT %d LAST\r\n" % len(data) + data)
            check_equal(r.smtp()[0], 250)
        else:
            check_equal(r.smtp("DATA")[0], 354)
            r.send(dot_stuff(data))
            check_equal(r.smtp()[0], 250)


def signed_part(data):
    """A letter from its first signature on, without what was put on top on its way."""
    return data[data.lower().index(b"dkim-signature:"):]


def algorithms(text):
    """a=, s= and d= of the signatures on top."""
    found = []
    while text.lower().startswith(b"dkim-signature:"):
        field = re.match(rb".*\r\n(?:[ \t].*\r\n)*", text).group()
        tags = dict(t.strip().split(b"=", 1) for t in re.sub(rb"\s+", b"", field.split(b":", 1)[1]).split(b";"))
        found.append((tags[b"a"].decode(), tags[b"s"].decode(), tags[b"d"].decode()))
        for line in field.split(b"\r\n"):
            assert len(line.replace(b"\t", b" " * 8)) <= 78, line
        text = text[len(field):]
    return found


def oracle(site, text):
    """What python3-dkim says of each signature."""
    asked = json.dumps({"letter": base64.b64encode(text).decode(), "records": site.texts()})
    p = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "dkim_oracle.py")], input=asked, capture_output=True, text=True,
                       timeout=60)
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


def results(said):
    """What a text of Authentication-Results says of each signature: (result, a=, s=)."""
    said = re.sub(r"\([^()]*\)", "", re.sub(r"\s+", " ", said))
    return sorted(re.findall(r"dkim=(\w+)[^;]* header\.a=(\S+) header\.s=(\S+)", said))
