#!/usr/bin/env python3
"""test/interop/with_lmtp.py - LMTP on a unix socket: swaks, Python's client and a real Postfix deliver; each recipient has an outcome of its own."""
import grp
import os
import smtplib
import socket
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import empty, letter, subjects, wait_until
from server import Server
from tap import case, check_equal, check_in


class Lmtp(smtplib.LMTP):
    def replies(self, sender, to, text):
        """Codes of RCPT and, for those that were taken, of the text."""
        self.ehlo_or_helo_if_needed()
        check_equal(self.mail(sender)[0], 250)
        codes = {who: self.rcpt(who)[0] for who in to}
        if 250 not in codes.values():
            self.rset()
            return codes
        self.putcmd("data")
        check_equal(self.getreply()[0], 354)
        self.send(text + b".\r\n")
        for who in to:
            if codes[who] == 250:
                codes[who] = self.getreply()[0]
        return codes


def count(s, who, subject):
    c = s.imap(who)
    n = subjects(c).count(subject)
    c.logout()
    return n


@case("the socket has mode 0660 and its group; it is made anew in place of one that nobody serves")
def _(s):
    st = os.stat(s.lmtp)
    check_equal(stat.S_IMODE(st.st_mode), 0o660)
    assert stat.S_ISSOCK(st.st_mode)
    check_equal(grp.getgrgid(st.st_gid).gr_name, "postfix")
    s.kill_all()
    assert os.path.exists(s.lmtp), "a killed server leaves its file"
    s.start()
    with Lmtp(s.lmtp) as c:
        check_equal(c.noop()[0], 250)
    s.stop()
    assert not os.path.exists(s.lmtp), "a server that ends takes its file away"
    s.start()


@case("a file that is no socket, a missing directory, an unknown group, a path in use: each is told, and the server in use goes on")
def _(s):
    plain = os.path.join(s.dir, "plain")
    open(plain, "w").close()
    held = socket.socket(socket.AF_UNIX)
    held.bind(os.path.join(s.dir, "held"))
    held.listen()
    for path, group, why in ((plain, "postfix", "a file that is no socket is there"), (s.dir + "/none/x", "postfix", "its directory does not exist"),
                             (s.dir + "/x", "no-such-group", "no such group on this system: no-such-group"),
                             (s.dir + "/held", "postfix", "python3 (pid %d) has this path" % os.getpid())):
        kept, s.extra_listeners = s.extra_listeners, ["listen lmtp { path %s; group %s }" % (path, group)]
        s.write_conf()
        at = s.log_size()
        assert not s.reload()
        check_in(why, s.wait_log("cannot bind", at=at))
        s.extra_listeners = kept
        s.write_conf()
    assert os.path.exists(plain) and not os.path.exists(s.dir + "/x")
    held.close()
    with Lmtp(s.lmtp) as c:
        check_equal(c.noop()[0], 250)


@case("swaks delivers over the socket, to one and to several, pipelined too")
def _(s):
    for who in ("alice", "bob"):
        empty(s.imap(who))
    for subject, more in (("swaks one", ["--to", "alice@demo.test"]), ("swaks two", ["--to", "alice@demo.test,bob@demo.test", "--pipeline"])):
        p = subprocess.run(["swaks", "--socket", s.lmtp, "--protocol", "LMTP", "--from", "x@far.test", "--header", "Subject: " + subject] + more,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        check_equal(p.returncode, 0, p.stdout + p.stderr)
    check_equal((count(s, "alice", "swaks one"), count(s, "alice", "swaks two"), count(s, "bob", "swaks two")), (1, 1, 1))
    c = s.imap("bob", select="INBOX")
    header = c.fetch("*", "(BODY.PEEK[HEADER])")[1][0][1]
    check_in(b" with LMTP id ", header)
    check_in(b" (unix socket)", header)
    c.logout()


@case("one recipient over quota, one unknown, the others delivered: each is told his own outcome")
def _(s):
    for who in ("alice", "bob", "small"):
        empty(s.imap(who))
    big = letter("too much for one", "x" * 76 + "\r\n" * 2) + b"y" * 70 + b"\r\n"
    s.run("alias", "add", "both@demo.test", "alice@demo.test", "bob@demo.test")
    with Lmtp(s.lmtp) as c:
        check_equal(c.replies("x@far.test", ["alice@demo.test", "small@demo.test"], letter("fits")), {"alice@demo.test": 250, "small@demo.test": 250})
        got = c.replies("x@far.test", ["alice@demo.test", "small@demo.test", "nobody@demo.test", "bob@demo.test", "both@demo.test"], big)
    check_equal(got, {"alice@demo.test": 250, "small@demo.test": 452, "nobody@demo.test": 550, "bob@demo.test": 250, "both@demo.test": 250})
    check_equal([count(s, who, "too much for one") for who in ("alice", "bob", "small")], [1, 1, 0])
    s.verify()


@case("a Postfix of its own delivers by its lmtp client: the queue drains; the recipient over quota waits, the others do not")
def _(s):
    from with_postfix import Postfix
    for who in ("alice", "bob", "small"):
        empty(s.imap(who))
    with Lmtp(s.lmtp) as c:
        check_equal(c.replies("x@far.test", ["small@demo.test"], letter("fits")), {"small@demo.test": 250})
    p = Postfix(s, "postfix-lmtp", tls="none", more="transport_maps = static:lmtp:unix:%s\nlmtp_destination_recipient_limit = 50\n" % s.lmtp,
                master="lmtp unix - - n - - lmtp\n")
    try:
        for i in range(50):
            p.send(letter("by lmtp %d" % i), ["alice@demo.test", "bob@demo.test"])
        p.drained()
        p.send(letter("partly"), ["alice@demo.test", "small@demo.test", "bob@demo.test"])
        wait_until(lambda: count(s, "bob", "partly") == 1 and count(s, "alice", "partly") == 1)
        wait_until(lambda: "452 4.2.2" in p.log(), what="a temporary refusal for one")
        empty(s.imap("small"))
        p.flush()
        p.drained()
        check_equal(count(s, "small", "partly"), 1)
    finally:
        p.stop()
    c = s.imap("alice")
    check_equal(sorted(x for x in subjects(c) if x != "partly"), sorted("by lmtp %d" % i for i in range(50)))
    check_equal(subjects(c).count("partly"), 1, "copies for who was served at once")
    c.logout()


@case("LMTP on a loopback port; size limits and the letter rate hold there as well")
def _(s):
    with Lmtp(s.host, s.port["lmtp"]) as c:
        check_equal(c.replies("x@far.test", ["alice@demo.test"], letter("by port")), {"alice@demo.test": 250})
        check_equal(c.docmd("MAIL FROM:<x@far.test> SIZE=999999999999")[0], 552)
    s.set("limits", letter_rate=3)
    assert s.reload()
    try:
        def refused():  # roles take a reload up after the master's line
            with Lmtp(s.lmtp) as c:
                c.ehlo()
                return 451 in [c.docmd("MAIL FROM:<x@far.test>")[0] for n in range(5) if c.rset()]
        wait_until(refused, what="a refusal of the fourth letter in a minute")
    finally:
        del s.settings["limits"]
        s.write_conf()
        assert s.reload()


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("swaks", "postfix")
    if os.getuid() != 0:
        tap.skip_all("Postfix starts as root only")
    server = Server(settings={"pools": {"strangers": 1, "users": 1}})
    server.lmtp = os.path.join(server.dir, "lmtp.sock")
    server.extra_listeners = ["listen lmtp { path %s; group postfix }" % server.lmtp]
    with server as s:
        from server import free_base
        s.port["lmtp"] = free_base(1)
        s.extra_listeners.append("listen lmtp { address 127.0.0.1; port %d }" % s.port["lmtp"])
        s.write_conf()
        assert s.reload()
        s.add_account("small")
        s.run("account", "set", "small@demo.test", "quota", "700")
        failures = tap.run(s, on_failure=s.show_log)
    sys.exit(1 if failures else 0)
