#!/usr/bin/env python3
"""test/interop/with_mbsync.py - mbsync (isync) keeps a local Maildir and an account the same, over IMAP."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, expect, letter
from server import Server
from tap import case, check_equal, check_in

CONFIG = """
IMAPAccount demo
Host localhost
Port {port}
User alice@demo.test
Pass demo
SSLType {tls}
CertificateFile {ca}
AuthMechs {mech}

IMAPStore far
Account demo

MaildirStore near
Path {box}/
Inbox {box}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
"""


class Mirror:
    def __init__(self, s, name, tls="STARTTLS", mech="PLAIN"):
        self.s, self.box, self.conf = s, os.path.join(s.dir, name), os.path.join(s.dir, name + ".mbsyncrc")
        os.mkdir(self.box)
        port = s.port["imaps" if tls == "IMAPS" else "imap"]
        with open(self.conf, "w") as f:
            f.write(CONFIG.format(port=port, tls=tls, ca=s.ca, box=self.box, mech=mech))

    def sync(self):
        p = subprocess.run(["mbsync", "-c", self.conf, "-a"], capture_output=True, text=True, timeout=60)
        check_equal(p.returncode, 0, "mbsync: %s%s" % (p.stdout, p.stderr))
        return p.stdout + p.stderr

    def folder(self, name):
        return os.path.join(self.box, name)

    def files(self, name):
        """{first line of the subject: (flags, bytes)} of a local folder."""
        found = {}
        for sub in ("new", "cur"):
            d = os.path.join(self.folder(name), sub)
            for f in os.listdir(d) if os.path.isdir(d) else ():
                with open(os.path.join(d, f), "rb") as file:
                    data = file.read()
                subject = [l for l in data.split(b"\n") if l.lower().startswith(b"subject:")]
                found[subject[0][8:].strip().decode() if subject else f] = ("".join(sorted(f.partition(":2,")[2])), data, os.path.join(d, f))
        return found

    def names(self):
        return sorted(n for n in os.listdir(self.box) if os.path.isdir(self.folder(n)))

    def picture(self):
        """Everything on both sides, to be compared."""
        local = {n: sorted((k, v[0], v[1], os.path.basename(v[2])) for k, v in self.files(n).items()) for n in self.names()}
        return local, far(self.s)

    def add(self, name, subject, flags=""):
        for sub in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(self.folder(name), sub), exist_ok=True)
        path = os.path.join(self.folder(name), "cur", "1700000000.%s.host:2,%s" % (subject.replace(" ", "-"), flags))
        with open(path, "wb") as f:
            f.write(letter(subject).replace(b"\r\n", b"\n"))

    def set_flags(self, name, subject, flags):
        path = self.files(name)[subject][2]
        os.rename(path, os.path.join(self.folder(name), "cur", os.path.basename(path).partition(":2,")[0] + ":2," + flags))


def far(s):
    """{mailbox: [(uid, flags, size)]} of the account."""
    c = s.imap()
    found = {}
    for line in c.list()[1]:
        name = line.decode().split(' "/" ')[1].strip('"')
        n = int(c.select('"%s"' % name, readonly=True)[1][0])
        found[name] = sorted(x.decode().split("(", 1)[1].replace("\\Recent", "").replace(" )", ")").replace("( ", "(")
                             for x in c.fetch("1:*", "(UID FLAGS RFC822.SIZE)")[1]) if n else []
    c.logout()
    return found


def by_subject(s, mailbox):
    """{subject: flags} of a mailbox there."""
    c = s.imap()
    c.select('"%s"' % mailbox, readonly=True)
    found = {}
    answer = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    for part in answer:
        if isinstance(part, tuple):
            flags = part[0].decode().split("FLAGS (")[1].split(")")[0].split()
            found[part[1].decode().strip()[8:].strip()] = {f for f in flags if f != "\\Recent"}
    c.logout()
    return found


@case("the first sync brings everything of the account; the second changes nothing on either side")
def _(s):
    s.mirror = Mirror(s, "mirror")
    for i in range(20):
        expect(deliver(s, "alice", letter("arrived %d" % i)), 250)
    c = s.imap()
    c.create("work")
    c.create("work/deep")
    c.append("work", "(\\Seen \\Flagged)", None, letter("flagged"))
    c.append("work/deep", "(\\Answered \\Draft)", None, letter("answered"))
    c.logout()
    s.mirror.sync()
    check_equal(len(s.mirror.files("INBOX")), 20)
    check_equal(s.mirror.files("work")["flagged"][0], "FS")
    check_equal(s.mirror.files("work/deep")["answered"][0], "DR")
    assert strip(s.mirror.files("INBOX"))["arrived 3"][1].replace(b"\n", b"\r\n").endswith(letter("arrived 3"))
    before = s.mirror.picture()
    s.mirror.sync()
    check_equal(s.mirror.picture(), before)
    for name in ("Drafts", "Sent", "Junk", "Trash", "Archive"):
        check_in(name, s.mirror.names())


@case("changes on both sides meet: new, flags, deletions, a folder made there and one made here")
def _(s):
    m = s.mirror
    m.add("INBOX", "made here", "S")
    m.add("local-folder", "first of it", "F")
    m.set_flags("INBOX", "arrived 1", "FS")
    os.remove(m.files("INBOX")["arrived 2"][2])
    m.set_flags("INBOX", "arrived 5", "T")
    c = s.imap(select="INBOX")
    c.store("11", "+FLAGS.SILENT", "(\\Answered keyword1 $Forwarded)")
    c.store("12", "+FLAGS.SILENT", "(\\Deleted)")
    c.expunge()
    c.append("INBOX", "(\\Flagged)", None, letter("made there"))
    c.create("far-folder")
    c.append("far-folder", None, None, letter("first there"))
    c.logout()
    m.sync()
    here, there = m.files("INBOX"), by_subject(s, "INBOX")
    check_equal(sorted(here), sorted(there))
    for gone in ("arrived 2", "arrived 5", "arrived 11"):
        assert gone not in here, gone
    check_equal(there["made here"], {"\\Seen"})
    check_equal(here["made there"][0], "F")
    check_equal(there["arrived 1"], {"\\Flagged", "\\Seen"})
    check_in("R", here["arrived 10"][0])
    assert {"\\Answered", "keyword1"} <= there["arrived 10"], there["arrived 10"]
    check_equal(by_subject(s, "local-folder"), {"first of it": {"\\Flagged"}})
    check_in("first there", m.files("far-folder"))
    before = m.picture()
    m.sync()
    check_equal(m.picture(), before)


@case("a folder renamed there is renamed here, with its letters")
def _(s):
    m = s.mirror
    c = s.imap()
    check_equal(c.rename("far-folder", "renamed")[0], "OK")
    c.logout()
    m.sync()
    check_in("renamed", m.names())
    check_in("first there", m.files("renamed"))
    assert "far-folder" not in far(s), "it came back"
    shutil.rmtree(m.folder("far-folder"))  # mbsync itself keeps a folder that is gone there and not empty here
    before = m.picture()
    m.sync()
    check_equal(m.picture(), before)


@case("a second Maildir, by implicit TLS and LOGIN, ends up like the first; a lost state is no loss of mail")
def _(s):
    other = Mirror(s, "other", tls="IMAPS", mech="LOGIN")
    other.sync()
    for name in s.mirror.names():
        check_equal({k: v[:2] for k, v in strip(other.files(name)).items()}, {k: v[:2] for k, v in strip(s.mirror.files(name)).items()}, name)
    n = len(by_subject(s, "INBOX"))
    shutil.rmtree(other.box)
    os.mkdir(other.box)
    other.sync()
    check_equal(len(by_subject(s, "INBOX")), n)


@case("with no mechanism named it logs in by what it thinks best, over STARTTLS and implicit TLS")
def _(s):
    for tls in ("STARTTLS", "IMAPS"):
        at = s.log_size()
        Mirror(s, "any-" + tls, tls=tls, mech="*").sync()
        found = re.findall(r" (login\S*) .* how=(\S+)", s.log_text(at))
        check_equal([f for f in found if f[0] != "login"], [], "refusals on the way")
        assert found, tls


def strip(files):
    """Without the line that mbsync adds to letters it copies."""
    return {k: (v[0], b"\n".join(l for l in v[1].split(b"\n") if not l.startswith(b"X-TUID"))) for k, v in files.items()}


@case("a thousand letters made here go there, and back to another Maildir")
def _(s):
    m = s.mirror
    for i in range(1000):
        m.add("bulk", "bulk %d" % i, "S" if i % 3 else "")
    m.sync()
    there = by_subject(s, "bulk")
    check_equal(len(there), 1000)
    check_equal(sum("\\Seen" in f for f in there.values()), 666)
    before = m.picture()
    m.sync()
    check_equal(m.picture(), before)


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs("mbsync")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
