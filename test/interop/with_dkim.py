#!/usr/bin/env python3
"""test/interop/with_dkim.py - signatures of what users send, from keys made by commands and published in a real zone: python3-dkim and OpenDKIM find
them valid for letters of every shape."""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, dot_stuff, empty, wait_until
from server import Server
from tap import case, check_equal, check_in
from zones import Zones

FROM = "alice@demo.test"
HEAD = "From: Alice <alice@demo.test>\r\nTo: bob@demo.test\r\nSubject: s\r\n"


class Site:
    """A server, its zone, and what stands in it."""

    def __init__(self, zones, server):
        self.zones, self.server = zones, server
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

    def withdraw(self, selector, domain="demo.test"):
        del self.records["%s._domainkey.%s" % (selector, domain)]
        self.write()

    def write(self):
        for domain in self.zones.zones:
            self.zones.change(domain, "@ MX 10 mail.demo.test.\n" + "".join(
                "%s. 3600 TXT %s\n" % kv for kv in self.records.items() if kv[0].endswith("." + domain)))

    def texts(self):
        return {name: "".join(re.findall(r'"([^"]*)"', text)) for name, text in self.records.items()}


def records_of(out):
    return [line for line in out.splitlines() if " IN TXT " in line]


def submit(s, data, options=(), sender=FROM, to="bob@demo.test", login="alice"):
    """A letter, with BDAT where it is binary; the copy that the recipient gets, without the three fields that delivery puts on top."""
    c = s.imap(to.split("@")[0])
    empty(c)
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
            r.send(dot_stuff(data) + b".\r\n")
            check_equal(r.smtp()[0], 250)
    c.select("INBOX")
    text = c.fetch("1", "(BODY.PEEK[])")[1][0][1]
    c.logout()
    head = re.match(rb"Return-Path: .*\r\nDelivered-To: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*", text)
    return text[head.end():]


def algorithms(text):
    """a= and s= of the signatures on top."""
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
    p = subprocess.run(["/usr/bin/python3", os.path.join(os.path.dirname(tap.__file__), "dkim_oracle.py")], input=asked, capture_output=True, text=True,
                       timeout=60)
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


def verify(site, text, n=2):
    """Each signature by python3-dkim, all of them by OpenDKIM."""
    found = algorithms(text)
    check_equal(len(found), n, "signatures")
    check_equal(oracle(site, text), ["ok"] * n, "python3-dkim")
    opendkim(site, text, found)
    return found


def opendkim(site, text, found):
    """OpenDKIM of Debian knows no Ed25519; it passes over what it does not know and must find the others valid."""
    with tempfile.TemporaryDirectory(prefix="opendkim-") as d:
        with open(d + "/letter", "wb") as f:
            f.write(text)
        with open(d + "/keys", "w") as f:
            for record in site.texts().items():
                f.write("%s %s\n" % record)
        with open(d + "/conf", "w") as f:
            f.write("Mode v\nSocket local:%s/socket\nTestDNSData file:%s/keys\nUserID root\nFixCRLF no\nSyslog no\n" % (d, d))
        p = subprocess.run(["opendkim", "-x", d + "/conf", "-t", d + "/letter", "-vv"], capture_output=True, text=True, timeout=60)
        if any(a == "rsa-sha256" for a, _, _ in found):
            check_in("verification (s=%s" % [s for a, s, _ in found if a == "rsa-sha256"][0], p.stdout + p.stderr, "opendkim")
            check_in("succeeded", p.stdout + p.stderr, "opendkim")


# ---- keys and their publication


@case("a domain without keys sends unsigned letters; dkim add makes two keys and prints what to publish; until then letters are unsigned")
def _(site):
    check_equal(algorithms(submit(site.server, HEAD.encode() + b"\r\nx\r\n")), [])
    site.first = records_of(site.dkim("add", "demo.test"))
    check_equal(len(site.first), 2)
    wait_until(lambda: len(site.keys()) == 2, what="the keys")
    check_equal(sorted(f[0] for f in site.keys().values()), ["ed25519-sha256", "rsa-sha256"])
    check_equal(set(site.roles().values()), {"waits"})
    at = site.server.log_size()
    for _ in range(2):
        check_equal(algorithms(submit(site.server, HEAD.encode() + b"\r\nx\r\n")), [])
    check_equal(site.server.log_text(at).count("dkim-unsigned"), 1, "warnings in a day")
    check_in("already", site.dkim("add", "demo.test", check=False)[2])


@case("once the records are in DNS letters have both signatures, and two verifiers find them valid")
def _(site):
    site.publish(site.first)
    wait_until(lambda: set(site.roles().values()) == {"signs"}, what="the keys to be seen")
    found = verify(site, submit(site.server, HEAD.encode() + b"\r\nHello\r\n"))
    check_equal(sorted(a for a, _, _ in found), ["ed25519-sha256", "rsa-sha256"])
    check_equal({d for _, _, d in found}, {"demo.test"})


if __name__ == "__main__":
    with Zones({"demo.test": "@ MX 10 mail.demo.test.\n", "other.test": "@ MX 10 mail.demo.test.\n"}) as z:
        server = Server(settings={"dns": {"resolver": z.resolver}})
        server.set("", keys_dir=server.dir + "/keys")
        with server as s:
            sys.exit(tap.run(Site(z, s), on_failure=s.show_log) > 0)
