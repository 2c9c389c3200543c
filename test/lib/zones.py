"""test/lib/zones.py - an authoritative server (knot) and a validating resolver (unbound) on loopback ports of their own.

    with Zones({"demo.test": "@ A 192.0.2.1\n", ...}, signed=("demo.test",), bogus=("bad.test",)) as z:
        z.resolver      # "127.0.0.1:12345", the validating one
        z.authority     # the authoritative one, which sets no AD and answers for its zones alone

A zone's SOA, NS and TTL are made. signed: signed, and the resolver has the zone's anchor. bogus: signed, and the resolver has another's.
"""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from server import free_base

NOT_DEFAULT = ("test.", "10.in-addr.arpa.", "127.in-addr.arpa.", "2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "invalid.")


def is_up(port):
    """Any answer to a question for localhost, which a resolver knows by itself and others refuse."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        try:
            s.sendto(struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + b"\x09localhost\x00\x00\x01\x00\x01", ("127.0.0.1", port))
            return bool(s.recv(512))
        except OSError:
            return False


class Zones:
    def __init__(self, zones, signed=(), bogus=(), address="127.0.0.1"):
        self.zones, self.signed, self.bogus, self.address = dict(zones), tuple(signed), tuple(bogus), address
        self.dir = tempfile.mkdtemp(prefix="zones-")
        os.mkdir(self.path("db"))
        base = free_base(2)
        self.knot_port, self.unbound_port = base, base + 1
        self.authority = "%s:%d" % (address, self.knot_port)
        self.resolver = "%s:%d" % (address, self.unbound_port)
        self.processes = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def write_zone(self, name):
        self.write(name + ".zone", "$ORIGIN %s.\n$TTL 60\n@ SOA ns.%s. me.%s. %d 3600 600 86400 30\n@ NS ns\nns A 127.0.0.1\n%s" % (
            name, name, name, time.time_ns() // 10**7 % 2**32, self.zones[name]))

    def knot_conf(self):
        lines = ["server:", "  listen: %s@%d" % (self.address, self.knot_port), "  rundir: " + self.dir, "log:", "- target: stderr", "  any: warning",
                 "database:", "  storage: " + self.path("db"), "policy:", "- id: p", "  algorithm: ecdsap256sha256", "  single-type-signing: on",
                 "template:", "- id: default", "  storage: " + self.dir, "  zonefile-load: whole", "  zonefile-sync: -1", "  journal-content: none", "zone:"]
        for name in self.zones:
            lines.append("- domain: " + name)
            lines.append("  file: %s.zone" % name)
            if name in self.signed + self.bogus:
                lines += ["  dnssec-signing: on", "  dnssec-policy: p"]
        return "\n".join(lines) + "\n"

    def unbound_conf(self):
        lines = ["server:", "  interface: %s@%d" % (self.address, self.unbound_port), "  directory: " + self.dir, "  chroot: \"\"", "  username: \"\"",
                 "  pidfile: \"\"", "  use-syslog: no", "  logfile: \"\"", "  do-not-query-localhost: no", "  do-daemonize: no", "  num-threads: 1",
                 "  module-config: \"validator iterator\"", "  cache-max-ttl: 1", "  cache-max-negative-ttl: 1", "  infra-host-ttl: 1",
                 "  access-control: 0.0.0.0/0 allow"]
        lines += ["  local-zone: \"%s\" nodefault" % z for z in NOT_DEFAULT]
        for name in self.zones:
            if name in self.signed:
                lines.append("  trust-anchor: \"%s\"" % self.anchor(name))
            elif name in self.bogus:
                lines.append("  trust-anchor: \"%s. DS 1 13 2 %s\"" % (name, "00" * 32))
            else:
                lines.append("  domain-insecure: \"%s\"" % name)
        for name in self.zones:
            lines += ["stub-zone:", "  name: \"%s.\"" % name, "  stub-addr: %s@%d" % (self.address, self.knot_port)]
        lines += ["remote-control:", "  control-enable: no"]
        return "\n".join(lines) + "\n"

    def anchor(self, name):
        out = subprocess.run(["keymgr", "-c", self.path("knot.conf"), name + ".", "ds"], capture_output=True, text=True, check=True).stdout
        return [line for line in out.splitlines() if line.split()[4] == "2"][0]  # with SHA-256

    def spawn(self, port, *words):
        p = subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + list(words), cwd=self.dir, stdin=subprocess.DEVNULL,
                             stdout=open(self.path("log"), "ab"), stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(p)
        until = time.monotonic() + 15
        while not is_up(port):
            if p.poll() is not None or time.monotonic() > until:
                with open(self.path("log")) as f:
                    raise RuntimeError("%s does not start: %s" % (words[0], f.read()))
            time.sleep(0.02)
        return p

    def start(self):
        for name in self.zones:
            self.write_zone(name)
        self.write("knot.conf", self.knot_conf())
        subprocess.run(["knotc", "-c", self.path("knot.conf"), "conf-check"], check=True, stdout=subprocess.DEVNULL)
        self.knot = self.spawn(self.knot_port, "knotd", "-c", self.path("knot.conf"))
        for name in self.signed + self.bogus:
            self.wait_signed(name)
        self.write("unbound.conf", self.unbound_conf())
        self.unbound = self.spawn(self.unbound_port, "unbound", "-d", "-c", self.path("unbound.conf"))
        return self

    def wait_signed(self, name):
        until = time.monotonic() + 15
        while True:
            out = subprocess.run(["keymgr", "-c", self.path("knot.conf"), name + ".", "list"], capture_output=True, text=True).stdout
            if " CSK " in out:
                return
            if time.monotonic() > until:
                raise RuntimeError("%s is not signed: %s" % (name, out))
            time.sleep(0.05)

    def change(self, name, text):
        """Another text for a zone; the resolver begins anew, so it remembers nothing of the old one."""
        self.zones[name] = text
        self.write_zone(name)
        subprocess.run(["knotc", "-c", self.path("knot.conf"), "-b", "zone-reload", name], check=True, stdout=subprocess.DEVNULL)
        self.processes.remove(self.unbound)
        self.end(self.unbound)
        self.unbound = self.spawn(self.unbound_port, "unbound", "-d", "-c", self.path("unbound.conf"))

    @staticmethod
    def end(p):
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def close(self):
        for p in reversed(self.processes):
            self.end(p)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *unused):
        self.close()
