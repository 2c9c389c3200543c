"""test/lib/internet.py - an internet of the test's own in one network namespace: addresses, names from the root down with DNSSEC, a
certification authority that everything here trusts, MTA-STS policies over HTTPS.

    internet.enter()                                  # this process and its children leave the machine's network
    with Internet({"far.test": "@ MX 10 mx\nmx A 20.0.1.1\n"}, signed=("far.test",)) as net:
        net.resolver                                  # "127.0.0.1:53": unbound, which validates from the root's key
        net.ca.issue("mx.far.test")                   # a certificate that everybody here believes
        net.policy("far.test", "enforce", "mx.far.test")

All of 20.0.0.0/16 and 2a0f:20::/64 reaches this machine, and only SENDER, SENDER6 and OTHER_SENDERS are on its interface, by which programs tell
what is theirs; 20.0.250.0/24 swallows what comes.
A zone not named signed has no DS at its parent, which the resolver believes; one named bogus has another's. lame: its server refuses;
failing: it answers SERVFAIL; silent: it never answers; slow: as long after the question as given. All zones are below the root and
"test", both signed. zones may be a function that gets the authority and returns them, for those that hold TLSA records.
"""
import contextlib
import hashlib
import http.server
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import netns
from certs import Authority
from zones import NOT_DEFAULT, Zones

SENDER, SENDER6 = "20.0.0.1", "2a0f:20::1"  # where connections of this machine come from
OTHER_SENDERS = ("20.0.0.2", "20.0.0.3")
DNS, LAME, FAILING, SILENT, SLOW, SLOW_TRUTH, HTTPS = ("20.0.0.%d" % n for n in (53, 54, 55, 56, 57, 58, 80))
HOLE = "20.0.250.1"


def address6(n):
    return "2a0f:20::%x" % n


def enter():
    """Leaves the machine's network; False: it cannot be done here."""
    if not netns.enter(SENDER + "/16", SENDER6 + "/128", *[a + "/32" for a in OTHER_SENDERS], mounts=True):
        return False
    subprocess.run(["ip", "-6", "route", "add", "local", "2a0f:20::/64", "dev", "lo", "src", SENDER6], check=True)
    subprocess.run(["nft", "-f", "-"], input="table inet hole { chain in { type filter hook input priority 0; ip daddr 20.0.250.0/24 drop; }; }",
                   text=True, check=True)
    return True


def see(source, target):
    """From here on whoever opens target in this namespace finds source."""
    subprocess.run(["mount", "--bind", source, os.path.realpath(target)], check=True)


def wire_name(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.strip(".").split(".") if l) + b"\0"


def ask(address, name, kind, port=53, timeout=0.5):
    """The answer to one question by TCP, or None."""
    question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + wire_name(name) + struct.pack(">2H", kind, 1)
    try:
        with socket.create_connection((address, port), timeout=timeout) as s:
            s.sendall(struct.pack(">H", len(question)) + question)
            f = s.makefile("rb")
            return f.read(struct.unpack(">H", f.read(2))[0])
    except (OSError, struct.error):
        return None


def keys_of(answer, name):
    """The data of the DNSKEY records that answer has behind its one question."""
    at, found = 12 + len(wire_name(name)) + 4, []
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        while answer[at] and answer[at] < 0xc0:
            at += answer[at] + 1
        at += 2 if answer[at] >= 0xc0 else 1
        kind, _class, _ttl, size = struct.unpack(">HHIH", answer[at:at + 10])
        if kind == 48:
            found.append(answer[at + 10:at + 10 + size])
        at += 10 + size
    return found


def ds_of(name, key):
    """The data of a DS record (RFC 4034 5.1.4, digest SHA-256) for a key."""
    tag = sum(b << (0 if i & 1 else 8) for i, b in enumerate(key))
    tag = (tag + (tag >> 16)) & 0xffff
    return "%d %d 2 %s" % (tag, key[3], hashlib.sha256(wire_name(name.lower()) + key).hexdigest())


class Answerer(threading.Thread):
    """A name server by UDP that does one thing to every question: an rcode, nothing (rcode None), or the truth after a delay."""

    def __init__(self, address, rcode=None, delay=None):
        super().__init__(daemon=True)
        self.rcode, self.delay = rcode, delay
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 53))
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            if len(question) < 17:  # none: the socket was closed
                return
            if self.delay:
                threading.Timer(self.delay, self.pass_on, (question, peer)).start()
            elif self.rcode is not None:
                self.say(question[:2] + struct.pack(">HHHHH", 0x8000 | self.rcode, 1, 0, 0, 0) + question[12:question.index(b"\0", 12) + 5], peer)

    def say(self, answer, peer):
        with contextlib.suppress(OSError):
            self.sock.sendto(answer, peer)

    def pass_on(self, question, peer):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            with contextlib.suppress(OSError):
                s.sendto(question, (SLOW_TRUTH, 53))
                self.say(s.recv(4096), peer)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in it, and fails
        self.sock.close()


class PolicyHost(http.server.ThreadingHTTPServer):
    """mta-sts.DOMAIN of all domains (RFC 8461 3.3). pages: domain -> (status, content type, body) or a function that gets the handler."""
    daemon_threads = True

    def __init__(self, certificates):
        self.pages, self.certificates, self.asked = {}, certificates, []
        super().__init__((HTTPS, 443), PolicyPage)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self.choose
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def choose(self, sock, name, _context):
        certificate = self.certificates(name or "")
        sock.context = certificate.context()

    def handle_error(self, request, client_address):
        pass


class PolicyPage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host = (self.headers["Host"] or "").partition(":")[0]
        self.server.asked.append((host, self.path))
        page = self.server.pages.get(host[len("mta-sts."):]) if self.path == "/.well-known/mta-sts.txt" else None
        if callable(page):
            page(self)
            return
        status, kind, body = page or (404, "text/plain", "nothing here\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *unused):
        pass


class Internet(Zones):
    """zones: name -> text, as in zones.py. ttl: how long the resolver remembers, in seconds."""

    def __init__(self, zones, signed=(), bogus=(), lame=(), failing=(), silent=(), slow=(), slow_by=0.3, ttl=1):
        super().__init__({".": "", "test": ""}, (".", "test") + tuple(signed), bogus)
        os.chmod(self.dir, 0o755)
        self.ca = Authority(self.path("ca"))
        zones = zones(self.ca) if callable(zones) else zones
        self.elsewhere = {n: a for a, names in ((LAME, lame), (FAILING, failing), (SILENT, silent), (SLOW, slow)) for n in names}
        self.zones.update((n, t) for n, t in zones.items() if n not in self.elsewhere)
        self.slow_zones = {n: zones[n] for n in slow}
        self.knot_port, self.unbound_port, self.ttl, self.slow_by = 53, 53, ttl, slow_by
        self.authority, self.resolver = DNS, "127.0.0.1:53"
        self.answerers, self.policies, self.others, self.keys = [], None, [], {}
        self.policy_certificates = {}

    # ---- names

    def names_of_zone(self, name):
        """(its origin, the host that serves it)"""
        return (".", "ns.") if name == "." else (name + ".", "ns.%s." % name)

    def children(self, name):
        return [z for z in list(self.zones) + list(self.elsewhere) if z != name and (name == "." and "." not in z or name != "." and z.partition(".")[2] == name)]

    def delegation(self, child):
        lines = ["%s. NS ns.%s." % (child, child), "ns.%s. A %s" % (child, self.elsewhere.get(child, DNS))]
        if child in self.bogus:
            lines.append("%s. DS 1 13 2 %s" % (child, "00" * 32))
        elif child in self.signed and child in self.keys:
            lines += ["%s. DS %s" % (child, ds_of(child, key)) for key in self.keys[child]]
        return lines

    def write_zone(self, name):
        origin, server = self.names_of_zone(name)
        text = "$ORIGIN %s\n$TTL 60\n@ SOA %s me.test. %d 3600 600 86400 30\n@ NS %s\n%s A %s\n" % (
            origin, server, time.time_ns() // 10**7 % 2**32, server, server, self.elsewhere.get(name, DNS))
        text += "\n".join(l for c in self.children(name) for l in self.delegation(c)) + "\n"
        self.write(self.file_of(name), text + (self.slow_zones[name] if name in self.slow_zones else self.zones[name]))

    @staticmethod
    def file_of(name):
        return ("root" if name == "." else name) + ".zone"

    def knot_conf(self):
        text = super().knot_conf().replace("  file: ..zone", "  file: root.zone")
        return text.replace("  listen: %s@53" % self.address, "  listen: %s@53\n  background-workers: 2\n  udp-workers: 1\n  tcp-workers: 1" % DNS)

    def start_slow(self):
        """What answers behind the delay is a server of its own: the parents' would answer for it at once."""
        os.mkdir(self.path("slow"))
        lines = ["server:", "  listen: %s@53" % SLOW_TRUTH, "  rundir: " + self.path("slow"), "database:", "  storage: " + self.path("slow"), "template:", "- id: default",
                 "  storage: " + self.dir, "zone:"]
        for name in self.slow_zones:
            self.write_zone(name)
            lines += ["- domain: " + name, "  file: " + self.file_of(name)]
        self.spawn_at(SLOW_TRUTH, next(iter(self.slow_zones)), "knotd", "-c", self.write("slow.conf", "\n".join(lines) + "\n"))

    def unbound_conf(self):
        lines = ["server:", "  interface: 127.0.0.1@53", "  directory: " + self.dir, "  chroot: \"\"", "  username: \"\"", "  pidfile: \"\"", "  use-syslog: no",
                 "  logfile: \"\"", "  do-not-query-localhost: no", "  do-daemonize: no", "  num-threads: 1", "  module-config: \"validator iterator\"",
                 "  cache-max-ttl: %d" % self.ttl, "  cache-max-negative-ttl: %d" % self.ttl, "  infra-host-ttl: 1", "  do-ip6: no", "  outgoing-interface: " + SENDER,
                 "  root-hints: \"%s\"" % self.write("hints", ". NS ns.\nns. A %s\n" % DNS),
                 "  trust-anchor: \". DS %s\"" % ds_of(".", self.keys["."][0])]
        lines += ["  local-zone: \"%s\" nodefault" % z for z in NOT_DEFAULT]
        return "\n".join(lines + ["remote-control:", "  control-enable: no"]) + "\n"

    def wait_signed(self, name):
        until = time.monotonic() + 15
        while True:
            answer = ask(DNS, name, 48)
            if answer and keys_of(answer, name):
                self.keys[name] = keys_of(answer, name)
                return
            if time.monotonic() > until:
                raise RuntimeError("%s is not signed" % name)
            time.sleep(0.01)

    def spawn(self, port, *words):
        return self.spawn_at(DNS if words[0] == "knotd" else "127.0.0.1", ".", *words)

    def spawn_at(self, address, name, *words):
        """A server; it is up when it answers for name."""
        p = subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + list(words), cwd=self.dir, stdin=subprocess.DEVNULL,
                             stdout=open(self.path("log"), "ab"), stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(p)
        until = time.monotonic() + 15
        while not ask(address, name, 6, timeout=0.2):
            if p.poll() is not None or time.monotonic() > until:
                with open(self.path("log")) as f:
                    raise RuntimeError("%s does not start: %s" % (words[0], f.read()))
            time.sleep(0.01)
        return p

    def start(self):
        self.answerers = [Answerer(LAME, 5), Answerer(FAILING, 2), Answerer(SILENT), Answerer(SLOW, delay=self.slow_by)]
        for name in self.zones:
            self.write_zone(name)
        self.write("knot.conf", self.knot_conf())
        if self.slow_zones:
            self.start_slow()
        self.knot = self.spawn(53, "knotd", "-c", self.path("knot.conf"))
        for name in self.signed:
            self.wait_signed(name)
        for name in reversed(self.signed):
            if set(self.children(name)) & set(self.signed):
                self.load(name)
        self.write("unbound.conf", self.unbound_conf())
        self.unbound = self.spawn(53, "unbound", "-d", "-c", self.path("unbound.conf"))
        self.trust()
        return self

    def load(self, name):
        self.write_zone(name)
        subprocess.run(["knotc", "-c", self.path("knot.conf"), "-b", "zone-reload", name], check=True, stdout=subprocess.DEVNULL)

    def trust(self):
        """Programs that look for a resolver or for authorities where the system has them find those of this internet."""
        see(self.write("resolv.conf", "nameserver 127.0.0.1\n"), "/etc/resolv.conf")
        see(self.ca.trust_directory(self.path("certs")), "/etc/ssl/certs")
        self.policies = PolicyHost(self.policy_certificate)

    def change(self, name, text):
        """Another text for a zone. What the resolver knew of the old one ends with ttl."""
        self.zones[name] = text
        self.load(name)
        time.sleep(self.ttl)

    # ---- MTA-STS

    def policy_certificate(self, name):
        if name not in self.policy_certificates:
            self.policy_certificates[name] = self.ca.issue(name or "nobody.test")
        return self.policy_certificates[name]

    def policy(self, domain, mode, *mx, max_age=86400, certificate=None):
        """What mta-sts.DOMAIN says from here on. Its zone needs sts_records() besides."""
        lines = ["version: STSv1", "mode: " + mode] + ["mx: " + m for m in mx] + ["max_age: %d" % max_age]
        self.policies.pages[domain] = (200, "text/plain", "\r\n".join(lines) + "\r\n")
        if certificate:
            self.policy_certificates["mta-sts." + domain] = certificate

    @staticmethod
    def sts_records(version="1"):
        return '_mta-sts TXT "v=STSv1; id=%s;"\nmta-sts A %s\n' % (version, HTTPS)

    # ---- its end

    def with_(self, thing):
        """thing is closed with this internet; thing."""
        self.others.append(thing)
        return thing

    def close(self):
        for thing in reversed(self.others):
            thing.close()
        if self.policies:
            self.policies.shutdown()
            self.policies.server_close()
        for a in self.answerers:
            a.close()
        super().close()
