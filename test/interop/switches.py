#!/usr/bin/env python3
"""test/interop/switches.py - who gets in where: every protocol, every credential, the switch on and off, by every way of saying it. What a
stranger sees of a refusal is the same to the byte, whatever the reason."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import client_certificate, wait_until
from sasl import Client
from server import Server
from tap import case, check_equal

SERVICES = {"submission": "smtp", "submissions": "smtp", "imap": "imap", "imaps": "imap", "pop3": "pop", "pop3s": "pop"}
PROTOCOLS = ("smtp", "imap", "pop")
HERE, ELSEWHERE = "127.0.0.1", "127.99.0.1"
BY_SECRET = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS")
ALICE, CAROL, NOBODY = "alice@demo.test", "carol@demo.test", "nobody@demo.test"


class World:
    def __init__(self, s):
        self.s = s
        s.add_account("carol", pop=True)
        s.run("account", "set", CAROL, "second-factor", "on")
        code = lambda who, name, *how: s.run("code", "add", who, name, *how).split("\t")[1].strip()
        self.codes = {p: code(ALICE, "only " + p, "--protocols", p) for p in PROTOCOLS}
        self.all = code(ALICE, "everything")
        self.near = code(ALICE, "from here", "--networks", HERE + "/32,2001:db8::/32")
        self.expired = code(ALICE, "expired", "--expires", "1s")
        self.carols = code(CAROL, "phone")
        self.pinned, self.other = client_certificate(s, "pinned"), client_certificate(s, "other")
        s.run("certificate", "pin", ALICE, self.pinned[0], "laptop")
        s.run("certificate", "pin", CAROL, self.pinned[0])

    def credentials(self, protocol):
        """name: (user, secret, source address, whether it opens the protocol when its switch is on)"""
        rows = {
            "the main password": (ALICE, "demo", HERE, True),
            "a wrong password": (ALICE, "wrong", HERE, False),
            "an unknown user": (NOBODY, "demo", HERE, False),
            "a code for all": (ALICE, self.all, HERE, True),
            "an expired code": (ALICE, self.expired, HERE, False),
            "a code, from its network": (ALICE, self.near, HERE, True),
            "a code, from another network": (ALICE, self.near, ELSEWHERE, False),
            "a main password with a second factor": (CAROL, "demo", HERE, False),
            "a code with a second factor": (CAROL, self.carols, HERE, True),
            "another account's code": (CAROL, self.all, HERE, False),
        }
        for p in PROTOCOLS:
            rows["a code for %s" % p] = (ALICE, self.codes[p], HERE, p == protocol)
        return rows


def shape(line):
    """What a client is shown, without its own tag."""
    return re.sub(rb"^\w+ (?=NO|OK|BAD)", b"", line)


def ways(protocol):
    return BY_SECRET + (("USER",) if protocol in ("imap", "pop") else ())


class Matrix:
    def __init__(self, w, service, on):
        self.w, self.service, self.on, self.refusals = w, service, on, {}

    def one(self, what, mechanism, user, secret, source, right, certificate=None):
        with Client(self.w.s, self.service, source=source, certificate=certificate) as c:
            ok, line = c.login(mechanism, user, secret)
        where = "%s, switch %s, %s by %s: %r" % (self.service, "on" if self.on else "off", what, mechanism, line)
        assert ok == (right and self.on), where
        if not ok:
            self.refusals.setdefault(shape(line), []).append(where)

    def run(self):
        protocol = SERVICES[self.service]
        for what, (user, secret, source, right) in self.w.credentials(protocol).items():
            for mechanism in ways(protocol):
                self.one(what, mechanism, user, secret, source, right)
        for what, pair, user, right in (("the pinned certificate", self.w.pinned, ALICE, True), ("a certificate of two", self.w.pinned, "", False),
                                        ("a certificate of nobody", self.w.other, ALICE, False), ("a certificate, unknown user", self.w.pinned, NOBODY, False)):
            self.one(what, "EXTERNAL", user, None, HERE, right, pair)
        assert len(self.refusals) == 1, "\n".join("%r: %s" % (k, v[:3]) for k, v in self.refusals.items())


def switch(w, protocol, on):
    for who in (ALICE, CAROL):
        w.s.run("account", "set", who, protocol, "on" if on else "off")


def matrix(service):
    @case("%s: every credential by every mechanism, switch on and off; one refusal for all reasons" % service)
    def _(w):
        for on in (True, False):
            switch(w, SERVICES[service], on)
            try:
                Matrix(w, service, on).run()
            finally:
                switch(w, SERVICES[service], True)


for _name in SERVICES:
    matrix(_name)


@case("POP is off for an account that nobody has changed; SMTP and IMAP are on")
def _(w):
    w.s.add_account("fresh", pop=False)
    for service, protocol in SERVICES.items():
        with Client(w.s, service) as c:
            check_equal(c.login("PLAIN", "fresh@demo.test", "demo")[0], protocol != "pop", service)


@case("a switch, a deleted code and an unpinned certificate end the sessions that they had opened")
def _(w):
    s = w.s
    number, code = s.run("code", "add", ALICE, "to be deleted").split()
    by_code, by_password, by_cert = Client(s, "imaps"), Client(s, "imaps"), Client(s, "imaps", certificate=w.pinned)
    assert by_code.login("SCRAM-SHA-256", ALICE, code)[0] and by_password.login("PLAIN", ALICE, "demo")[0]
    assert by_cert.login("EXTERNAL", ALICE, None)[0]
    s.run("code", "delete", ALICE, number)
    expect_bye(by_code)
    expect_alive(by_password)
    with Client(s, "imaps") as c:
        assert not c.login("PLAIN", ALICE, code)[0]
    s.run("certificate", "unpin", ALICE, w.pinned[0])
    expect_bye(by_cert)
    with Client(s, "imaps") as again:
        assert again.login("PLAIN", ALICE, "demo")[0]
        s.run("account", "set", ALICE, "imap", "off")
        expect_bye(again)
    s.run("account", "set", ALICE, "imap", "on")
    s.run("certificate", "pin", ALICE, w.pinned[0])


def expect_bye(c):
    """The session ends with its next command, once word of it has come to its process."""
    def ended():
        c.send(b"x NOOP")
        line = c.line()
        while not line.startswith((b"x ", b"* BYE")):
            line = c.line()
        return line.startswith(b"* BYE")
    wait_until(ended, what="the session's end")


def expect_alive(c):
    c.send(b"x NOOP")
    assert c.lines_to(rb"x ")[-1].startswith(b"x OK")


@case("a code's list says when and from where it was used, and never the code")
def _(w):
    with Client(w.s, "imaps") as c:
        assert c.login("SCRAM-SHA-256-PLUS", ALICE, w.all)[0]
    lines = {l.split("\t")[1]: l.split("\t") for l in w.s.run("code", "list", ALICE).splitlines()}
    check_equal(lines["everything"][8], HERE)
    check_equal(lines["only imap"][2], "imap")
    check_equal(lines["from here"][4], "127.0.0.1/32,2001:db8::/32")
    for secret in (w.all, w.near):
        assert secret not in w.s.run("code", "list", ALICE) and secret not in w.s.log_text()


def main():
    s = Server({"limits": {"login_failures": 0, "login_failures_login": 0, "connections_per_address_users": 500, "scram_iterations": 4096},
                "timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}}, listener_options="client_certificate yes")
    with s:
        w = World(s)
        import time
        time.sleep(1.1)  # the code that expires
        failed = tap.run(w)
        s.verify()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
