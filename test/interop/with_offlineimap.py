#!/usr/bin/env python3
"""test/interop/with_offlineimap.py - OfflineIMAP keeps a Maildir and an account the same, over implicit TLS and STARTTLS."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, expect, letter
from server import Server
from tap import case, check_equal, check_in

CONFIG = """
[general]
accounts = demo
metadata = {dir}/metadata
ui = basic
socktimeout = 30
[Account demo]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {dir}/mail
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {account}@demo.test
remotepass = demo
ssl = {ssl}
starttls = {starttls}
sslcacertfile = {ca}
auth_mechanisms = PLAIN, LOGIN
"""


# Its IMAP library reads and writes one TLS connection in two threads at once, without a lock. Under TLS 1.3 the server's tickets come behind the
# handshake, and after STARTTLS the first command was now and then sent as zeroes (seen by strace of the server). With 1.2 there is nothing to read then.
TLS_1_2 = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MaxProtocol = TLSv1.2
"""


class Mirror:
    def __init__(self, s, account, tls, name):
        self.s, self.account, self.dir = s, account, os.path.join(s.dir, name)
        os.makedirs(self.dir)
        self.conf = os.path.join(self.dir, "rc")
        self.env = {}
        if tls != "imaps":
            self.env["OPENSSL_CONF"] = os.path.join(self.dir, "openssl.cnf")
            with open(self.env["OPENSSL_CONF"], "w") as f:
                f.write(TLS_1_2)
        with open(self.conf, "w") as f:
            f.write(CONFIG.format(dir=self.dir, port=s.port["imaps" if tls == "imaps" else "imap"], account=account, ca=s.ca,
                                  ssl="yes" if tls == "imaps" else "no", starttls="no" if tls == "imaps" else "yes"))

    def sync(self):
        p = subprocess.run(["offlineimap", "-o", "-c", self.conf], capture_output=True, text=True, timeout=110,
                           env=dict(os.environ, HOME=self.dir, **self.env))
        check_equal(p.returncode, 0, "offlineimap: %s%s" % (p.stdout, p.stderr))
        assert "ERROR" not in p.stdout + p.stderr, p.stdout + p.stderr

    def files(self, folder):
        """{subject: (flags, path)} here."""
        found = {}
        for sub in ("new", "cur"):
            d = os.path.join(self.dir, "mail", folder, sub)
            for f in os.listdir(d) if os.path.isdir(d) else ():
                with open(os.path.join(d, f), "rb") as file:
                    subject = [l for l in file.read().split(b"\n") if l.lower().startswith(b"subject:")][0]
                found[subject[8:].strip().decode()] = ("".join(sorted(f.partition(":2,")[2])), os.path.join(d, f))
        return found

    def add(self, folder, subject, flags=""):
        d = os.path.join(self.dir, "mail", folder)
        for sub in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(d, sub), exist_ok=True)
        with open(os.path.join(d, "cur", "1700000000_0.1.host:2," + flags), "wb") as f:
            f.write(letter(subject).replace(b"\r\n", b"\n"))

    def there(self, mailbox):
        """{subject: flags} on the server."""
        c = self.s.imap(self.account, select='"%s"' % mailbox)
        answer = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        found = {part[1].decode().strip()[8:].strip(): {x for x in part[0].decode().split("FLAGS (")[1].split(")")[0].split() if x != "\\Recent"}
                 for part in answer if isinstance(part, tuple)}
        c.logout()
        return found


def walk(s, account, tls):
    m = Mirror(s, account, tls, "mirror-" + tls)
    for i in range(8):
        expect(deliver(s, account, letter("arrived %d" % i)), 250)
    c = s.imap(account)
    for name in ("work/deep", "Entw&APw-rfe"):
        check_equal(c.create('"%s"' % name)[0], "OK")
    c.append("work/deep", "(\\Seen \\Flagged)", None, letter("flagged"))
    c.logout()
    m.sync()
    check_equal(len(m.files("INBOX")), 8)
    check_equal(m.files("work/deep")["flagged"][0], "FS")
    # Changes on both sides meet.
    m.add("INBOX", "made here", "S")
    m.add("made-here", "first of it", "F")
    os.remove(m.files("INBOX")["arrived 2"][1])
    path = m.files("INBOX")["arrived 3"][1]
    os.rename(path, os.path.join(os.path.dirname(os.path.dirname(path)), "cur", os.path.basename(path).partition(":2,")[0] + ":2,RS"))
    c = s.imap(account, select="INBOX")
    c.store("1", "+FLAGS.SILENT", "(\\Flagged)")
    c.store("8", "+FLAGS.SILENT", "(\\Deleted)")
    c.expunge()
    c.append("INBOX", None, None, letter("made there"))
    c.logout()
    m.sync()
    m.sync()
    here, there = m.files("INBOX"), m.there("INBOX")
    check_equal(sorted(here), sorted(there))
    check_equal(sorted(here), ["arrived %d" % i for i in (0, 1, 3, 4, 5, 6)] + ["made here", "made there"])
    check_equal(there["arrived 3"], {"\\Seen", "\\Answered"})
    check_equal(there["made here"], {"\\Seen"})
    check_in("F", here["arrived 0"][0])
    check_equal(m.there("made-here"), {"first of it": {"\\Flagged"}})


@case("over STARTTLS: a Maildir and an account become the same, and changes of both meet")
def _(s):
    walk(s, "alice", "starttls")


@case("over implicit TLS: the same")
def _(s):
    walk(s, "bob", "imaps")


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs("offlineimap")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
