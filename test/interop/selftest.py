#!/usr/bin/env python3
"""test/interop/selftest.py - `sallyport test`: what it says of a server that is well, and of doors that are not."""
import json
import os
import shutil
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import empty, subjects
from server import SERVICES, Server, free_base, make_certificate
from tap import case, check_equal, check_in


def selftest(s, *words):
    status, out, err = s.run("test", *words, check=False)
    return status, [line.split("\t") for line in out.splitlines()], err


def levels(lines):
    return {level: [l for l in lines if l[0] == level] for level in ("ok", "warning", "error")}


def of(lines, service):
    return [l for l in lines if l[1].split()[0] == service]


def conf_with(s, extra):
    """A configuration that the server has not read, at another path."""
    path = os.path.join(s.dir, "other.conf")
    with open(path, "w") as f:
        f.write(s.conf_text() + extra)
    return path


def other(s, extra, *words):
    was, s.conf = s.conf, conf_with(s, extra)
    try:
        return selftest(s, *words)
    finally:
        s.conf = was


def check_clean(s, who="alice"):
    check_equal(s.run("code", "list", "%s@demo.test" % who), "")
    c = s.imap(who)
    for mailbox in ("INBOX", "Sent"):
        assert not [x for x in subjects(c, mailbox) if "tries its door" in x], mailbox
    c.logout()


@case("every door of a server that is well: all steps, with times; no letter and no code is left")
def _(s):
    s.run("account", "set", "alice@demo.test", "pop", "on")
    status, lines, err = selftest(s, "alice@demo.test")
    check_equal((status, err), (0, ""))
    found = levels(lines)
    check_equal((found["warning"], found["error"]), ([], []))
    for service in SERVICES + ("pop2", "lmtp"):
        steps = " ".join(l[2] for l in of(lines, service))
        for step in ["connection: ", "greeting: "] + (["tls: "] if service not in ("pop2", "lmtp") else []) + (["login: "] if service not in ("smtp", "lmtp") else []):
            check_in(step, steps, service)
        check_in("letter sent: " if service in ("smtp", "submission", "submissions", "lmtp") else " found: ", steps, service)
    check_equal(len([l for l in of(lines, "imaps") if " found: " in l[2]]), 4)
    assert all(l[2].endswith(" ms") for l in lines), lines
    check_clean(s)


@case("without an address the first account is taken; copies under Sent are removed, too; --json says the same")
def _(s):
    s.run("account", "set", "alice@demo.test", "sent-copy", "on")
    status, out, _err = s.run("test", "--json", check=False)
    check_equal(status, 0)
    found = json.loads(out)
    check_equal({f["level"] for f in found}, {"ok"})
    check_in("submissions 127.0.0.1:%d" % s.port["submissions"], {f["check"] for f in found})
    check_clean(s)
    s.run("account", "set", "alice@demo.test", "sent-copy", "off")


@case("a protocol that the account may not use is left out with the way to switch it on")
def _(s):
    s.run("account", "set", "bob@demo.test", "pop", "off")
    s.run("account", "set", "bob@demo.test", "smtp", "off")
    status, lines, _err = selftest(s, "bob@demo.test")
    check_equal(status, 0)
    for service in ("pop3", "pop3s", "pop2", "submission", "submissions"):
        got = of(lines, service)
        check_equal([l[0] for l in got], ["warning"])
        check_in("sallyport account set bob@demo.test %s on" % ("smtp" if service[0] == "s" else "pop"), got[0][3])
    check_equal(len(of(lines, "imap")) > 3, True)
    check_clean(s, "bob")
    s.run("account", "set", "bob@demo.test", "smtp", "on")


@case("with IMAP switched off, the letters that cannot be removed are told")
def _(s):
    s.add_account("carol")
    s.run("account", "set", "carol@demo.test", "imap", "off")
    status, lines, _err = selftest(s, "carol@demo.test")
    check_equal(status, 0)
    check_in("letters that stay with carol@demo.test: 4", [l for l in lines if l[1] == "cleaning"][0][2])


@case("a door that nothing listens at: which, why, the way out; the others are tried all the same")
def _(s):
    port = free_base(1)
    status, lines, _err = other(s, "listen imap { address 127.0.0.1; port %d; auth_without_tls yes }\n" % port, "alice@demo.test")
    check_equal(status, 1)
    errors = levels(lines)["error"]
    check_equal(len(errors), 1)
    check_equal(errors[0][1], "imap 127.0.0.1:%d" % port)
    check_in("nothing listens there", errors[0][2])
    check_in("is the server running", errors[0][3])
    check_in("letters removed", " ".join(l[2] for l in lines))
    check_clean(s)


@case("a certificate file that the server does not show yet")
def _(s):
    keep = os.path.join(s.dir, "keep")
    os.makedirs(keep)
    for name in ("cert.pem", "key.pem", "ca.pem"):
        shutil.copy(os.path.join(s.dir, name), keep)
    make_certificate(s.dir)
    status, lines, _err = selftest(s, "alice@demo.test")
    for name in ("cert.pem", "key.pem", "ca.pem"):
        shutil.copy(os.path.join(keep, name), s.dir)
    check_equal(status, 1)
    for service in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"):
        got = levels(of(lines, service))["error"]
        check_equal(len(got), 1, service)
        check_in("another certificate than the one expected", got[0][2])
        check_in("reload", got[0][3])
    check_in("letters that stay with alice@demo.test: 1", [l for l in lines if l[1] == "cleaning"][0][2])  # LMTP's, which needs no certificate
    c = s.imap("alice")
    empty(c)
    c.logout()


class Stranger(threading.Thread):
    """Another program where a door should be; says words and nothing more."""

    def __init__(self, words):
        super().__init__(daemon=True)
        self.words = words
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.held = []
        self.start()

    def run(self):
        while True:
            try:
                c = self.sock.accept()[0]
            except OSError:
                return
            self.held.append(c)
            c.sendall(self.words)
            if self.words.endswith(b"bye\r\n"):
                c.close()


@case("other programs at a door's place: silent, speaking nonsense, hanging up, refusing, never ending")
def _(s):
    for service, words, why in (("smtp", b"", "no answer in time"), ("smtp", b"SSH-2.0-x\r\n", "SSH-2.0-x"), ("smtp", b"220 x\r\nbye\r\n", "EHLO was answered: bye"),
                                ("smtp", b"554 not you\r\n", "554 not you"), ("smtp", b"220-x\r\n" * 300, "a reply without an end"),
                                ("imaps", b"* OK plain\r\n", "TLS: "), ("imap", b"+OK pop\r\n", "+OK pop"), ("pop3", b"-ERR no\r\n", "-ERR no")):
        stranger = Stranger(words)
        plain = "" if service in ("smtp", "imaps") else "; auth_without_tls yes"
        status, lines, _err = other(s, "listen %s { address 127.0.0.1; port %d%s }\n" % (service, stranger.port, plain), "alice@demo.test", "--timeout", "1")
        stranger.sock.close()
        check_equal(status, 1)
        errors = levels(lines)["error"]
        check_equal([e[1] for e in errors], ["%s 127.0.0.1:%d" % (service, stranger.port)], words)
        check_in(why, errors[0][2])
    check_clean(s)


@case("a door for others' networks alone is left out, and said so")
def _(s):
    status, lines, _err = other(s, "listen imap { address 127.0.0.1; port %d; networks 192.0.2.0/24; auth_without_tls yes }\n"
                                   "listen smtp { address 127.0.0.1; port %d; proxy_protocol yes; proxy_networks 192.0.2.1 }\n" % (free_base(1), free_base(1)))
    check_equal(status, 0)
    warnings = levels(lines)["warning"]
    check_in("lets in its networks alone", " ".join(w[2] for w in warnings))
    check_in("lets in its proxies alone", " ".join(w[2] for w in warnings))


@case("an unknown account, a bad word and a server that is not there are told")
def _(s):
    status, _lines, err = selftest(s, "nobody@demo.test")
    check_equal(status, 1)
    check_in("nobody@demo.test: there is none of this name", err)
    for words in (("--timeout", "0"), ("--timeout", "601"), ("--bogus",), ("a@b.test", "c@d.test")):
        check_equal(selftest(s, *words)[0], 2)
    s.stop()
    status, _lines, err = selftest(s)
    check_equal(status, 1)
    check_in("no server answers", err)
    s.start()


if __name__ == "__main__":
    server = Server(accounts=("alice", "bob"))
    server.port["pop2"] = free_base(1)
    server.extra_listeners.append("listen pop2 { address 127.0.0.1; port %d; networks 127.0.0.0/8; auth_without_tls yes }" % server.port["pop2"])
    server.extra_listeners.append("listen lmtp { path %s/lmtp.sock }" % server.dir)
    server.write_conf()
    with server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
