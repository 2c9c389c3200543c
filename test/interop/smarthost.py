#!/usr/bin/env python3
"""test/interop/smarthost.py - the running server with a smart host that wants a login: passwords from their files, over reloads and deaths of
relay; a letter under way while post dies is sent once."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from remote import Remote
from server import Server, ServerError
from tap import case, check_equal, check_in

PASSWORD = "first word"


class Site:
    def __init__(self, server, hop):
        self.s, self.hop = server, hop
        self.file = os.path.join(server.dir, "password")

    def write(self, password):
        with open(self.file, "w") as f:
            f.write(password + "\nanother line\n")
        os.chmod(self.file, 0o600)

    def send(self, subject):
        with self.s.smtp("submission", login="alice") as c:
            c.sendmail("alice@demo.test", ["bob@far.test"], "From: alice@demo.test\r\nSubject: %s\r\n\r\nhello\r\n" % subject)

    def queue(self):
        return [json.loads(l) for l in self.s.run("queue", "list", "--json", check=False)[1].splitlines()]

    def wait_empty(self, seconds=20):
        until = time.monotonic() + seconds
        while self.queue():
            assert time.monotonic() < until, self.queue()
            time.sleep(0.05)

    def wait_deferred(self):
        until = time.monotonic() + 20
        while not [e for e in self.queue() if e["recipients"][0]["code"]]:
            assert time.monotonic() < until, self.queue()
            time.sleep(0.05)
        return self.queue()[0]["recipients"][0]


@case("a letter goes to the smart host, logged in with the first line of the file; a second one over the same connection")
def _(x):
    x.send("one")
    check_equal(x.hop.wait_for("one").session.login, "me")
    x.send("two")
    check_equal(x.hop.wait_for("two").session.number, 0)
    x.wait_empty()


@case("relay is killed: its next life knows the password")
def _(x):
    os.kill(x.s.pids("relay")[0], signal.SIGKILL)
    x.send("after death")
    check_equal(x.hop.wait_for("after death", 40).session.login, "me")
    x.wait_empty()


@case("another password is used after a reload, over a new connection; a file that is not there, or is empty, refuses the reload by name")
def _(x):
    x.hop.users["me"] = "second word"
    x.write("second word")
    assert x.s.reload()
    n = len(x.hop.sessions)
    x.send("three")
    assert x.hop.wait_for("three").session.number >= n
    os.rename(x.file, x.file + ".away")
    for make in (lambda: None, lambda: x.write("")):
        make()
        at = x.s.log_size()
        assert not x.s.reload()
        check_in(x.file, x.s.log_text(at))
    os.rename(x.file + ".away", x.file)
    x.send("four")
    x.hop.wait_for("four")
    x.wait_empty()


@case("a wrong password: the letter waits with the reply, and leaves when it was put right")
def _(x):
    x.write("wrong")
    assert x.s.reload()
    x.send("five")
    rcpt = x.wait_deferred()
    check_equal((rcpt["state"], rcpt["code"]), ("waiting", 535))
    x.write("second word")
    assert x.s.reload()
    x.s.run("queue", "retry", "--all")
    x.hop.wait_for("five")
    x.wait_empty()


@case("post dies while the smart host thinks about a letter: relay keeps what it said, and the letter was sent once")
def _(x):
    x.hop.script["dot"] = ["stall 2|accept|250 2.0.0 taken"]
    x.send("slow")
    until = time.monotonic() + 20
    while x.hop.script["dot"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(x.s.pids("post")[0], signal.SIGKILL)
    x.hop.wait_for("slow")
    x.wait_empty()
    check_equal(len(x.hop.find("slow")), 1)
    attempts = [json.loads(l) for l in x.s.run("queue", "history", "--json").splitlines()]
    check_in("taken", json.dumps(max(attempts, key=lambda e: e["id"])))


@case("the server stops with connections kept, and starts not without the password")
def _(x):
    x.send("last")
    x.hop.wait_for("last")
    check_equal(x.s.stop()[0], 0)
    os.unlink(x.file)
    at = x.s.log_size()
    try:
        x.s.start()
    except ServerError:
        pass
    else:
        raise AssertionError("it started without the password")
    check_in(x.file, x.s.log_text(at))


def main():
    with Remote("127.0.0.1", 0, users={"me": PASSWORD}, need_login=True) as hop:
        server = Server(settings={"queue": {"retry_first": "1h", "retry_max": "1h"}, "dns": {"resolver": "127.0.0.1:9"}})
        site = Site(server, hop)
        site.write(PASSWORD)
        server.extra_listeners = ['route "*" { next_hop [127.0.0.1]:%d; login me; password_file %s }' % (hop.port, site.file)]
        server.write_conf()
        with server as s:
            return tap.run(site, on_failure=s.show_log)


sys.exit(1 if main() else 0)
