#!/usr/bin/env python3
"""test/interop/moving.py - mail in and out: a real Dovecot with 20,000 letters, mbsync and a POP client that download nothing again; files."""
import mailbox
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from dovecot_host import Dovecot
from server import Server
from tap import case, check_equal, check_in

USER = "alice@demo.test"
# folder on the wire: letters
FOLDERS = {"INBOX": 3000, "Work": 7000, "Work.2024": 6000, "Entw&APw-rfe &- mehr": 2000, "Sent Items": 1000, "&ZeVnLIqe-.&MMYwuTDI-": 1000}
NAMES = {"INBOX": "INBOX", "Work": "Work", "Work.2024": "Work/2024", "Entw&APw-rfe &- mehr": "Entw&APw-rfe &- mehr", "Sent Items": "Sent Items",
         "&ZeVnLIqe-.&MMYwuTDI-": "&ZeVnLIqe-/&MMYwuTDI-"}

MBSYNC = """
FSync no
IMAPAccount demo
Host localhost
Port {port}
User {user}
Pass demo
SSLType None
AuthMechs LOGIN

IMAPStore far
Account demo
PathDelimiter {sep}

MaildirStore near
Path {box}/
Inbox {box}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync All
SyncState *
"""

MPOP = """
account demo
host localhost
port {port}
user {user}
password demo
auth user
tls off
keep on
delivery maildir {box}
uidls_file {uidls}
"""


def make_letters(d):
    """Letters as a delivery writes them, in folders that Dovecot then takes up; flags and keywords by IMAP."""
    at = 1_600_000_000
    for folder, n in FOLDERS.items():
        top = d.maildir(USER) if folder == "INBOX" else os.path.join(d.maildir(USER), "." + folder)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(top, sub))
        for i in range(n):
            at += 60
            name = "%d.M%dP1.host" % (at, i)
            flags = "" if i % 3 == 0 else ":2," + ("F" if i % 5 == 0 else "") + ("R" if i % 7 == 0 else "") + "S"
            path = os.path.join(top, "new" if not flags else "cur", name + flags)
            with open(path, "w") as f:
                f.write("From: a%d@example.test\nSubject: letter %d of %s\nMessage-ID: <%d.%s@example.test>\n\nText %d\n" % (i, i, folder, i, abs(hash(folder)), i))
            os.utime(path, (at, at))
    d.give()


def use_letters(d):
    c = d.imap()
    for folder in FOLDERS:
        if folder != "INBOX":
            c.subscribe('"%s"' % folder)
        c.select('"%s"' % folder)
        c.store("1:40", "+FLAGS.SILENT", "($Forwarded red)")
        c.store("41:60", "+FLAGS.SILENT", "(NonJunk)")
        c.store("61:70", "+FLAGS.SILENT", "(\\Deleted)")
        c.expunge()
    c.logout()


class Clients:
    """mbsync and mpop with their state, pointed at one server after the other."""

    def __init__(self, top, user=USER):
        self.user = user
        self.top, self.box, self.popbox = top, os.path.join(top, "near"), os.path.join(top, "pop")
        os.makedirs(self.box)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.popbox, sub))

    def mbsync(self, port, sep):
        conf = os.path.join(self.top, "mbsyncrc")
        with open(conf, "w") as f:
            f.write(MBSYNC.format(port=port, user=self.user, box=self.box, sep=sep))
        p = subprocess.run(["mbsync", "-c", conf, "-a"], capture_output=True, text=True, timeout=170)
        check_equal(p.returncode, 0, "mbsync: %s%s" % (p.stdout[-500:], p.stderr[-500:]))

    def mpop(self, port):
        conf = os.path.join(self.top, "mpoprc")
        with open(conf, "w") as f:
            f.write(MPOP.format(port=port, user=self.user, box=self.popbox, uidls=os.path.join(self.top, "uidls")))
        os.chmod(conf, 0o600)
        p = subprocess.run(["mpop", "-C", conf, "demo"], capture_output=True, text=True, timeout=170)
        check_equal(p.returncode, 0, "mpop: %s%s" % (p.stdout[-500:], p.stderr[-500:]))

    def files(self):
        """Every letter's file with its flags, by mbsync and by mpop; a file that is loaded again gets another name."""
        found = set()
        for top in (self.box, self.popbox):
            for here, _dirs, names in os.walk(top):
                if os.path.basename(here) in ("cur", "new"):
                    found |= {os.path.join(here, n) for n in names}
        return found


def picture(c, folders):
    """{folder: (UIDVALIDITY, UIDNEXT, [flags, date, size by UID])}"""
    found = {}
    for f in folders:
        assert c.select('"%s"' % f, readonly=True)[0] == "OK", f
        numbers = [c.response(x)[1][0] for x in ("UIDVALIDITY", "UIDNEXT")]
        rows = {}
        for line in c.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")[1]:
            text = line.decode()
            uid = int(text.split("UID ")[1].split(" ")[0].rstrip(")"))
            flags = set(text.split("FLAGS (")[1].split(")")[0].split()) - {"\\Recent"}
            rows[uid] = (sorted(flags), text.split('INTERNALDATE "')[1].split('"')[0], text.split("RFC822.SIZE ")[1].split(" ")[0].rstrip(")"))
        found[f] = (numbers, rows)
    return found


def take_in(s, *words, check=True):
    status, out, err = s.run("import", USER, *words, check=False)
    if check and status:
        raise AssertionError("import: status %d: %s%s" % (status, out, err))
    return status, out, err


def total(out):
    """{"moved": 3, "known": 0, ...} of the last line."""
    f = out.strip().splitlines()[-1].split("\t")
    check_equal(f[0], "all", out)
    return {f[i]: int(f[i + 1]) for i in (1, 3, 5, 7)}


@case("20,000 letters of a real Dovecot: UIDs, dates, flags, keywords; a second run moves nothing")
def _(t):
    with Dovecot((USER,)) as d:
        make_letters(d)
        use_letters(d)
        t.clients = Clients(t.dir)
        t.clients.mpop(d.port["pop3"])  # it makes letters \Seen: first
        t.clients.mbsync(d.port["imap"], ".")
        t.before = t.clients.files()
        n = sum(FOLDERS.values()) - 10 * len(FOLDERS)
        check_equal(len(t.before), n + FOLDERS["INBOX"] - 10)
        c = d.imap()
        there = picture(c, FOLDERS)
        c.logout()
        d.stop()
        shutil.copytree(d.maildir(USER), os.path.join(t.dir, "Maildir"))
    began = time.monotonic()
    out = take_in(t.s, "maildir", os.path.join(t.dir, "Maildir"))[1]
    tap.comment("%d letters in %.1f s" % (n, time.monotonic() - began))
    check_equal(total(out), {"moved": n, "known": 0, "refused": 0, "bytes": total(out)["bytes"]})
    c = t.s.imap()
    here = picture(c, NAMES.values())
    c.logout()
    for wire, name in NAMES.items():
        check_equal(here[name][0], there[wire][0], "UIDVALIDITY and UIDNEXT of " + name)
        check_equal({u: r[:2] for u, r in here[name][1].items()}, {u: utc(r)[:2] for u, r in there[wire][1].items()}, name)
    check_equal(total(take_in(t.s, "maildir", os.path.join(t.dir, "Maildir"))[1])["moved"], 0)
    t.s.verify()


def utc(row):
    """Dovecot answers in its own zone."""
    import imaplib
    import calendar
    when = calendar.timegm(time.gmtime(time.mktime(imaplib.Internaldate2tuple(b'INTERNALDATE "%s"' % row[1].encode()))))
    return row[0], time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(when)).replace(" 0", " ", 0), row[2]


@case("mbsync and mpop, synchronised with the Dovecot before, download nothing again")
def _(t):
    t.clients.mbsync(t.s.port["imap"], "/")
    t.clients.mpop(t.s.port["pop3"])
    now = t.clients.files()
    check_equal(sorted(now - t.before)[:5], [], "loaded again: %d" % len(now - t.before))
    check_equal(sorted(t.before - now)[:5], [], "gone: %d" % len(t.before - now))


@case("a live Dovecot by IMAP: STARTTLS, certificate checked, UIDs kept; later only what is new; mbsync and mpop download nothing again")
def _(t):
    t.s.add_account("carol")
    user, password = "carol@demo.test", os.path.join(t.dir, "password")
    with open(password, "w") as f:
        f.write("demo\n")
    with Dovecot((user,)) as d:
        place, words = "imap://%s@localhost:%d" % (user, d.port["imap"]), ("--password-file", password)
        c = d.imap()
        for folder in ("INBOX", "Work", "Entw&APw-rfe", "Work.&ZeVnLIqe-"):
            if folder != "INBOX":
                c.create(folder)
            for i in range(50):
                c.append(folder, "(\\Flagged $Junk)" if i % 9 == 0 else None, '"%02d-Jan-2020 10:00:00 +0000"' % (i % 28 + 1),
                         b"Subject: %d\r\n\r\n%s\r\n" % (i, b"x" * (200_000 if i == 7 else 10)))
            c.select(folder)
            c.store("5:9", "+FLAGS.SILENT", "(\\Deleted)")
            c.expunge()
        clients = Clients(os.path.join(t.dir, "live"), user)
        clients.mpop(d.port["pop3"])
        clients.mbsync(d.port["imap"], ".")
        before = clients.files()
        folders = ("INBOX", "Work", "Entw&APw-rfe", "Work.&ZeVnLIqe-")
        there = picture(c, folders)
        status, out, err = t.s.run("import", user, "imap", place, *words, check=False)
        check_in("not trusted", err)
        check_equal(status, 1)
        os.environ["SSL_CERT_FILE"] = d.ca
        out = t.s.run("import", user, "imap", place, *words)
        check_equal(total(out)["moved"], 4 * 45)
        here = t.s.imap(user)
        found = picture(here, [f.replace(".", "/") for f in folders])
        for f in folders:
            check_equal(found[f.replace(".", "/")][0], there[f][0], f)
            check_equal(found[f.replace(".", "/")][1], {u: utc(r) for u, r in there[f][1].items()}, f)
        clients.mpop(t.s.port["pop3"])
        clients.mbsync(t.s.port["imap"], "/")
        check_equal(clients.files(), before)
        c.append("Work", None, None, b"Subject: late\r\n\r\nlate\r\n")
        out = t.s.run("import", user, "imap", place, *words)
        check_equal([total(out)[k] for k in ("moved", "known")], [1, 4 * 45])
        here.select("Work")
        check_in(b"UID 51 ", here.uid("FETCH", "51", "(UID RFC822.SIZE)")[1][0])
        here.logout()
        c.logout()
        out = t.s.run("import", user, "imap", place.replace(user, user + "x"), *words, check=False)
        check_equal(out[0], 1)
        check_in("was not let in", out[2])
        del os.environ["SSL_CERT_FILE"]
    t.s.verify()


@case("special uses, subscriptions")
def _(t):
    c = t.s.imap()
    listed = [l.decode() for l in c.list()[1]]
    subscribed = [l.decode().split(' "/" ')[1].strip('"') for l in c.lsub()[1]]
    c.logout()
    check_equal([l for l in listed if "\\Sent" in l], ['(\\Sent \\HasNoChildren) "/" "Sent Items"'])
    for name in NAMES.values():
        check_in(name, subscribed)


def contents(c, folders, dates=True):
    """{folder: [(flags, keywords, date, whole letter)]}, in order."""
    found = {}
    for f in folders:
        assert c.select('"%s"' % f, readonly=True)[0] == "OK", f
        rows = []
        for part in c.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                text = part[0].decode()
                flags = tuple(sorted(set(text.split("FLAGS (")[1].split(")")[0].split()) - {"\\Recent"}))
                rows.append((flags, text.split('INTERNALDATE "')[1].split('"')[0] if dates else "", part[1]))
        found[f] = rows
    return found


ODD = ("INBOX", "Work", "Work/2024", "a.b", "~root", "&APw-&-x", "Trash")


def fill_odd(s, user):
    c = s.imap(user)
    for n, f in enumerate(ODD):
        c.create('"%s"' % f)
        for i in range(6):
            c.append('"%s"' % f, ("(\\Seen $Forwarded)", "(\\Flagged red)", "(\\Answered \\Draft)")[i % 3], '"%02d-Feb-2021 10:%02d:00 +0000"' % (i + 1, n),
                     b"Return-Path: <a@b.test>\r\nSubject: %d of %d\r\n\r\nFrom here\r\n>From there\r\n\r\n%s\r\n" % (i, n, b"x" * (300_000 if i == 4 else 5)))
        c.select('"%s"' % f)
        c.store("2", "+FLAGS", "\\Deleted")
        c.expunge()
    return c


@case("out and in again: Maildir, with UIDs, UIDVALIDITY and UIDLs; Dovecot reads it; mbox and EML, which Python's mailbox reads")
def _(t):
    for name in ("dave", "erin", "frank", "grace"):
        t.s.add_account(name)
    c = fill_odd(t.s, "dave@demo.test")
    was, numbers = contents(c, ODD), {f: p for f, p in picture(c, ODD).items()}
    c.logout()
    out = {kind: os.path.join(t.dir, "out-" + kind) for kind in ("maildir", "mbox", "eml")}
    for kind, path in out.items():
        check_equal(total(t.s.run("export", "dave@demo.test", kind, path))["moved"], 5 * len(ODD))
    check_equal([total(t.s.run("export", "dave@demo.test", "maildir", out["maildir"]))[k] for k in ("moved", "known")][0], 0)
    for here, dirs, files in os.walk(t.dir):
        assert ".." not in dirs + files
    check_equal(total(t.s.run("import", "erin@demo.test", "maildir", out["maildir"]))["moved"], 5 * len(ODD))
    c = t.s.imap("erin@demo.test")
    check_equal(contents(c, ODD), was)
    check_equal(picture(c, ODD), numbers)
    c.logout()
    uidls = []
    for name in ("dave", "erin"):
        p = t.s.pop(name)
        uidls.append(p.uidl()[1])
        p.quit()
    check_equal(uidls[1], uidls[0], "UIDLs")
    check_equal(total(t.s.run("import", "frank@demo.test", "mbox", out["mbox"]))["moved"], 5 * len(ODD))
    c = t.s.imap("frank@demo.test")
    check_equal(contents(c, ODD), was)
    check_equal({f: p[1].keys() for f, p in picture(c, ODD).items()}, {f: p[1].keys() for f, p in numbers.items()})
    c.logout()
    check_equal(total(t.s.run("import", "grace@demo.test", "eml", out["eml"]))["moved"], 5 * len(ODD))
    c = t.s.imap("grace@demo.test")
    check_equal({f: [r[1:] for r in rows] for f, rows in contents(c, ODD).items()}, {f: [r[1:] for r in rows] for f, rows in was.items()})
    c.logout()
    check_equal(len(mailbox.mbox(os.path.join(out["mbox"], "Work", "2024.mbox"), create=False)), 5)
    check_equal(len(mailbox.Maildir(out["maildir"], create=False).get_folder("Work.2024")), 5)
    dovecot = Dovecot(("dave@demo.test",))
    shutil.copytree(out["maildir"], dovecot.maildir("dave@demo.test"))
    dovecot.give()
    with dovecot as d:
        c = d.imap()
        there = picture(c, ("INBOX", "Work", "Work.2024"))
        c.logout()
    for f in ("INBOX", "Work", "Work/2024"):
        check_equal({u: r[0] for u, r in there[f.replace("/", ".")][1].items()}, {u: r[0] for u, r in numbers[f][1].items()}, "Dovecot's " + f)
        check_equal(there[f.replace("/", ".")][0], numbers[f][0], "Dovecot's numbers of " + f)
    t.s.verify()


@case("out to a live Dovecot; a second run appends nothing")
def _(t):
    password = os.path.join(t.dir, "password")
    with Dovecot(("dave@demo.test",), layout=":LAYOUT=fs") as d:
        place = "imaps://dave@demo.test@localhost:%d" % d.port["imaps"]
        words = ("--password-file", password, "--tls-insecure", "--folder")
        c = t.s.imap("dave@demo.test")
        was = contents(c, ("Work/2024",))["Work/2024"]
        c.logout()
        check_equal(total(t.s.run("export", "dave@demo.test", "imap", place, *words, "Work/2024"))["moved"], 5)
        check_equal(total(t.s.run("export", "dave@demo.test", "imap", place, *words, "Work/2024"))["known"], 5)
        c = d.imap()
        found = contents(c, ("Work/2024",))["Work/2024"]
        c.logout()
        check_equal([(r[0], utc(((), r[1], ""))[1], r[2]) for r in found], was)


@case("letters that cannot be moved are named with the reason and counted, the rest goes on; a dry run changes nothing")
def _(t):
    t.s.add_account("heidi")
    top = os.path.join(t.dir, "bad")
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(top, sub))
    def put(name, data):
        with open(os.path.join(top, "cur", name), "wb") as f:
            f.write(data)
    put("1.good:2,S", b"Subject: fine\n\nbody\n")
    put("2.nul:2,", b"Subject: nul\n\nbo\0dy\n")
    put("3.empty:2,", b"")
    put("4.binary:2,", bytes(range(256)) * 10)
    put("5.large:2,", b"Subject: large\n\n" + b"x" * 60_000_000)
    put("6.latin:2,", b"Subject: gr\xfc\xdfe\n\nLatin-1\n")
    os.mkdir(os.path.join(top, "cur", "7.directory:2,"))
    before = t.s.run("account", "list")
    status, out, err = t.s.run("import", "heidi@demo.test", "maildir", top, "--dry-run", check=False)
    check_equal((status, total(out)["moved"], total(out)["refused"]), (1, 2, 5))
    check_equal(t.s.run("account", "list"), before)
    status, out, err = t.s.run("import", "heidi@demo.test", "maildir", top, "--into", "Old", check=False)
    check_equal((status, total(out)["moved"], total(out)["refused"]), (1, 2, 5), err)
    for name, why in (("2.nul", "NUL"), ("3.empty", "empty"), ("4.binary", "no letter"), ("5.large", "message_size"), ("7.directory", "Invalid")):
        line = [l for l in err.splitlines() if name in l]
        check_equal(len(line), 1, err)
        check_in(why, line[0])
    status, out, err = t.s.run("import", "nobody@demo.test", "maildir", top, check=False)
    check_in("no such account", err)
    status, out, err = t.s.run("import", "heidi@demo.test", "mbox", "-", "--into", "Piped", check=False,
                               stdin="From a@b Thu Jan  1 00:00:01 1970\nSubject: one\n\nx\n\nFrom a@b Thu Jan  1 00:00:02 1970\nSubject: two\n\ny\n")
    check_equal((status, total(out)["moved"]), (0, 2), err)
    t.s.verify()


@case("links below what is imported are not followed, nor waited for; names of folders steer no terminal")
def _(t):
    t.s.add_account("mallory")
    top, secret = os.path.join(t.dir, "linked"), os.path.join(t.dir, "secret")
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(top, sub))
        os.makedirs(os.path.join(secret, "box", sub))
    for name in ("letter", "box/cur/1:2,", "box/mbox"):
        with open(os.path.join(secret, name), "w") as f:
            f.write("From a@b Thu Jan  1 00:00:01 1970\n" * (name == "box/mbox") + "Subject: secret\n\nroot:x:0:0\n")
    os.symlink(os.path.join(secret, "letter"), os.path.join(top, "cur", "1:2,"))
    os.symlink(os.path.join(secret, "box"), os.path.join(top, ".Box"))
    os.symlink(os.path.join(secret, "letter"), os.path.join(top, "subscriptions"))
    os.mkfifo(os.path.join(top, "dovecot-uidlist"))
    os.makedirs(os.path.join(top, ".e\x1b[31mvil", "cur"))
    status, out, err = t.s.run("import", "mallory@demo.test", "maildir", top, check=False)
    check_equal((status, total(out)["moved"]), (1, 0), out + err)
    for name in ("cur/1:2,", ".Box"):
        line = [l for l in err.splitlines() if name + ": " in l]
        check_equal(len(line), 1, err)
        check_in("symbolic link", line[0])
    assert "\x1b" not in err and "\x1b" not in out, err + out
    files = os.path.join(t.dir, "linked-files")
    os.mkdir(files)
    os.symlink(os.path.join(secret, "letter"), os.path.join(files, "one.eml"))
    os.symlink(os.path.join(secret, "box"), os.path.join(files, "box"))
    status, out, err = t.s.run("import", "mallory@demo.test", "eml", files, check=False)
    check_equal((status, total(out)["moved"], err.count("symbolic link")), (1, 0, 2), out + err)
    os.unlink(os.path.join(files, "one.eml"))
    os.symlink(os.path.join(secret, "box", "mbox"), os.path.join(files, "mbox"))
    os.mkfifo(os.path.join(files, "fifo"))
    status, out, err = t.s.run("import", "mallory@demo.test", "mbox", files, check=False)
    assert status == 1 and err.count("symbolic link") >= 2, err
    c = t.s.imap("mallory")
    check_equal(c.status("INBOX", "(MESSAGES)")[1], [b'"INBOX" (MESSAGES 0)'])
    assert b"secret" not in b"".join(x for x in c.lsub()[1] if x), c.lsub()
    c.logout()
    link = os.path.join(t.dir, "place")  # the place itself is the administrator's word
    os.symlink(os.path.join(secret, "box"), link)
    check_equal(total(t.s.run("import", "mallory@demo.test", "maildir", link))["moved"], 1)


class World:
    def __init__(self, s):
        self.s, self.dir = s, os.path.join(s.dir, "moving")
        os.mkdir(self.dir)


def main():
    tap.need_programs("dovecot", "mbsync", "mpop")
    if os.getuid() != 0:
        tap.skip_all("Dovecot wants root")
    with Server(settings={"limits": {"login_failures": 0}}) as s:
        failed = tap.run(World(s), on_failure=s.show_log)
    sys.exit(1 if failed else 0)


main()
