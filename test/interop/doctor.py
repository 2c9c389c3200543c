#!/usr/bin/env python3
"""test/interop/doctor.py - `sallyport doctor` of a server that is well, and of everything it can find wrong, with real DNS servers."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import netns
import tap
from server import binary
from tap import case, check_equal, check_in
from zones import Zones

HOST = "mail A 192.0.2.1\nmail AAAA 2001:db8::1\n"
PTR4, PTR6 = "1 PTR mail.demo.test.\n", "1%s PTR mail.demo.test.\n" % (".0" * 23)
SPF = """v4 TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
a TXT "v=spf1 a:mail.demo.test -all"
near TXT "v=spf1 a:near.spf.test/24//64 -all"
near A 192.0.2.200
near AAAA 2001:db8::ffff
inc TXT "v=spf1 include:v4.spf.test ~all"
red TXT "v=spf1 redirect=inc.spf.test"
open TXT "v=spf1 +all"
none A 192.0.2.3
two TXT "v=spf1 -all"
two TXT "v=spf1 mx -all"
other TXT "v=spf1 ip4:198.51.100.1 ip6:2001:db9::/32 -a:mail.demo.test -all"
half TXT "v=spf1 ip4:192.0.2.1 -all"
loop TXT "v=spf1 include:loop.spf.test -all"
"""
ZONES = {"demo.test": HOST, "2.0.192.in-addr.arpa": PTR4, "8.b.d.0.1.0.0.2.ip6.arpa": PTR6, "bogus.test": "@ MX 10 mail.demo.test.\n", "spf.test": SPF,
         "reach.test": "@ MX 10 mx\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\n", "closed.test": "@ MX 10 mx\nmx A 192.0.2.99\n", "null.test": "@ MX 0 .\n",
         "bare.test": "@ A 192.0.2.1\n", "empty.test": "",
         "bl.test": "9.9.9.9 A 127.0.0.2\n", "open.test": "9.9.9.9 A 127.0.0.2\n"}


class Site:
    """A server as quickstart makes it, at the standard ports of a network of its own; its records in a real zone."""

    def __init__(self, zones):
        self.zones = zones
        self.top = tempfile.mkdtemp(prefix="doctor-")
        os.chmod(self.top, 0o755)
        self.dir, self.conf = self.top + "/mail", self.top + "/mail/sallyport.conf"
        p = subprocess.run([binary(), "quickstart", "me@demo.test", "--dir", self.dir, "--user", "nobody", "--resolver", zones.resolver],
                           capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stdout + p.stderr
        # The host's own lines are made from its interfaces; here they are in the zone already.
        lines = [l for l in p.stdout.splitlines() if re.match(r"\S+\. 3600 IN ", l) and " IN A" not in l]
        self.records = HOST + "".join(l + "\n" for l in lines)
        text = open(self.conf).read()
        self.write(text.replace("dns { resolver %s }" % zones.resolver, "dns { resolver %s; blocklists bl.test open.test }" % zones.resolver))
        zones.change("demo.test", self.records)
        self.start()

    def write(self, text):
        with open(self.conf, "w") as f:
            f.write(text)

    def start(self):
        log = self.top + "/log"
        with open(log, "w") as f:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", binary(), "-c", self.conf, "run"], stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        until = time.monotonic() + 30
        while " ready " not in open(log).read():
            assert self.process.poll() is None and time.monotonic() < until, open(log).read()
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def doctor(self, *words, conf=None):
        """(status, [[level, check, text, way out]])"""
        p = subprocess.run([binary(), "-c", conf or self.conf, "doctor", *words], capture_output=True, text=True, timeout=60)
        self.out, self.err = p.stdout, p.stderr
        return p.returncode, [l.split("\t") for l in p.stdout.splitlines()]

    def with_records(self, text):
        self.zones.change("demo.test", text)
        try:
            return self.doctor()
        finally:
            self.zones.change("demo.test", self.records)

    def other_conf(self, change):
        path = self.top + "/other.conf"
        with open(path, "w") as f:
            f.write(change(open(self.conf).read()))
        return path

    def close(self):
        self.stop()
        shutil.rmtree(self.top, ignore_errors=True)


def errors(lines):
    return [l for l in lines if l[0] == "error"]


def has(lines, level, check, part):
    assert any(l[0] == level and l[1] == check and part in l[2] for l in lines), "no %s of %s with %r among:\n%s" % (
        level, check, part, "\n".join("\t".join(l) for l in lines))


@case("a server that is well has no error, and what was looked at is told")
def _(s):
    status, lines = s.doctor()
    check_equal((errors(lines), status, s.err), ([], 0, ""))
    for check, part in (("name", "192.0.2.1 of this machine"), ("name", "2001:db8::1 of this machine"), ("ptr", "192.0.2.1 is mail.demo.test"),
                        ("ptr", "2001:db8::1 is mail"), ("mx", "led to mail.demo.test"), ("spf", "demo.test lets 192.0.2.1 send"), ("spf", "lets 2001:db8::1 send"),
                        ("dkim", "has the public half"), ("dmarc", "is there"), ("mta-sts", "is there"), ("tls-rpt", "is there"), ("srv", "_imaps._tcp.demo.test"),
                        ("srv", "_pop3._tcp.demo.test"), ("caa", "letsencrypt.org"), ("certificate", "it is for mail.demo.test"), ("certificate", "its key fits"),
                        ("certificate", "more days"), ("imaps 127.0.0.1:993", "shows the certificate"), ("smtp [::1]:25", "shows the certificate"),
                        ("ehlo", "calls itself mail.demo.test"), ("open relay", "192.0.2.1"), ("open relay", "127.0.0.1"), ("outside smtp", "192.0.2.1 port 25 answers"),
                        ("outside imaps", "2001:db8::1 port 993 answers"), ("queue", "nothing waits to leave"), ("block list", "192.0.2.1 is not in bl.test"), ("disk", "MB free"), ("role", "store 0 is up")):
        has(lines, "ok", check, part)
    has(lines, "warning", "resolver", "cannot find the root of all names")  # in a network without one
    check_equal(len([l for l in lines if l[1] == "dkim"]), 2)
    has(lines, "warning", "certificate", "self-signed")


@case("--json says the same")
def _(s):
    status, _lines = s.doctor("--json")
    found = json.loads(s.out)
    check_equal(status, 0)
    assert len(found) > 40 and all(f["level"] != "error" for f in found)
    assert all("way_out" in f for f in found if f["level"] == "warning")


@case("records that are missing or wrong: each told, with the line to add")
def _(s):
    def without(pattern):
        return "".join(l + "\n" for l in s.records.splitlines() if not re.search(pattern, l))
    for text, level, check, part, way_out in (
            (s.records.replace("MX 10 mail.demo.test.", "MX 10 mx.far.test."), "error", "mx", "not to this server", "IN MX 10 mail.demo.test."),
            (without(" IN MX "), "error", "mx", "there is no MX", "demo.test. 3600 IN MX 10 mail.demo.test."),
            (without("^demo.*spf1"), "error", "spf", "has no SPF record", "v=spf1 mx -all"),
            (s.records.replace("v=spf1 mx -all", "v=spf1 ip4:198.51.100.7 -all"), "error", "spf", "demo.test does not let 192.0.2.1 send", "mx"),
            (without("^r.*_domainkey"), "error", "dkim", "there is no DKIM record for our key", "v=DKIM1; k=rsa"),
            (re.sub(r"(k=ed25519; p=)....", r"\1AAAA", s.records), "error", "dkim", "has another key than ours", "v=DKIM1; k=ed25519"),
            (without("_dmarc"), "warning", "dmarc", "there is no such record", "v=DMARC1"),
            (s.records + '_dmarc TXT "v=DMARC1; p=none"\n', "error", "dmarc", "2 such records", "leave one"),
            (without("_mta-sts"), "warning", "mta-sts", "there is no such record", "v=STSv1"),
            (without("_smtp._tls"), "warning", "tls-rpt", "there is no such record", "v=TLSRPTv1"),
            (without(" IN CAA"), "warning", "caa", "no CAA", "letsencrypt.org"),
            (without("_imaps"), "warning", "srv", "_imaps._tcp.demo.test: there is no such record", "993 mail.demo.test."),
            (s.records.replace("0 1 993 mail", "0 1 994 mail"), "error", "srv", "port 994, and the door is at mail.demo.test port 993", "993"),
            (re.sub(r"(_imap\._tcp.* )0 0 0 \.", r"\g<1>0 0 143 mail", s.records), "error", "srv", "that door is closed", "0 0 0 .")):
        status, lines = s.with_records(text)
        has(lines, level, check, part)
        line = [l for l in lines if l[:2] == [level, check] and part in l[2]][0]
        check_in(way_out, line[3])
        check_equal(status, 1 if level == "error" else 0)


@case("SPF: networks, names, includes and redirects that list us; all the ways that do not")
def _(s):
    for name, part in (("v4", "lets 192.0.2.1 send"), ("v4", "lets 2001:db8::1 send"), ("a", "lets 2001:db8::1 send"), ("near", "lets 192.0.2.1 send"),
                       ("near", "lets 2001:db8::1 send"), ("inc", "lets 192.0.2.1 send"), ("red", "lets 2001:db8::1 send"), ("half", "lets 192.0.2.1 send")):
        has(s.doctor(name + ".spf.test")[1], "ok", "spf", part)
    for name, part in (("open", "lets everybody send"), ("none", "has no SPF record"), ("two", "several SPF records"), ("other", "does not let 192.0.2.1"),
                       ("other", "does not let 2001:db8::1"), ("half", "does not let 2001:db8::1"), ("loop", "more than 10")):
        has(s.doctor(name + ".spf.test")[1], "error", "spf", part)


@case("a zone whose signatures are wrong, and a domain that is none")
def _(s):
    has(s.doctor("bogus.test")[1], "error", "mx", "signatures (DNSSEC) are wrong")
    has(s.doctor("nowhere.demo.test")[1], "error", "mx", "there is no MX record")
    check_equal(s.doctor("not a domain")[0], 2)


@case("an address without a name, with another's, and a name without the address")
def _(s):
    zone = "2.0.192.in-addr.arpa"
    for text, part in (("2 PTR x.demo.test.\n", "192.0.2.1 has no name"), ("1 PTR x.demo.test.\n", "192.0.2.1 has the name x.demo.test"),
                       (PTR4 + "1 PTR x.demo.test.\n", "several names")):
        s.zones.change(zone, text)
        status, lines = s.doctor()
        check_equal(status, 1)
        has(lines, "error", "ptr", part)
    s.zones.change(zone, PTR4)
    lines = s.with_records(s.records.replace("mail A 192.0.2.1\n", "mail A 192.0.2.77\n"))[1]
    has(lines, "error", "ptr", "which does not have this address")
    has(lines, "warning", "name", "192.0.2.77, which is none of this machine's")


@case("block lists: listed, not listed, and a list that does not answer this resolver")
def _(s):
    s.zones.change("bl.test", '1.2.0.192 A 127.0.0.2\n1.2.0.192 TXT "sent \\009 spam"\n')
    s.zones.change("open.test", "1.2.0.192 A 127.255.255.254\n")
    status, lines = s.doctor()
    s.zones.change("bl.test", ZONES["bl.test"])
    s.zones.change("open.test", ZONES["open.test"])
    check_equal(status, 1)
    has(lines, "error", "block list", "192.0.2.1 is in bl.test (127.0.0.2) sent ? spam")
    has(lines, "warning", "block list", "192.0.2.1 in open.test: cannot be told")
    has(lines, "ok", "block list", "2001:db8::1 is not in bl.test")


def make_certificate(directory, name, days, key=True):
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
             "-addext", "subjectAltName=DNS:" + name, "-keyout", directory + ("/key.pem" if key else "/unused.pem"), "-out", directory + "/cert.pem", "-days", str(days)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@case("certificates: of another name, near their end, with another's key, not the one that is shown, and none at all")
def _(s):
    keys, keep = s.dir + "/keys", s.top + "/keep"
    shutil.copytree(keys, keep)
    for name, days, key, level, part in (("mail.far.test", 90, True, "error", "it is not for mail.demo.test"), ("mail.demo.test", 3, True, "warning", "it expires in"),
                                         ("mail.demo.test", 90, False, "error", "is not the certificate's")):
        make_certificate(keys, name, days, key)
        status, lines = s.doctor()
        has(lines, level, "certificate", part)
        has(lines, "error", "imaps 127.0.0.1:993", "another certificate than the one expected")
        has(lines, "error", "submission [::1]:587", "another certificate than the one expected")
        check_equal(status, 1)
        shutil.copy(keep + "/key.pem", keys)
    os.unlink(keys + "/cert.pem")
    has(s.doctor()[1], "error", "certificate", "cert.pem")
    shutil.copy(keep + "/cert.pem", keys)


@case("--to: the servers of another domain, by MX or without, by a route, of nobody, of none and behind a closed port")
def _(s):
    status, lines = s.doctor("demo.test", "--to", "reach.test")
    check_equal(status, 0)
    has(lines, "ok", "send", "mx.reach.test[192.0.2.1] port 25 answers")
    has(lines, "ok", "send", "mx.reach.test[2001:db8::1] port 25 answers")
    has(s.doctor("demo.test", "--to", "bare.test")[1], "ok", "send", "bare.test[192.0.2.1] port 25 answers")
    for domain, part in (("closed.test", "none of the servers for closed.test is reached"), ("null.test", "takes no mail"), ("empty.test", "no address of its servers")):
        status, lines = s.doctor("demo.test", "--to", domain)
        check_equal(status, 1)
        has(lines, "error", "send", part)
    for hop, part in (("[mx.reach.test]:587", "mx.reach.test[192.0.2.1] port 587 answers"), ("reach.test:587", "mx.reach.test[2001:db8::1] port 587"),
                      ("[192.0.2.1]:465; implicit_tls yes", "192.0.2.1[192.0.2.1] port 465 answers"), ("[::1]:25", "::1[::1] port 25 answers")):
        conf = s.other_conf(lambda text: text + "route closed.test { next_hop %s }\n" % hop)
        has(s.doctor("demo.test", "--to", "closed.test", conf=conf)[1], "ok", "send", part)
    assert not [l for l in s.doctor("demo.test")[1] if l[1] == "send"]
    check_equal(s.doctor("--to", "not a domain")[0], 2)


@case("sources: an address that is ours and has its name, one whose name is another, and one that is nobody's here")
def _(s):
    conf = s.other_conf(lambda text: text + "source a { address 192.0.2.1 2001:db8::1 }\nsource b { address 192.0.2.1; helo other.demo.test }\n"
                                            "source c { address 192.0.2.98 }\nsource d { address 127.0.0.3 }\n")
    status, lines = s.doctor(conf=conf)
    check_equal(status, 1)
    has(lines, "ok", "source", "a: 192.0.2.1 is an address of this machine")
    has(lines, "ok", "source", "a: 2001:db8::1")
    has(lines, "error", "ptr", "192.0.2.1 has the name mail.demo.test, and other.demo.test is what")
    has(lines, "error", "source", "c: 192.0.2.98 is no address of this machine")
    has(lines, "ok", "source", "d: 127.0.0.3")


class Relay(threading.Thread):
    """An open relay."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                c = self.sock.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), c, c.makefile("rb") as lines:
                c.sendall(b"220 open.test welcomes all\r\n")
                for _line in lines:
                    c.sendall(b"250 yes\r\n")


@case("an open relay, and one that calls itself by another name")
def _(s):
    relay = Relay()
    conf = s.other_conf(lambda text: text.replace("listen smtp { }", "listen smtp { address 127.0.0.1; port %d; tls none }" % relay.port))
    status, lines = s.doctor(conf=conf)
    relay.sock.close()
    check_equal(status, 1)
    has(lines, "error", "open relay", "can send to others through this server")
    has(lines, "error", "ehlo", "calls itself open.test")


@case("doors that are closed, from here and from outside; a listener that takes loopback alone")
def _(s):
    conf = s.other_conf(lambda text: text.replace("#listen imap { }", "listen imap { }"))
    status, lines = s.doctor(conf=conf)
    check_equal(status, 1)
    has(lines, "error", "imap 127.0.0.1:143", "nothing listens there")
    has(lines, "error", "outside imap", "192.0.2.1:143: nothing listens there")


@case("a resolver that is silent: what hangs on it is left out, the rest is looked at")
def _(s):
    conf = s.other_conf(lambda text: text.replace("resolver " + s.zones.resolver, "resolver 127.0.0.1:9"))
    _status, lines = s.doctor(conf=conf)
    has(lines, "warning", "resolver", "does not answer")
    has(lines, "ok", "imaps 127.0.0.1:993", "shows the certificate")
    assert not [l for l in lines if l[1] in ("mx", "spf", "block list")], lines


@case("a server that does not run is an error, and the domains named are still looked at")
def _(s):
    s.stop()
    status, lines = s.doctor("demo.test")
    check_equal(status, 1)
    has(lines, "error", "server", "no server answers")
    has(lines, "error", "smtp 127.0.0.1:25", "nothing listens there")
    has(lines, "ok", "mx", "led to mail.demo.test")
    s.start()


if __name__ == "__main__":
    tap.need_programs("openssl", "knotd", "unbound", "ip")
    if not netns.enter("192.0.2.1/32", "2001:db8::1/128"):
        tap.skip_all("a network of its own needs root")
    with Zones(ZONES, bogus=("bogus.test",)) as zones:
        site = Site(zones)
        try:
            status = tap.run(site)
        finally:
            site.close()
        sys.exit(status > 0)
