#!/usr/bin/env python3
"""test/interop/locks.py - DANE, MTA-STS, REQUIRETLS, routes' demands, remembered STARTTLS and TLS reports, against real DNSSEC, HTTPS and servers with
certificates of each kind; Postfix with smtp_tls_security_level = dane goes the same ways beside it. What both did is written as a table to
build/locks.md, or where $LOCKS_TABLE says."""
import email
import email.policy
import gzip
import http.server
import json
import os
import re
import smtplib
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import letter, wait_until
from internet import Internet
from peers import Postfix
from remote import FEATURES, Remote
from server import ROOT, Server
from tap import case, check_equal, check_in

LATER = "later"
TABLE = os.environ.get("LOCKS_TABLE") or os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "locks.md")
WRONG = "00" * 32
REPORTS = "20.0.3.1"
HTTPS_REPORTS = "20.0.3.2"


class Way:
    """One destination. records: lines of its zone behind the host's, with {mx} for the MX host's name and {t:311} for a TLSA of its certificate;
    names: of the certificate, by default the host's."""
    n = 0

    def __init__(self, name, about, want, records="", zone="dane", starttls=True, names=None, sts=None, mode="enforce", covers=None, host=True, sts_records=True,
                 page=None, policy_expired=False, extra="", **kind):
        Way.n += 1
        self.name, self.about, self.want, self.records, self.starttls = name, about, want, records, starttls
        self.domain = "%s.%s.test" % (name, zone)
        self.zone, self.mx, self.address = zone, "mx.%s.%s.test" % (name, zone), "20.0.2.%d" % Way.n
        self.names, self.kind, self.sts, self.mode, self.covers = names, kind, sts, mode, covers
        self.host, self.sts_records, self.page, self.policy_expired, self.extra = host, sts_records, page, policy_expired, extra

    def make(self, ca):
        names = [n.format(mx=self.mx, domain=self.domain) for n in self.names or ["{mx}"]]
        self.certificate = ca.issue(*names, **self.kind)
        text = re.sub(r"\{t:(\d)(\d)(\d)\}", lambda m: self.certificate.tlsa(*map(int, m.groups())), self.records)
        lines = ["{d}. MX 10 {m}.\n{m}. A {a}" if self.host else "", "_25._tcp.{m}. TLSA " + text if text and not text.startswith("!") else text[1:]]
        if self.sts and self.sts_records:
            lines.append('_mta-sts.{d}. TXT "v=STSv1; id=1;"\nmta-sts.{d}. A %s' % internet.HTTPS)
        lines.append(self.extra)
        return "\n".join(lines).format(d=self.domain, m=self.mx, a=self.address) + "\n"


WAYS = [
    Way("t311", "DANE-EE(3) of the key", "dane", "{t:311}"),
    Way("t301", "DANE-EE(3) of the certificate", "dane", "{t:301}"),
    Way("t312", "DANE-EE(3), SHA-512", "dane", "{t:312}"),
    Way("t310", "DANE-EE(3), the whole key", "dane", "{t:310}"),
    Way("t201", "DANE-TA(2) of the authority", "dane", "{t:201}"),
    Way("t211", "DANE-TA(2) of the authority's key", "dane", "{t:211}"),
    Way("miss", "DANE-EE(3) of another key", LATER, "3 1 1 " + WRONG),
    Way("missta", "DANE-TA(2) of another authority", LATER, "2 0 1 " + WRONG),
    Way("roll", "one record of another key, one that fits", "dane", "3 1 1 %s\n_25._tcp.{m}. TLSA {t:311}" % WRONG),
    Way("eeold", "DANE-EE(3), the certificate is expired", "dane", "{t:311}", expired=True),
    Way("eename", "DANE-EE(3), the certificate is for other names", "dane", "{t:311}", names=["elsewhere.test"]),
    Way("eeself", "DANE-EE(3), the certificate is self-signed", "dane", "{t:311}", self_signed=True),
    Way("taold", "DANE-TA(2), the certificate is expired", LATER, "{t:201}", expired=True),
    Way("taname", "DANE-TA(2), the certificate is for other names", LATER, "{t:201}", names=["elsewhere.test"]),
    Way("tahop", "DANE-TA(2), the certificate is for the domain, not for the host", "dane", "{t:201}", names=["{domain}"]),
    Way("pkixee", "PKIX-EE(1) alone: not usable", "required", "1 1 1 " + WRONG),
    Way("pkixta", "PKIX-TA(0) alone: not usable", "required", "0 1 1 " + WRONG),
    Way("selector", "an unknown selector: not usable", "required", "3 9 1 " + WRONG),
    Way("digest", "a digest of the wrong length: not usable", "required", "3 1 1 0011"),
    Way("unusplain", "not usable, and no STARTTLS", LATER, "1 1 1 " + WRONG, starttls=False),
    Way("nostart", "DANE, and no STARTTLS", LATER, "{t:311}", starttls=False),
    Way("none", "no TLSA records", "opportunistic"),
    Way("noneself", "no TLSA records, a self-signed certificate", "opportunistic", self_signed=True),
    Way("noneplain", "no TLSA records, no STARTTLS", "none", starttls=False),
    Way("servfail", "TLSA records that cannot be looked up", LATER, zone="none", host=False),
    Way("bogus", "the domain's signatures are wrong", LATER, zone="none", host=False),
    Way("insecure", "TLSA of another key in a zone that is not signed", "opportunistic", "3 1 1 " + WRONG, zone="plain"),
    Way("mxinsec", "MX in a zone that is not signed, its host in one that is, TLSA that fits", "opportunistic", zone="plain", host=False,
        names=["mx.viaok.dane.test"], extra="{d}. MX 10 mx.viaok.dane.test."),
    Way("mxinsmiss", "the same, TLSA of another key", "opportunistic", zone="plain", host=False, names=["mx.viamiss.dane.test"],
        extra="{d}. MX 10 mx.viamiss.dane.test."),
    Way("cname", "MX is an alias; TLSA where it leads", "dane", "!_25._tcp.real.{d}. TLSA {t:311}", host=False, names=["real.cname.dane.test"],
        extra="{d}. MX 10 {m}.\n{m}. CNAME real.{d}.\nreal.{d}. A {a}"),
    Way("cnameown", "MX is an alias; TLSA at the alias alone", "dane", "{t:311}", host=False, extra="{d}. MX 10 {m}.\n{m}. CNAME real.{d}.\nreal.{d}. A {a}"),
    Way("cnameout", "MX is an alias into a zone that is not signed; TLSA at the alias", "dane", "{t:311}", host=False,
        extra="{d}. MX 10 {m}.\n{m}. CNAME out.plain.test."),
    Way("tlsacname", "TLSA is an alias", "dane", "!_25._tcp.{m}. CNAME tlsa.{d}.\ntlsa.{d}. TLSA {t:311}"),
    Way("implicit", "no MX: the domain itself is the host", "dane", "!_25._tcp.{d}. TLSA {t:311}", host=False, names=["implicit.dane.test"], extra="{d}. A {a}"),
    Way("second", "the first of two hosts fails DANE, the second does not", "dane", "{t:311}", host=False,
        extra="{d}. MX 5 mx.miss.dane.test.\n{d}. MX 10 {m}.\n{m}. A {a}"),
    Way("sgood", "MTA-STS enforce, all is well", "mta-sts", zone="plain", sts=True),
    Way("swild", "MTA-STS enforce, the host by a wildcard", "mta-sts", zone="plain", sts=True, covers="*.swild.plain.test"),
    Way("swildtwo", "MTA-STS enforce, a wildcard two labels above", LATER, zone="plain", sts=True, covers="*.plain.test"),
    Way("sself", "MTA-STS enforce, a self-signed certificate", LATER, zone="plain", sts=True, self_signed=True),
    Way("sname", "MTA-STS enforce, a certificate for other names", LATER, zone="plain", sts=True, names=["elsewhere.test"]),
    Way("sold", "MTA-STS enforce, an expired certificate", LATER, zone="plain", sts=True, expired=True),
    Way("smx", "MTA-STS enforce, another MX host", LATER, zone="plain", sts=True, covers="mx2.smx.plain.test"),
    Way("splain", "MTA-STS enforce, no STARTTLS", LATER, zone="plain", sts=True, starttls=False),
    Way("stest", "MTA-STS testing, a self-signed certificate", "opportunistic", zone="plain", sts=True, mode="testing", self_signed=True),
    Way("stestmx", "MTA-STS testing, another MX host", "opportunistic", zone="plain", sts=True, mode="testing", covers="mx2.test"),
    Way("snone", "MTA-STS none, a self-signed certificate", "opportunistic", zone="plain", sts=True, mode="none", self_signed=True),
    Way("sweb", "MTA-STS announced, the policy's certificate is expired", "opportunistic", zone="plain", sts=True, policy_expired=True, self_signed=True),
    Way("s404", "MTA-STS announced, no policy there (404)", "opportunistic", zone="plain", sts=True, page=(404, "text/plain", "no"), self_signed=True),
    Way("shtml", "MTA-STS announced, the policy is text/html", "opportunistic", zone="plain", sts=True, self_signed=True,
        page=(200, "text/html", "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 100\n")),
    Way("sbroken", "MTA-STS announced, the policy does not parse", "opportunistic", zone="plain", sts=True, self_signed=True,
        page=(200, "text/plain", "version: STSv1\nmode: enforce\nmax_age: 100\n")),
    Way("stwo", "MTA-STS announced by two records", "opportunistic", zone="plain", sts=True, self_signed=True, extra='_mta-sts.{d}. TXT "v=STSv1; id=2;"'),
    Way("bothok", "DANE fits, MTA-STS enforce would not", "dane", "{t:311}", sts=True, covers="mx2.test", self_signed=True),
    Way("bothmiss", "DANE does not fit, MTA-STS enforce would", LATER, "3 1 1 " + WRONG, sts=True),
    Way("bothunus", "TLSA not usable, MTA-STS enforce fits", "mta-sts", "1 1 1 " + WRONG, sts=True),
]
BY_NAME = {w.name: w for w in WAYS}
EXTRA = {"keep": "20.0.3.11", "strip": "20.0.3.12", "route": "20.0.3.13", "rtls": "20.0.3.14", "rtlsno": "20.0.3.15", "sleep": "20.0.3.16"}


def make_zones(ca):
    zones = {"dane.test": "", "plain.test": "out A %s\n" % BY_NAME["cnameout"].address}
    for w in WAYS:
        text = w.make(ca)
        if w.zone != "none":
            zones[w.zone + ".test"] += text
    ok, miss = BY_NAME["mxinsec"], BY_NAME["mxinsmiss"]
    zones["dane.test"] += "mx.viaok A %s\n_25._tcp.mx.viaok TLSA %s\n" % (ok.address, ok.certificate.tlsa(3))
    zones["dane.test"] += "mx.viamiss A %s\n_25._tcp.mx.viamiss TLSA 3 1 1 %s\n" % (miss.address, WRONG)
    w = BY_NAME["servfail"]
    zones["servfail.none.test"] = "@ MX 10 @\n@ A %s\n" % w.address
    zones["none.test"] = ""
    zones["_tcp.servfail.none.test"] = ""
    zones["bogus.none.test"] = "@ MX 10 mx\nmx A %s\n" % BY_NAME["bogus"].address
    for name, address in EXTRA.items():
        zone = "dane.test" if name.startswith("rtls") else "plain.test"
        zones[zone] += "{n}.{z}. MX 10 mx.{n}.{z}.\nmx.{n}.{z}. A {a}\n".format(n=name, z=zone, a=address)
    zones["plain.test"] += '_mta-sts.keep TXT "v=STSv1; id=1;"\nmta-sts.keep A %s\n' % internet.HTTPS
    zones["plain.test"] += '_smtp._tls.strip TXT "v=TLSRPTv1; rua=mailto:tls@reports.plain.test,https://collect.plain.test/v1"\n'
    zones["plain.test"] += '_smtp._tls.sself TXT "v=TLSRPTv1; rua=mailto:tls@reports.plain.test"\n_smtp._tls.s404 TXT "v=TLSRPTv1; rua=mailto:tls@reports.plain.test"\n'
    zones["plain.test"] += "reports MX 10 mx.reports\nmx.reports A %s\ncollect A %s\n" % (REPORTS, HTTPS_REPORTS)
    zones["dane.test"] += '_smtp._tls.miss TXT "v=TLSRPTv1; rua=mailto:tls@reports.plain.test"\n'
    return zones


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.got.append((self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class World:
    def __init__(self, net):
        self.net, self.remotes, self.done, self.postfix = net, {}, {}, {}
        for w in WAYS:
            self.remotes[w.name] = net.with_(Remote(w.address, tls=w.certificate if w.starttls else None, name=w.mx))
            if w.sts:
                self.policy(w)
        self.certificates = {n: net.ca.issue("mx.%s.%s.test" % (n, "dane" if n.startswith("rtls") else "plain")) for n in EXTRA}
        for n, address in EXTRA.items():
            features = FEATURES + ("REQUIRETLS",) if n == "rtls" else FEATURES
            self.remotes[n] = net.with_(Remote(address, tls=self.certificates[n], features=features, name="mx.%s.test" % n))
        self.reports = net.with_(Remote(REPORTS))
        self.collector = http.server.ThreadingHTTPServer((HTTPS_REPORTS, 443), Collector)
        self.collector.got = []
        self.collector.socket = net.ca.issue("collect.plain.test").context().wrap_socket(self.collector.socket, server_side=True)
        threading.Thread(target=self.collector.serve_forever, args=(0.05,), daemon=True).start()
        self.out = Postfix(net, "out.demo.test", "20.0.0.9", networks="20.0.0.0/16", smtp_tls="dane", options="smtp_connect_timeout = 2s\nsmtp_host_lookup = dns\n")

    def policy(self, w):
        self.net.policy(w.domain, w.mode, *([] if w.mode == "none" else [w.covers or w.mx]))
        if w.page:
            self.net.policies.pages[w.domain] = w.page
        self.net.policy_certificate("mta-sts." + w.domain)
        if w.policy_expired:
            self.net.policy_certificates["mta-sts." + w.domain] = self.net.ca.issue("mta-sts." + w.domain, expired=True)

    def change(self, zone, text):
        self.net.change(zone, text)
        time.sleep(self.net.ttl)  # unbound counts in whole seconds

    # ---- Sallyport

    def submit(self, domain, subject, extra="", mail=()):
        c = self.s.smtp("submission", tls=True, login="alice")
        refused = c.sendmail("alice@demo.test", ["a@" + domain], letter(subject, "Hello\r\n", sender="alice@demo.test", to="a@" + domain, extra=extra), mail_options=list(mail))
        assert not refused, refused
        c.quit()

    def attempts(self, domain):
        text = self.s.run("queue", "history", "--json")
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return sorted((e for e in found if e.get("domain") == domain and e.get("attempt")), key=lambda e: (e["id"], e["attempt"]))

    @staticmethod
    def outcome(attempt):
        """(what it came to, why)"""
        r = attempt["recipients"][0]
        if r["state"] in ("sent", "relayed"):
            return attempt["lock"], ""
        return {"waiting": LATER, "failed": "never"}.get(r["state"], r["state"]), "%s %s" % (r["status"], r["text"] or attempt.get("lock_text", ""))

    def first(self, domain, n=1):
        found = []

        def there():
            found[:] = self.attempts(domain)
            return len(found) >= n
        wait_until(there, 30)
        return self.outcome(found[n - 1])

    def send(self, domain, subject, **more):
        """What the next letter to a domain comes to."""
        n = len(self.attempts(domain))
        self.submit(domain, subject, **more)
        waiting = [json.loads(line)["id"] for line in self.s.run("queue", "list", "--domain", domain, "--json", check=False)[1].splitlines()]
        if waiting:  # a domain whose way could not be locked is left alone for a while
            self.s.run("queue", "retry", str(max(waiting)), check=False)
        return self.first(domain, n + 1)

    def all_attempts(self):
        text = self.s.run("queue", "history", "--json")
        self.done = {}
        for line in text.splitlines():
            e = json.loads(line)
            if e.get("attempt") == 1:
                self.done[e["domain"]] = self.outcome(e)
        return all(w.domain in self.done for w in WAYS)

    # ---- Postfix

    def postfix_results(self):
        log = self.out.log()
        levels = dict((m.group(2), m.group(1)) for m in re.finditer(r"(Verified|Trusted|Untrusted|Anonymous) TLS connection established to ([^\[]+)\[", log))
        for m in re.finditer(r"to=<a@([^>]+)>, relay=([^,\[]+).*?status=(\w+) \((.*)\)$", log, re.M):
            domain, relay, status, why = m.groups()
            if domain not in self.postfix:
                self.postfix[domain] = ("sent, " + levels.get(relay, "no TLS").lower() if status == "sent" else status, "" if status == "sent" else why)
        return all(w.domain in self.postfix for w in WAYS)


@case("letters to every destination are handed over or kept as the standards have it")
def _(w):
    with smtplib.SMTP(w.out.address, 25, timeout=20) as c:
        for way in WAYS:
            c.sendmail("me@demo.test", ["a@" + way.domain], "Subject: postfix\r\n\r\nx\r\n")
    for way in WAYS:
        w.submit(way.domain, "sallyport")
    wait_until(w.all_attempts, 90)
    wrong = ["%s (%s): %r, wanted %s" % (y.domain, y.about, w.done[y.domain], y.want) for y in WAYS if w.done[y.domain][0] != y.want]
    assert not wrong, "\n".join(wrong)


@case("a letter that was kept has not been told to anybody")
def _(w):
    for way in WAYS:
        if way.want == LATER:
            check_equal([l for l in w.remotes[way.name].letters if l.subject == "sallyport" and l.rcpts == ["a@" + way.domain]], [], way.name)


@case("the server name in the handshake is the TLSA base domain, or the MX host's name (RFC 7672 8.1, RFC 8461 4.2)")
def _(w):
    for name, want in (("t311", "mx.t311.dane.test"), ("cname", "real.cname.dane.test"), ("sgood", "mx.sgood.plain.test"), ("none", "mx.none.dane.test")):
        names = {getattr(s.sock, "sp_sni", None) for s in w.remotes[name].sessions if hasattr(s, "sock")}
        assert want in names, (name, names)


@case("Postfix went the same ways; the table is written")
def _(w):
    wait_until(w.postfix_results, 60)
    lines = ["| destination | expected | Sallyport | Postfix 3.7, level dane |", "|---|---|---|---|"]
    for way in WAYS:
        ours, theirs = w.done[way.domain][0], w.postfix[way.domain][0]
        if way.sts and not way.records:
            theirs += " (knows no MTA-STS)"
        lines.append("| %s | %s | %s | %s |" % (way.about, way.want, ours, theirs))
    with open(TABLE, "w") as f:
        f.write("\n".join(lines) + "\n")
    check_equal(len(lines), len(WAYS) + 2)
    # Where Postfix does DANE, both hand over the same letters, but for MX records that nobody vouches for: there Postfix holds the host to its records.
    other = [y.name for y in WAYS if not y.sts and (w.done[y.domain][0] == LATER) != (w.postfix[y.domain][0] == "deferred")]
    check_equal(other, ["mxinsmiss"])


@case("a policy that was fetched is kept to when its host, its record and its page are gone, and when relay has died")
def _(w):
    domain = "keep.plain.test"
    w.net.policy(domain, "enforce", "mx.keep.plain.test")
    check_equal(w.send(domain, "kept 1")[0], "mta-sts")
    w.net.policies.pages.pop(domain)
    text = w.net.zones["plain.test"]
    w.change("plain.test", text.replace('_mta-sts.keep TXT "v=STSv1; id=1;"\n', ""))
    remote = w.remotes["keep"]
    remote.tls = Remote.prepared(w.net.ca.issue("mx.keep.plain.test", self_signed=True))
    check_equal(w.send(domain, "kept 2")[0], LATER)
    w.change("plain.test", text.replace('_mta-sts.keep TXT "v=STSv1; id=1;"', '_mta-sts.keep TXT "v=STSv1; id=2;"'))
    check_equal(w.send(domain, "kept 3")[0], LATER)  # announced anew, and not to be had
    pids = w.s.pids("relay")
    os.kill(pids[0], 9)
    wait_until(lambda: w.s.pids("relay") not in ([], pids), 20)
    check_equal(w.send(domain, "kept 4")[0], LATER)
    w.net.policy(domain, "none")
    w.change("plain.test", text.replace('_mta-sts.keep TXT "v=STSv1; id=1;"', '_mta-sts.keep TXT "v=STSv1; id=3;"'))
    check_equal(w.send(domain, "kept 5")[0], "opportunistic")
    w.change("plain.test", text)


@case("TLS-Required: No goes past DANE and MTA-STS, but not when REQUIRETLS was asked for")
def _(w):
    for name in ("miss", "sself", "nostart", "smx"):
        got = w.send(BY_NAME[name].domain, "optional " + name, extra="TLS-Required: No\r\n")
        check_equal(got[0], "none" if name == "nostart" else "opportunistic", name)
    check_equal(w.send(BY_NAME["miss"].domain, "both", extra="TLS-Required: No\r\n", mail=["REQUIRETLS"])[0], LATER)


@case("REQUIRETLS: to a host that DNSSEC vouches for, with a good certificate, that knows it; else never")
def _(w):
    check_equal(w.send("rtls.dane.test", "require", mail=["REQUIRETLS"])[0], "verified")
    check_equal([l.params for l in w.remotes["rtls"].letters if l.subject == "require" and "REQUIRETLS" not in l.params], [])
    for domain, part in (("rtlsno.dane.test", "REQUIRETLS"), (BY_NAME["noneplain"].domain, "STARTTLS"), ("sleep.plain.test", "vouched")):
        what, why = w.send(domain, "require", mail=["REQUIRETLS"])
        check_equal(what, "never", domain)
        check_in("5.7.30", why)
        check_in(part, why)


@case("STARTTLS that a host has offered and offers no longer: it is warned of, or the letter waits, as the setting says")
def _(w):
    domain, remote = "strip.plain.test", w.remotes["strip"]
    check_equal(w.send(domain, "before")[0], "opportunistic")
    remote.tls = None
    check_equal(w.send(domain, "stripped, warned of")[0], "none")
    check_in("starttls-gone", w.s.log_text())
    w.s.set("queue", remember_starttls="yes")
    w.s.reload()
    what, why = w.send(domain, "stripped, kept")
    check_equal(what, LATER)
    check_in("remember_starttls", why)
    w.s.set("queue", remember_starttls="no")
    w.s.reload()
    check_equal(w.send(domain, "stripped, not looked at")[0], "none")


@case("routes: none, require, verify, dane")
def _(w):
    remote = w.remotes["route"]
    routes = {"none": "none", "require": "required", "verify": "verified", "dane": LATER, "auto": "opportunistic"}
    for mode, want in routes.items():
        w.route("route.plain.test", mode)
        check_equal(w.send("route.plain.test", mode)[0], want, mode)
    remote.tls = Remote.prepared(w.net.ca.issue("elsewhere.test"))
    for mode, want in (("verify", LATER), ("require", "required")):
        w.route("route.plain.test", mode)
        check_equal(w.send("route.plain.test", mode)[0], want, mode)
    remote.tls = None
    w.route("route.plain.test", "require")
    check_equal(w.send("route.plain.test", "plain")[0], LATER)
    w.route(BY_NAME["t311"].domain, "dane")
    check_equal(w.send(BY_NAME["t311"].domain, "by route")[0], "dane")


def report_of(message):
    m = email.message_from_bytes(message.data, policy=email.policy.default)
    check_equal(m.get_content_type(), "multipart/report")
    check_equal(m["Content-Type"].params["report-type"], "tlsrpt")
    part = [p for p in m.walk() if p.get_content_type() == "application/tlsrpt+gzip"][0]
    return m, part.get_content(), json.loads(gzip.decompress(part.get_content()))


@case("TLS reports go to where a domain wants them, by mail and by HTTPS, once")
def _(w):
    lines = w.s.run("tlsrpt", "send", "today")
    for domain in ("strip.plain.test", "sself.plain.test", "s404.plain.test", "miss.dane.test"):
        check_in(domain, lines)
    found = {m["TLS-Report-Domain"]: (m, packed, r) for m, packed, r in map(report_of, w.reports.wait(4))}
    check_equal(sorted(found), ["miss.dane.test", "s404.plain.test", "sself.plain.test", "strip.plain.test"])
    m, packed, r = found["sself.plain.test"]
    check_equal((m["TLS-Report-Submitter"], r["organization-name"]), ("mail.demo.test", "mail.demo.test"))
    p = [p for p in r["policies"] if p["policy"]["policy-type"] == "sts"][0]
    check_equal(p["policy"]["policy-domain"], "sself.plain.test")
    check_equal(p["policy"]["mx-host"], ["mx.sself.plain.test"])
    check_in("mode: enforce", p["policy"]["policy-string"])
    check_equal(p["failure-details"][0]["result-type"], "certificate-not-trusted")
    check_equal(p["failure-details"][0]["receiving-mx-hostname"], "mx.sself.plain.test")
    assert p["summary"]["total-failure-session-count"] >= 1
    check_equal({f["result-type"] for p in found["s404.plain.test"][2]["policies"] for f in p.get("failure-details", [])}, {"sts-policy-fetch-error"})
    p = [p for p in found["miss.dane.test"][2]["policies"] if p["policy"]["policy-type"] == "tlsa"][0]
    check_equal(p["policy"]["policy-string"], ["3 1 1 " + WRONG])
    path, kind, body = w.collector.got[0]
    check_equal((path, kind), ("/v1", "application/tlsrpt+gzip"))
    check_equal(json.loads(gzip.decompress(body))["policies"][0]["policy"]["policy-domain"], "strip.plain.test")
    check_equal(w.s.run("tlsrpt", "send", "today").count("strip.plain.test"), 0)
    check_equal(len(w.collector.got), 1)
    path = w.net.write("report.eml", "")
    with open(path, "wb") as f:
        f.write(w.reports.letters[0].data)
    check_in("policy\ttype ", w.s.run("tlsrpt", "show", path))


def run(net):
    w = World(net)
    with Server({"dns": {"resolver": net.resolver}, "queue": {"retry_first": "1h", "retry_max": "1h", "account_rate": 0, "suppress_after": 0, "report_from": "tls@demo.test"},
                 "timeouts": {"relay_idle": "10ms", "dns": "5s", "https": "5s"}, "limits": {"letter_rate": 0, "connection_rate": 0}}) as s:
        w.s = s
        base = list(s.extra_listeners)

        def route(domain, mode):
            s.extra_listeners = base + ["route %s { tls %s }" % (domain, mode)]
            s.write_conf()
            s.reload()
        w.route = route
        return tap.run(w, on_failure=s.show_log)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "postfix", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(make_zones, signed=("dane.test", "none.test", "servfail.none.test"), bogus=("bogus.none.test",), failing=("_tcp.servfail.none.test",)) as net:
        sys.exit(run(net) > 0)
