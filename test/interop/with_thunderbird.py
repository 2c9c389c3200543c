#!/usr/bin/env python3
"""test/interop/with_thunderbird.py - Thunderbird itself, in a display that nobody sees: an account over implicit TLS and one over STARTTLS are
set up, letters read, marked, tagged, searched, moved, deleted and sent, and news noticed by IDLE. What counts is what stands on the server."""
import base64
import email
import email.policy
import os
import re
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap
from client import deliver, expect, letter, subjects, wait_until
from marionette import Thunderbird
from server import Server
from tap import case, check_equal, check_in

FOLDER = "Entw\u00fcrfe \u65b0"
INSIDE = FOLDER + "/tief"
LETTERS = ["Gr\u00fc\u00dfe", "large", "first", "second"]
WITHIN_S = 240
LARGE = 700 * 1000  # letters of this size are fetched in pieces


def subject_of(text):
    return str(email.message_from_bytes(text, policy=email.policy.default)["Subject"])


class Box:
    """One of the two accounts, in Thunderbird and on the server."""

    def __init__(self, s, t, name, tls):
        self.s, self.t, self.name, self.tls = s, t, name, tls
        self.address = s.address(name)
        imap, smtp = ("imaps", "submissions") if tls else ("imap", "submission")
        self.keys = t.ask("return add_account(a)", host="localhost", name=name.capitalize(), address=self.address, password=s.password, tls=tls,
                          imap=s.port[imap], smtp=s.port[smtp])

    def ask(self, script, **values):
        return self.t.ask(script, **self.keys, **values)

    def flags(self, mailbox, subject):
        """Of the only letter with that subject, as the server has them."""
        found = [f for f, text in self.stored(mailbox) if subject_of(text) == subject]
        check_equal(len(found), 1, "letters %r in %s" % (subject, mailbox))
        return found[0]

    def stored(self, mailbox):
        """[(flags, bytes)] of a mailbox."""
        c = self.s.imap(self.name, "imaps")
        status, data = c.select('"%s"' % mailbox, readonly=True)
        check_equal(status, "OK", data)
        data = c.fetch("1:*", "(FLAGS BODY.PEEK[])")[1] if data[0] != b"0" else []
        c.logout()
        return [(set(re.search(rb"FLAGS \(([^)]*)\)", d[0]).group(1).decode().split()) - {"\\Recent"}, d[1]) for d in data if isinstance(d, tuple)]

    def subjects(self, mailbox):
        return sorted(subject_of(text) for _, text in self.stored(mailbox))

    def until_subjects(self, mailbox, wanted, seconds=15):
        try:
            wait_until(lambda: self.subjects(mailbox) == sorted(wanted), seconds)
        except AssertionError:
            check_equal(self.subjects(mailbox), sorted(wanted), "letters in %s" % mailbox)

    def until_flags(self, mailbox, subject, wanted, seconds=15):
        try:
            wait_until(lambda: self.flags(mailbox, subject) == wanted, seconds)
        except AssertionError:
            check_equal(self.flags(mailbox, subject), wanted, "flags of %r" % subject)

    def names(self):
        c = self.s.imap(self.name, "imaps")
        names = [re.search(rb'"/" "?([^"]+)"?$', line).group(1).decode() for line in c.list()[1]]
        c.logout()
        return sorted(names)

    def view(self, mailbox, wanted, seconds=15):
        """What Thunderbird shows of a mailbox, by subject, once it has asked and shows what is wanted."""
        until = time.monotonic() + seconds
        while True:
            seen = {m["subject"]: m for m in self.ask("return update(a.server, a.name)", name=mailbox)}
            if sorted(seen) == sorted(wanted):
                return seen
            assert time.monotonic() < until, "%s shows %r, not %r" % (mailbox, sorted(seen), sorted(wanted))
            time.sleep(0.1)


def utf7(name):
    """Of the two names used here, as IMAP's LIST shows them."""
    return name.replace("\u00fc", "&APw-").replace("\u65b0", "&ZbA-")


def finds_folders(b):
    b.ask("await discover(a.server)")
    use = dict(b.ask("return folders(a.server)"))
    check_equal(sorted(use), b.names(), "folders")
    for name, wanted in (("INBOX", "inbox"), ("Sent", "sent"), ("Drafts", "drafts"), ("Trash", "trash"), ("Junk", "junk"), ("Archive", "archive")):
        check_equal(use[name], wanted, "use of " + name)


def reads(b):
    umlaut = letter("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Stra\u00dfe 7, \u65b0\r\n", to=b.address,
                    extra="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    large = letter("large", "".join("line %06d of a large letter\r\n" % i for i in range(LARGE // 30)), to=b.address)
    for data in (umlaut, large, letter("first", "first body\r\n", to=b.address), letter("second", "needle\r\n", to=b.address)):
        expect(deliver(b.s, b.name, data), 250)
    b.until_subjects("INBOX", LETTERS)
    seen = b.view("INBOX", LETTERS)
    check_equal([(m["read"], m["here"]) for m in seen.values()], [(False, False)] * 4)
    for text in (text for _, text in b.stored("INBOX")):
        subject = subject_of(text)
        got = b.ask("return source(a.server, 'INBOX', a.subject)", subject=subject).encode("latin-1")
        same = len(os.path.commonprefix([got, text]))
        check_equal(got[same:][:80], text[same:][:80], "%r behind its byte %d" % (subject, same))
        check_equal(seen[subject]["size"], len(text), "size of %r" % subject)
    b.ask("await download(a.server, 'INBOX')")
    check_equal([m["here"] for m in b.view("INBOX", LETTERS).values()], [True] * 4, "in Thunderbird's own store")


def marks(b):
    b.ask("folder(a.server, 'INBOX').markMessagesRead([letter(a.server, 'INBOX', 'first')], true)")
    b.until_flags("INBOX", "first", {"\\Seen"})
    b.ask("folder(a.server, 'INBOX').markMessagesFlagged([letter(a.server, 'INBOX', 'first')], true)")
    b.until_flags("INBOX", "first", {"\\Seen", "\\Flagged"})
    b.ask("folder(a.server, 'INBOX').addKeywordsToMessages([letter(a.server, 'INBOX', 'first')], '$label1')")
    b.until_flags("INBOX", "first", {"\\Seen", "\\Flagged", "$label1"})
    b.ask("folder(a.server, 'INBOX').markMessagesRead([letter(a.server, 'INBOX', 'first')], false)")
    b.until_flags("INBOX", "first", {"\\Flagged", "$label1"})
    check_equal(b.flags("INBOX", "second"), set())


def searches(b):
    def found(*terms):
        return b.ask("return search(a.server, 'INBOX', a.terms)", terms=terms)
    check_equal(found(["Subject", "Contains", "fir"]), ["first"])
    check_equal(found(["Subject", "Contains", "Gr\u00fc\u00df"]), ["Gr\u00fc\u00dfe"])
    check_equal(found(["Body", "Contains", "needle"]), ["second"])
    check_equal(found(["Body", "Contains", "Stra\u00dfe"]), ["Gr\u00fc\u00dfe"])
    check_equal(found(["Body", "Contains", "line 000017"], ["Sender", "Contains", "far.test"]), ["large"])
    check_equal(found(["Subject", "DoesntContain", "e"], ["Body", "Contains", "body"]), ["first"])
    check_equal(found(["Body", "Contains", "nowhere at all"]), [])


def moves(b):
    b.ask("await make_folder(a.server, '', a.name)", name=FOLDER)
    b.ask("await make_folder(a.server, a.parent, 'tief')", parent=FOLDER)
    check_in(utf7(INSIDE), b.names())
    b.ask("await move(a.server, 'INBOX', ['first', 'large'], a.to, true)", to=INSIDE)
    b.until_subjects("INBOX", ["Gr\u00fc\u00dfe", "second"])
    b.until_subjects(utf7(INSIDE), ["first", "large"])
    check_equal(b.flags(utf7(INSIDE), "first"), {"\\Flagged", "$label1"}, "flags of what was moved")
    b.ask("await move(a.server, 'INBOX', ['second'], a.to, false)", to=FOLDER)
    b.until_subjects(utf7(FOLDER), ["second"])
    b.until_subjects("INBOX", ["Gr\u00fc\u00dfe", "second"])
    moved = b.view(INSIDE, ["first", "large"])
    check_equal((moved["first"]["starred"], moved["first"]["read"]), (True, False))


def deletes(b):
    b.ask("await remove(a.server, 'INBOX', ['second'], false)")
    b.until_subjects("INBOX", ["Gr\u00fc\u00dfe"])
    b.until_subjects("Trash", ["second"])
    b.view("Trash", ["second"])
    b.ask("server_of(a.server).rootFolder.emptyTrash(null)")
    b.until_subjects("Trash", [])
    b.ask("folder(a.server, a.name).rename('flach', null)", name=INSIDE)
    wait_until(lambda: utf7(FOLDER + "/flach") in b.names(), 15, "the new name")
    check_equal(utf7(INSIDE) in b.names(), False, "the old name is there")
    b.until_subjects(utf7(FOLDER + "/flach"), ["first", "large"])


def until_idle(b, at):
    """Waits until Thunderbird has asked about INBOX, behind byte at of its log, and has gone back to IDLE."""
    def idles():
        with open(b.t.wire_log, "rb") as f:
            f.seek(at)
            text = f.read().decode("utf-8", "replace")
        asked = list(re.finditer(r"IMAP (\w+):\S+:S-INBOX:ProcessCurrentURL:imap://%s%%40\S+/select%%3E/INBOX:" % b.name, text))
        sent = re.findall(r"IMAP %s:\S+:SendData: (.*)" % asked[-1].group(1), text[asked[-1].end():]) if asked else []
        return bool(sent) and sent[-1].strip().endswith(" IDLE")
    wait_until(idles, 15, "IDLE")


def notices(b):
    """With doBiff off Thunderbird asks for nothing by itself: what changes in its view was told to it."""
    def in_view(subject):
        return {m["subject"]: m for m in b.ask("return letters(a.server, 'INBOX')")}.get(subject)
    at = os.path.getsize(b.t.wire_log)
    b.view("INBOX", ["Gr\u00fc\u00dfe"])
    until_idle(b, at)
    expect(deliver(b.s, b.name, letter("told by the server", to=b.address)), 250)
    wait_until(lambda: in_view("told by the server"), 15, "a new letter in view")
    check_equal(in_view("told by the server")["starred"], False)
    c = b.s.imap(b.name, "imaps", select="INBOX")
    number = c.search(None, "SUBJECT", '"told by"')[1][0].decode()
    c.store(number, "+FLAGS", "(\\Flagged \\Seen)")
    wait_until(lambda: (in_view("told by the server")["starred"], in_view("told by the server")["read"]) == (True, True), 15, "flags in view")
    c.store(number, "+FLAGS.SILENT", "(\\Deleted)")
    c.expunge()
    c.logout()
    wait_until(lambda: in_view("told by the server") is None, 15, "a letter gone from view")


def joined(s):
    return int(re.search(r"^sent_joined\t(\d+)", s.run("status"), re.M).group(1))


def sends(b, copies_by_server):
    """One letter with an attachment and a hidden recipient; one copy in Sent, whoever files it."""
    subject = "from %s, copied by %s" % (b.name, "both" if copies_by_server else "Thunderbird")
    attached = os.urandom(30000)
    text = "Stra\u00dfe\n.\n..dots\nFrom the start\n"
    before = joined(b.s)
    b.s.run("account", "set", b.address, "sent-copy", "on" if copies_by_server else "off")
    b.ask("await compose(a)", to="bob@demo.test", bcc="dave@demo.test", subject=subject, body=text, attach=base64.b64encode(attached).decode())
    if copies_by_server:
        wait_until(lambda: joined(b.s) > before, 15, "Thunderbird's copy")
    for name, hidden in (("bob", None), ("dave", None), (b.name, "dave@demo.test")):
        c = b.s.imap(name, "imaps")
        box = "Sent" if name == b.name else "INBOX"
        wait_until(lambda: subject in subjects(c, box), 15, "%r in %s of %s" % (subject, box, name))
        check_equal(subjects(c, box).count(subject), 1, "letters %r in %s of %s" % (subject, box, name))
        c.select(box, readonly=True)
        data = c.fetch(c.search(None, "SUBJECT", '"%s"' % subject)[1][0].decode(), "(FLAGS BODY.PEEK[])")[1]
        m = email.message_from_bytes(data[0][1], policy=email.policy.default)
        check_equal((m["From"].addresses[0].addr_spec, m["To"], m["Bcc"]), (b.address, "bob@demo.test", hidden), "addresses at " + name)
        check_equal(m.get_body().get_content().splitlines(), text.splitlines(), "text at " + name)
        check_equal([p.get_content() == attached for p in m.iter_attachments()], [True], "attachment at " + name)
        if box == "Sent":
            check_in(b"\\Seen", data[0][0])
        c.logout()
    check_equal(joined(b.s) - before, 1 if copies_by_server else 0, "copies that joined the server's")
    b.view("Sent", b.subjects("Sent"))


def drafts(b):
    b.ask("await compose(a)", to="bob@demo.test", subject="half done", body="so far", draft=True)
    b.until_subjects("Drafts", ["half done"])
    check_in("\\Draft", b.flags("Drafts", "half done"))


def shows_quota(b):
    """None without a limit, the limit when there is one."""
    b.view("INBOX", ["Gr\u00fc\u00dfe"])
    check_equal(b.ask("return quota(a.server, 'INBOX')"), [])
    b.s.run("account", "set", b.address, "quota", "50M")

    def told():
        b.ask("update(a.server, 'INBOX')")
        return b.ask("return quota(a.server, 'INBOX')")
    (name, used, limit), = wait_until(told, 15, "a quota")
    check_in("STORAGE", name)
    check_equal(limit, 50 * 1024, "KiB")
    assert 0 < used < limit, used


STEPS = (
    ("the account setup finds the folders and their uses", finds_folders),
    ("letters by port 25 are listed and read, byte by byte, large ones in pieces", reads),
    ("read, star and tag stand on the server", marks),
    ("the server searches subjects, senders and texts", searches),
    ("folders with names in all letters; moved with all flags, copied", moves),
    ("deleted to Trash, Trash emptied, a folder renamed", deletes),
    ("IDLE tells of a new letter, of flags and of one that goes", notices),
    ("sent with an attachment, a hidden recipient, one copy in Sent", lambda b: sends(b, False)),
    ("the same with the server's copy: still one", lambda b: sends(b, True)),
    ("a draft stands on the server", drafts),
    ("a quota is shown when there is one", shows_quota),
)


def add_cases(name, tls):
    boxes = []

    def step(fn):
        def run(s, t):
            if not boxes:
                boxes.append(Box(s, t, name, tls))
            fn(boxes[0])
        return run
    for what, fn in STEPS:
        case("over %s: %s" % ("implicit TLS" if tls else "STARTTLS", what))(step(fn))


add_cases("alice", True)
add_cases("carol", False)


@case("Thunderbird's parser objected to nothing")
def _(s, t):
    with open(t.wire_log, encoding="utf-8", errors="replace") as f:
        log = f.read()
    check_in("UID fetch", log)
    check_equal([line for line in log.splitlines() if "Syntax Error" in line or re.search(r"CreateNewLineFromSocket: \S+ BAD ", line)], [])


@case("what is stored obeys its invariants")
def _(s, t):
    s.verify()


def too_long(*unused):
    sys.exit("the suite did not end within %d s" % WITHIN_S)


def main():
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(WITHIN_S)
    with open(os.path.join(HERE, "thunderbird.js"), encoding="utf-8") as f:
        library = f.read()
    directory = tempfile.mkdtemp(prefix="tb-")
    # Letters are read from the server, not from a store filled behind one's back; but see download().
    prefs = {"mail.server.default.autosync_offline_stores": False, "mail.server.default.offline_download": False}
    wire = os.path.join(directory, "wire")
    environment = {"MOZ_LOG": "sync,timestamp,IMAP:4,SMTP:4", "MOZ_LOG_FILE": wire}
    # Without a password in clear: who does not use TLS does not get in.
    with Server(accounts=("alice", "bob", "carol", "dave"), without_tls_login=False) as s, Thunderbird(directory, library, prefs, environment) as t:
        t.wire_log = wire + ".moz_log"
        t.ask("trust(a.ca)", ca="".join(line for line in open(s.ca).read().split("\n") if "-----" not in line))

        def show():
            s.show_log()
            t.show_log()
        return tap.run(s, t, on_failure=show)


if __name__ == "__main__":
    tap.need_programs("thunderbird", "Xvfb")
    sys.exit(main() > 0)
