#!/usr/bin/env python3
"""test/interop/with_postfix.py - a real Postfix, private to the test, delivers to port 25: its queue drains, and it understands refusals."""
import os
import shutil
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import empty, letter, subjects, uids, wait_until
from server import Server, free_base
from tap import case, check_equal, check_in

MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/maillog
maillog_file_prefixes = {dir}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.far.test
mydestination =
mynetworks = 127.0.0.0/8
local_transport = error:none here
relayhost = [127.0.0.1]:{port}
alias_maps =
alias_database =
smtp_tls_security_level = {tls}
smtp_tls_CAfile = {ca}
smtp_tls_loglevel = 1
smtp_tls_secure_cert_match = mail.demo.test
minimal_backoff_time = 2s
maximal_backoff_time = 3s
queue_run_delay = 2s
smtp_destination_concurrency_limit = 10
message_size_limit = 0
mailbox_size_limit = 0
smtp_dns_support_level = disabled
smtputf8_enable = no
"""

MASTER = """
127.0.0.1:{inlet} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, s, name, tls="secure", more="", master=""):
        self.dir, self.inlet = os.path.join(s.dir, name), free_base(1)
        for sub in ("", "/queue", "/data", "/etc"):
            os.mkdir(self.dir + sub)
        shutil.chown(self.dir + "/data", "postfix", "postfix")
        words = {"dir": self.dir, "port": s.port["smtp"], "ca": s.ca, "tls": tls, "inlet": self.inlet}
        for file, text in (("main.cf", MAIN + more), ("master.cf", MASTER + master)):
            with open(os.path.join(self.dir, "etc", file), "w") as f:
                f.write(text.format(**words).lstrip())
        subprocess.run(["postfix", "-c", self.dir + "/etc", "check"], check=True, capture_output=True, timeout=60)  # makes the queue's directories
        master = subprocess.run(["postconf", "-d", "-h", "daemon_directory"], check=True, capture_output=True, text=True).stdout.strip() + "/master"
        # In the foreground, and ended with this process, however that ends.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", master, "-c", self.dir + "/etc", "-d"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.answers, 30, "the start of Postfix")

    def answers(self):
        try:
            smtplib.SMTP("127.0.0.1", self.inlet, timeout=10).quit()
            return True
        except OSError:
            assert self.process.poll() is None, "Postfix ended: " + self.log()
            return False

    def send(self, data, to, sender="someone@far.test"):
        with smtplib.SMTP("127.0.0.1", self.inlet, timeout=30) as c:
            check_equal(c.sendmail(sender, to, data), {})

    def queue(self):
        p = subprocess.run(["postqueue", "-c", self.dir + "/etc", "-j"], capture_output=True, text=True, timeout=30)
        return p.stdout.splitlines()

    def flush(self):
        subprocess.run(["postqueue", "-c", self.dir + "/etc", "-f"], check=True, timeout=30)

    def log(self):
        with open(self.dir + "/maillog") as f:
            return f.read()

    def drained(self, seconds=30):
        wait_until(lambda: not self.queue(), seconds, "an empty queue of Postfix")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@case("letters under TLS with a verified certificate: the queue drains, all arrive once")
def _(s):
    empty(s.imap("bob"))
    for i in range(100):
        s.postfix.send(letter("by postfix %d" % i), ["bob@demo.test"])
    s.postfix.drained()
    c = s.imap("bob")
    check_equal(sorted(subjects(c)), sorted("by postfix %d" % i for i in range(100)))
    header = c.fetch("1", "(BODY.PEEK[HEADER])")[1][0][1]
    check_in(b"with ESMTPS id", header)
    c.logout()
    check_in("Verified TLS connection", s.postfix.log())


@case("without TLS, too")
def _(s):
    p = Postfix(s, "postfix-plain", tls="none")
    try:
        p.send(letter("without tls"), ["alice@demo.test", "bob@demo.test"])
        p.drained()
    finally:
        p.stop()
    for who in ("alice", "bob"):
        wait_until(lambda: count(s, who, "without tls") == 1)


def count(s, who, subject):
    c = s.imap(who)
    n = subjects(c).count(subject)
    c.logout()
    return n


@case("large and odd letters: 10 MB, long lines that Postfix folds, 8 bit, dots, a null sender")
def _(s):
    empty(s.imap("bob"))
    s.postfix.send(letter("large", ("x" * 76 + "\r\n") * 130000), ["bob@demo.test"])
    s.postfix.send(letter("long line", "y" * 5000 + "\r\n"), ["bob@demo.test"])
    s.postfix.send(letter("dots", ".\r\n..\r\n.x\r\n"), ["bob@demo.test"])
    s.postfix.send(letter("null sender"), ["bob@demo.test"], sender="")
    s.postfix.send(letter("eight").replace(b"Hello", b"K\xc3\xb6ln"), ["bob@demo.test"])
    s.postfix.drained()
    c = s.imap("bob", timeout=60)
    check_equal(sorted(subjects(c)), ["dots", "eight", "large", "long line", "null sender"])
    for n in uids(c):
        text = c.uid("FETCH", n.decode(), "(BODY.PEEK[])")[1][0][1]
        if b"Subject: large" in text:
            assert text.endswith(("x" * 76 + "\r\n").encode() * 130000)
        if b"Subject: dots" in text:
            assert text.endswith(b"\r\n\r\n.\r\n..\r\n.x\r\n"), text
    c.logout()


@case("one of several recipients is unknown: the others get it, the sender gets a bounce that names him")
def _(s):
    for who in ("alice", "bob"):
        empty(s.imap(who))
    s.postfix.send(letter("partly"), ["bob@demo.test", "nobody@demo.test"], sender="alice@demo.test")
    s.postfix.drained()
    wait_until(lambda: count(s, "bob", "partly") == 1)
    c = s.imap("alice", select="INBOX")
    wait_until(lambda: c.noop() and len(uids(c)) == 1, what="the bounce")
    bounce = c.fetch("1", "(BODY.PEEK[])")[1][0][1]
    check_in(b"Return-Path: <>", bounce)
    check_in(b"nobody@demo.test", bounce)
    check_in(b"5.1.1", bounce)
    check_in(b'"report"', c.fetch("1", "(BODYSTRUCTURE)")[1][0].lower())
    c.logout()


@case("temporary refusals keep letters in Postfix's queue; when they end, all arrive once")
def _(s):
    empty(s.imap("bob"))
    s.set("limits", letter_rate=1)
    assert s.reload()
    for i in range(5):
        s.postfix.send(letter("later %d" % i), ["bob@demo.test"])
    wait_until(lambda: "451 4.7.1" in s.postfix.log(), what="a temporary refusal")
    assert s.postfix.queue()
    del s.settings["limits"]
    s.write_conf()
    assert s.reload()
    s.postfix.flush()
    s.postfix.drained()
    c = s.imap("bob")
    check_equal(sorted(subjects(c)), ["later %d" % i for i in range(5)])
    c.logout()


@case("the server is stopped while Postfix delivers, and started again: all arrive, none twice")
def _(s):
    empty(s.imap("bob"))
    for i in range(200):
        s.postfix.send(letter("across %d" % i), ["bob@demo.test"])
        if i == 100:
            s.stop()
    s.start()
    s.postfix.flush()
    wait_until(lambda: s.postfix.flush() or not s.postfix.queue(), 60, "an empty queue of Postfix")
    c = s.imap("bob")
    got = subjects(c)
    c.logout()
    check_equal(sorted(set(got)), sorted("across %d" % i for i in range(200)))
    check_equal(len(got), 200, "copies")
    s.verify()


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("postfix")
    if os.getuid() != 0:
        tap.skip_all("Postfix starts as root only")
    with Server() as server:
        server.postfix = Postfix(server, "postfix")
        try:
            failed = tap.run(server, on_failure=server.show_log)
        finally:
            server.postfix.stop()
    sys.exit(failed > 0)
