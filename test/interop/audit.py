#!/usr/bin/env python3
"""test/interop/audit.py - the audit log: logins and commands are recorded, the chain shows what was changed, an account sees its own."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from server import Server, ServerError
from tap import case, check_equal, check_in


def entries(s, *address):
    """[(seq, time, kind, who, service, ip, text)]"""
    return [tuple(line.split("\t")) for line in s.run("audit", "list", *address).splitlines()]


def last(s, kind, *address):
    found = [e for e in entries(s, *address) if e[2] == kind]
    return found[-1] if found else None


def wait_for(s, kind, who, seconds=10):
    """Logins are recorded beside the login, not before it."""
    end = time.monotonic() + seconds
    while True:
        e = last(s, kind)
        if e and e[3] == who:
            return e
        assert time.monotonic() < end, (kind, who, entries(s)[-5:])
        time.sleep(0.05)


def verify(s):
    m = re.fullmatch(r"checked\t(\d+)\tlast\t(\d+)\thash\t([0-9a-f]{64})\n", s.run("audit", "verify"))
    return int(m.group(1)), int(m.group(2)), m.group(3)


@case("what made the server's accounts is there, in order, without gaps")
def _(s):
    e = entries(s)
    check_equal([int(x[0]) for x in e], list(range(1, len(e) + 1)))
    check_equal([x[6] for x in e if " set " not in x[6]][:4], ["the store was opened", "domain add demo.test", "account add alice@demo.test",
                                                            "account add bob@demo.test"])
    check_equal(e[1][2:4], ("command", "uid %d" % os.getuid()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", e[0][1]), e[0]


@case("logins and refused logins, with address and service")
def _(s):
    s.imap("alice", "imaps").logout()
    e = wait_for(s, "login", "alice@demo.test")
    check_equal(e[4:6], ("imaps", "127.0.0.1"))
    try:
        s.imap(None, "imap").login("nobody@demo.test", "wrong")
    except Exception:
        pass
    e = wait_for(s, "login-refused", "nobody@demo.test")
    check_equal(e[4:6], ("imap", "127.0.0.1"))


@case("what a stranger sends as a name cannot make a line of its own")
def _(s):
    c = s.imap(None, "imap")
    c.literal = None
    c.send(b'x LOGIN {21}\r\n')
    c.readline()
    c.send(b"a\tlogin\tfake\x1b[31m\\ok@x\"" [:21] + b" wrong\r\n")
    c.readline()
    c.shutdown()
    end = time.monotonic() + 10
    while not any("x1b[31m" in e[3] for e in entries(s)):
        assert time.monotonic() < end, entries(s)[-3:]
        time.sleep(0.05)
    for line in s.run("audit", "list").splitlines():
        check_equal(line.count("\t"), 6, line)
        assert "\x1b" not in line, line


@case("a command that failed is recorded twice: what was asked, and that it failed")
def _(s):
    status, _out, _err = s.run("account", "add", "alice@demo.test", stdin="x\n", check=False)
    check_equal(status, 1)
    check_equal(last(s, "command")[6], "account add alice@demo.test")
    check_in("account add alice@demo.test: ", last(s, "command-failed")[6])


@case("an account's own list has its logins and the commands about it, and no others")
def _(s):
    s.run("passwd", "bob@demo.test", stdin="other\n")
    s.run("passwd", "bob@demo.test", stdin="demo\n")
    mine = entries(s, "bob@demo.test")
    check_equal([e[6] for e in mine if e[2] == "command"][-2:], ["passwd bob@demo.test"] * 2)
    assert all("alice" not in "".join(e) for e in mine), mine
    status, _out, err = s.run("audit", "list", "carol@demo.test", check=False)
    check_equal(status, 1)
    check_in("carol@demo.test", err)


@case("an account's owner sees who tried its name; settings and codes are told without secrets")
def _(s):
    try:
        s.imap(None, "imap").login("bob@demo.test", "wrong")
    except Exception:
        pass
    end = time.monotonic() + 10
    while not last(s, "login-refused", "bob@demo.test"):
        assert time.monotonic() < end
        time.sleep(0.05)
    code = s.run("code", "add", "bob@demo.test", "phone")
    s.run("account", "set", "bob@demo.test", "sent-copy", "on")
    told = [e[6] for e in entries(s, "bob@demo.test") if e[2] == "command"]
    check_in("code add bob@demo.test phone", told)
    assert any(t.startswith("account set bob@demo.test flags on ") for t in told), told
    secret = max(code.split(), key=len)
    assert len(secret) >= 20 and secret not in s.run("audit", "list"), "the code itself is in the log"


@case("the chain verifies, also after kill -9 and a restart, and goes on")
def _(s):
    n, seq, digest = verify(s)
    check_equal(n, seq)
    s.kill_all()
    s.start()
    n2, seq2, digest2 = verify(s)
    assert n2 > n and seq2 > seq and digest2 != digest, (n2, n)
    check_in((str(seq2), "start"), [(e[0], e[2]) for e in entries(s)])


@case("each act of a command is on disk before it is done: none is missing after kill -9")
def _(s):
    done = 0
    for i in range(20):
        s.run("alias", "add", "a%d@demo.test" % i, "alice@demo.test")
        done += 1
    s.kill_all()
    s.start()
    told = [e[6] for e in entries(s) if e[2] == "command"]
    for i in range(done):
        check_in("alias add a%d@demo.test" % i, told)


@case("a ban is recorded, and who lifted it")
def _(s):
    s.set("limits", login_failures=3)
    assert s.reload()
    end = time.monotonic() + 30
    while not any(e[2] == "ban" for e in entries(s)):
        assert time.monotonic() < end, entries(s)[-5:]
        try:
            c = s.imap(None, "imap")
            c.login("nobody@demo.test", "wrong")
        except Exception:
            pass
    check_in("127.0.0.1", last(s, "ban")[6])
    s.set("limits", login_failures=0)
    assert s.reload()
    what = s.run("ban", "list").split()[0]
    s.run("ban", "remove", what)
    check_in("ban remove " + what, last(s, "command")[6])


@case("a thousand records are listed and verified over several pages")
def _(s):
    for i in range(300):
        s.run("alias", "delete", "none%d@demo.test" % i, check=False)
    n, _seq, _digest = verify(s)
    assert n > 600, n
    check_equal(len(entries(s)), n)


def main():
    with Server(settings={"limits": {"login_failures": 0}}) as s:
        return tap.run(s, on_failure=s.show_log)


sys.exit(1 if main() else 0)
