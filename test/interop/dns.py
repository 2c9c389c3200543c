#!/usr/bin/env python3
"""test/interop/dns.py - src/dns with a real authoritative server and a real validating resolver, and with one that answers badly."""
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from server import ROOT, free_base
from tap import case, check_equal, check_in
from zones import Zones

PROGRAM = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "test-dns")
LONG = " ".join('"%s"' % (c * 250) for c in "abcdefgh")
SIGNED = """@ MX 10 mail
@ MX 20 mail2.far.test.
mail A 192.0.2.1
mail A 192.0.2.2
mail AAAA 2001:db8::1
@ TXT "v=spf1 " "mx -all"
@ CAA 0 issue "ca.test"
_25._tcp.mail TLSA 3 1 1 0001020304050607000102030405060700010203040506070001020304050607
_imaps._tcp SRV 0 1 993 mail
alias CNAME mail
long TXT %s
%s
""" % (LONG, "\n".join("many A 198.51.100.%d" % i for i in range(1, 201)))
ZONES = {"signed.test": SIGNED, "plain.test": "@ A 192.0.2.9\n@ MX 0 .\n", "bogus.test": "@ A 192.0.2.6\n",
         "2.0.192.in-addr.arpa": "1 PTR mail.signed.test.\n"}


def ask(resolver, *words, timeout=5000):
    """[(head, [record lines])] in the order of the questions."""
    p = subprocess.run([PROGRAM, resolver, str(timeout)] + list(words), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    found = {}
    for line in p.stdout.splitlines():
        if line.startswith("  "):
            found[key][1].append(" ".join(line.split()))
        else:
            f = line.split()
            key = (f[0], f[1])
            found[key] = (" ".join(f[2:]), [])
    return [found[pair] for pair in zip(words[::2], words[1::2])]


@case("each type of record, validated: the AD bit of a resolver on loopback is believed")
def _(z):
    got = ask(z.resolver, "MX", "signed.test", "A", "mail.signed.test", "AAAA", "mail.signed.test", "TXT", "signed.test", "CAA", "signed.test",
              "TLSA", "_25._tcp.mail.signed.test", "SRV", "_imaps._tcp.signed.test", "NS", "signed.test", "SOA", "signed.test",
              "CNAME", "alias.signed.test")
    for head, _records in got:
        check_in("ok secure", head)
    parts = [" ".join(sorted(records)) for _head, records in got]
    for part, wants in zip(parts, (("mail.signed.test 10", "mail2.far.test 20"), ("192.0.2.1", "192.0.2.2"), ("2001:db8::1",), ("v=spf1 mx -all",),
                                   ("issue ca.test",), ("3/1/1 0001020304",), ("mail.signed.test 0 1 993",), ("ns.signed.test",),
                                   ("ns.signed.test",), ("mail.signed.test",))):
        for want in wants:
            check_in(want, part)


@case("PTR, and a CNAME followed to its address")
def _(z):
    ptr, alias = ask(z.resolver, "PTR", "1.2.0.192.in-addr.arpa", "A", "alias.signed.test")
    check_in("mail.signed.test", ptr[1][0])
    check_in("ok secure mail.signed.test", alias[0])
    check_equal(len(alias[1]), 2)


@case("an unsigned zone's answer is not secure; the null MX is told")
def _(z):
    (head, records), (mx_head, mx) = ask(z.resolver, "A", "plain.test", "MX", "plain.test")
    check_equal(head.split()[:2], ["ok", "plain.test"])
    check_in("192.0.2.9", records[0])
    check_equal(mx_head.split()[0], "ok")
    check_equal(mx[0].split()[1:3], ["0", "0"])  # no name, preference 0


@case("no such name, nothing of the type, and signatures that are wrong are told apart")
def _(z):
    none, nodata, bogus = ask(z.resolver, "A", "no.signed.test", "TXT", "mail.signed.test", "A", "bogus.test")
    check_equal(none[0].split()[0], "nxdomain")
    check_in("secure", none[0])
    check_equal(nodata[0].split()[0], "nodata")
    check_equal(bogus[0].split()[0], "servfail")
    assert 0 <= int(none[0].split()[-1]) <= 30, none  # what is left of it in the resolver's cache
    check_equal(ask(z.authority, "A", "none.signed.test")[0][0].split()[-1], "30")  # the zone's own, RFC 2308 5


@case("a server that is not ours to ask refuses")
def _(z):
    check_equal(ask(z.authority, "A", "elsewhere.example")[0][0].split()[0], "refused")


@case("what does not fit a datagram comes by TCP: 2,000 bytes of text, 200 addresses")
def _(z):
    text, many = ask(z.resolver, "TXT", "long.signed.test", "A", "many.signed.test", timeout=20000)  # the resolver falls back to TCP itself, too
    check_in("ok secure", text[0])
    check_in("".join(c * 250 for c in "abcdefgh"), text[1][0])
    check_equal(len(many[1]), 200)


@case("names that cannot be asked for are refused here")
def _(z):
    for name in ("a..b", "x" * 64 + ".test", "a\\9.test"):
        check_equal(ask(z.resolver, "A", name)[0][0].split()[0], "bad-name")


@case("800 questions at once are all answered")
def _(z):
    words = []
    for i in range(800):
        words += ["A", "n%d.signed.test" % i]
    got = ask(z.resolver, *words, timeout=20000)
    check_equal([h.split()[0] for h, _r in got], ["nxdomain"] * 800)


class Liar(threading.Thread):
    """Answers each question of one socket as change(question) says."""

    def __init__(self, change):
        super().__init__(daemon=True)
        self.change = change
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.where = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            for answer in self.change(question):
                self.sock.sendto(answer, peer)


def made(question, rdata=b"\x01\x02\x03\x04", name=None, shift=0, counts=(1, 1, 0, 0)):
    end = question.index(b"\0", 12) + 5
    number = (struct.unpack(">H", question[:2])[0] + shift) & 0xffff
    return (struct.pack(">6H", number, 0x81a0, *counts) + (name or question[12:end]) + b"\xc0\x0c\x00\x01\x00\x01\0\0\0\x3c"
            + struct.pack(">H", len(rdata)) + rdata)


@case("answers that lie, or are no answers: another id or name is not taken, damage is told, silence times out")
def _(z):
    other = b"\x01b\x04test\x00\x00\x01\x00\x01"
    for change, want in ((lambda q: [made(q)], "ok"), (lambda q: [made(q, shift=1)], "timeout"), (lambda q: [made(q, name=other)], "timeout"),
                         (lambda q: [made(q, shift=1), made(q, name=other), made(q)], "ok"), (lambda q: [b""], "timeout"),
                         (lambda q: [made(q, b"\1\2\3")], "broken"), (lambda q: [made(q)[:-2]], "broken"), (lambda q: [made(q, counts=(1, 9, 0, 0))], "broken"),
                         (lambda q: [made(q, b"\xc0\x0c")], "broken"), (lambda q: [], "timeout")):
        liar = Liar(change)
        check_equal(ask(liar.where, "A", "a.test", timeout=600)[0][0].split()[0], want)
        liar.sock.close()


@case("where nothing listens, the answer is a time-out, and soon")
def _(z):
    began = time.monotonic()
    check_equal(ask("127.0.0.1:%d" % free_base(1), "A", "a.test", timeout=3000)[0][0].split()[0], "timeout")
    assert time.monotonic() - began < 5


if __name__ == "__main__":
    tap.need_programs("knotd", "unbound", "keymgr")
    with Zones(ZONES, signed=("signed.test",), bogus=("bogus.test",)) as zones:
        sys.exit(tap.run(zones) > 0)
