#!/usr/bin/env python3
"""test/interop/with_opendkim.py - signatures of what users send, as a site elsewhere sees them: OpenDKIM, the milter of a real Postfix to which the queue
sends, finds the keys by DNSSEC and writes its verdict into each letter that Postfix hands on."""
import os
import re
import smtplib
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import Internet, ds_of
from peers import Peer, Postfix
from remote import Remote
from sending import Sender
from server import free_base
from signing import FROM, HEAD, SHAPES, Site, hand_in, records_of, results, signed_part
from tap import case, check_equal, check_in

MX = "20.0.1.11"
WRONG = "signature verification failed"

OPENDKIM = """
Mode v
Socket inet:{port}@{address}
AlwaysAddARHeader yes
Nameservers 127.0.0.1
ResolverConfiguration {dir}/resolver
TrustAnchorFile {dir}/anchor
PidFile {dir}/pid
UserID root
Syslog no
"""

# OpenDKIM asks by libunbound, to which "test" is a name that nobody has.
RESOLVER = """
server:
  local-zone: "test." nodefault
  do-not-query-localhost: no
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
"""


class OpenDKIM(Peer):
    """A milter that verifies."""

    def start(self):
        self.write("resolver", RESOLVER)
        self.write("anchor", ". IN DS %s\n" % ds_of(".", self.net.keys["."][0]))
        self.run("opendkim", "-f", "-x", self.write("conf", OPENDKIM.format(**self.words).lstrip()))

    def answers(self):
        try:
            socket.create_connection((self.address, self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def close(self):
        self.process.kill()  # an end of its own takes it five seconds
        super().close()


class Elsewhere(Site):
    """far: what Postfix hands letters on to."""

    def __init__(self, net, server):
        super().__init__(net, server, net.with_(Remote("127.0.0.1", 0)), domains=("demo.test",))
        self.milter = OpenDKIM(net, "opendkim", "127.0.0.1", port=free_base(1))
        self.postfix = Postfix(net, "mx.far.test", MX, ("far.test",), self.far,
                               options="smtpd_milters = inet:127.0.0.1:%d\nlocal_header_rewrite_clients =\n" % self.milter.port)

    def show(self):
        self.server.show_log()
        tap.comment(self.postfix.log()[-4000:])
        tap.comment(self.milter.log())

    def signing(self):
        """The keys that sign: {selector: algorithm}."""
        return {selector: f[0] for selector, f in self.keys().items() if f[1] == "signs"}

    def came(self, to):
        return wait_until(lambda: [l for l in list(self.far.letters) if to in l.rcpts], 20, "a letter to " + to)[0]

    def send(self, to):
        """A letter of alice's by the queue."""
        hand_in(self.server, HEAD.encode() + b"\r\nHello\r\nyou\r\n", [], FROM, to)
        return self.came(to)

    def pass_on(self, data):
        """OpenDKIM's verdict on a letter that somebody gives to Postfix as it is."""
        n = len(self.far.letters)
        with smtplib.SMTP(MX, timeout=20) as c:
            c.sendmail(FROM, ["again@far.test"], data)
        return verdict(self.far.wait(n + 1)[n])


def verdict(letter):
    said = letter.field("Authentication-Results") or "nothing"
    assert said.startswith("mx.far.test;"), "%s: %s" % (said, letter.header)
    return said


def check_said(said, result, keys, why="", what=""):
    """The same result for the signatures of all keys, and for the same reason."""
    check_equal(results(said), sorted((result, algorithm, selector) for selector, algorithm in keys.items()), "%s: %s" % (what, said))
    check_equal(re.findall('reason="(.*?)"', said), [why] * len(keys) if why else [], what)


def spoil(data, algorithm):
    """Another first character of one signature."""
    return re.sub(rb"(a=%s;(?:[^;]*;)*?\s*b=\s*)(\S)" % algorithm.encode(), lambda m: m[1] + (b"B" if m[2] == b"A" else b"A"), data, count=1)


@case("letters of %d shapes pass, by RSA and by Ed25519, with keys that DNSSEC has secured" % len(SHAPES))
def _(site):
    keys = site.signing()
    check_equal(sorted(keys.values()), ["ed25519-sha256", "rsa-sha256"])
    for n, (text, options) in enumerate(SHAPES.values()):
        hand_in(site.server, text.encode(), options, FROM, "shape%d@far.test" % n)
    for n, name in enumerate(SHAPES):
        said = verdict(site.came("shape%d@far.test" % n))
        check_said(said, "pass", keys, what=name)
        check_equal(said.count("header.d=demo.test "), len(keys), said)
        check_in("(2048-bit key; secure)", said)  # it says so of RSA keys only


@case("a report passes, by the domain above the server's name")
def _(site):
    site.server.run("alias", "add", "away@demo.test", "nobody@no-such-domain.test")
    with site.server.smtp() as c:
        c.sendmail("writer@far.test", ["away@demo.test"], b"From: writer@far.test\r\nSubject: x\r\n\r\nx\r\n")
    report = site.came("writer@far.test")
    check_equal((report.sender, report.field("From")), ("", "Mail delivery <MAILER-DAEMON@mail.demo.test>"))
    check_said(verdict(report), "pass", site.signing())
    check_in("header.d=demo.test ", verdict(report))


@case("passed on as it is a letter passes again; with one byte changed, or a field put on top, it fails")
def _(site):
    keys, data = site.signing(), signed_part(site.send("one@far.test").data)
    check_said(site.pass_on(data), "pass", keys)
    check_said(site.pass_on(b"List-Id: <l.far.test>\r\n" + data), "pass", keys)
    for old, new in ((b"Hello", b"Hallo"), (b"Hello", b"hello"), (b"you\r\n", b"yov\r\n"), (b"you\r\n", b"you\r\n."), (b"\r\n\r\nHello", b"\r\n\r\n Hello"),
                     (b"Subject: s", b"Subject: t"), (b"From: Alice", b"From: Alicf"), (b"To: bob", b"To: rob"), (b" +0000", b" +0001")):
        i = data.rindex(old)
        check_said(site.pass_on(data[:i] + new + data[i + len(old):]), "fail", keys, WRONG, "%r for %r" % (new, old))
    for field in (b"From: x@far.test", b"Subject: other", b"To: victim@far.test", b"Cc: victim@far.test", b"Reply-To: x@far.test", b"Content-Type: text/html"):
        check_said(site.pass_on(field + b"\r\n" + data), "fail", keys, WRONG, field)


@case("a signature with another character fails, the one beside it passes; a letter without any has no verdict")
def _(site):
    keys, data = site.signing(), signed_part(site.send("two@far.test").data)
    for algorithm in keys.values():
        said = site.pass_on(spoil(data, algorithm))
        check_equal(results(said), sorted(("fail" if a == algorithm else "pass", a, s) for s, a in keys.items()), said)
    said = site.pass_on(HEAD.encode() + b"\r\nx\r\n")
    check_said(said, "pass", {})
    check_in("dkim=none", said)


@case("when keys change letters of the new ones pass, those on their way with old ones too, until the old records go")
def _(site):
    old, data = site.signing(), signed_part(site.send("three@far.test").data)
    site.publish(records_of(site.dkim("rotate", "demo.test")))
    wait_until(lambda: len(site.signing()) == 2 and not set(site.signing()) & set(old), what="the new keys to sign")
    check_said(verdict(site.send("four@far.test")), "pass", site.signing())
    check_said(site.pass_on(data), "pass", old)
    for selector in old:
        site.withdraw(selector)
    wait_until(lambda: "dkim=pass" not in site.pass_on(data), what="the end of the old records")
    check_said(site.pass_on(data), "fail", old, "key not found in DNS")
    check_said(verdict(site.send("five@far.test")), "pass", site.signing())


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "postfix", "opendkim", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet({"demo.test": "@ MX 10 mail.demo.test.\n", "far.test": "@ MX 10 mx\nmx A %s\n" % MX}, signed=("demo.test",)) as net:
        server = Sender(net)
        server.set("", keys_dir=server.dir + "/keys")
        with server as s:
            there = Elsewhere(net, s)
            there.make_keys("demo.test")
            sys.exit(tap.run(there, on_failure=there.show) > 0)
