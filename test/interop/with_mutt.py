#!/usr/bin/env python3
"""test/interop/with_mutt.py - Mutt and NeoMutt as Debian builds them and as they are when nothing but servers and the login is set: IMAP, POP3 and
submission, over implicit TLS and STARTTLS. Both are driven by keys on a terminal."""
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import subprocess
import tap
from client import deliver, empty, expect, letter, subjects
from server import Server
from tap import case, check_equal, check_in

PROGRAMS = ("mutt", "neomutt")
LOGIN = "alice@demo.test"
COMMON = """set ssl_ca_certificates_file="%(ca)s"
set certificate_file="%(home)s/certificates"
set ssl_starttls=yes
set ssl_force_tls=yes
set wait_key=no
set delete=yes
set quit=yes
set move=no
set confirmappend=no
set confirmcreate=no
set beep=no
set sort=mailbox-order
set resolve=no
set mbox_type=mbox
set from="alice@demo.test"
"""
IMAP = """set folder="%(imap)s://%(login)s@localhost:%(imap_port)d/"
set imap_pass="demo"
set spoolfile="+INBOX"
set record="+Sent"
"""
LOCAL = """set folder="%(home)s"
set spoolfile="%(home)s/box"
set record=""
"""
SMTP = """set smtp_url="%(smtp)s://%(login)s@localhost:%(smtp_port)d"
set smtp_pass="%(password)s"
"""
COMPOSE = """set editor=true
set autoedit=yes
set edit_headers=yes
set abort_unmodified=no
set abort_nosubject=no
"""
POP = """set pop_host="%(pop)s://localhost:%(pop_port)d"
set pop_user="%(login)s"
set pop_pass="demo"
set pop_delete=yes
"""


def values(s, home, implicit, password="demo"):
    found = {"ca": s.ca, "home": home, "login": LOGIN, "password": password}
    for scheme, plain, tls in (("imap", "imap", "imaps"), ("smtp", "submission", "submissions"), ("pop", "pop3", "pop3s")):
        found[scheme] = scheme + "s" if implicit else scheme
        found[scheme + "_port"] = s.port[tls if implicit else plain]
    return found


@contextlib.contextmanager
def home():
    path = tempfile.mkdtemp(prefix="mutt-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def configure(path, s, implicit, *parts, keys="", **more):
    rc = os.path.join(path, "rc")
    with open(rc, "w") as f:
        f.write("".join(parts) % values(s, path, implicit, **more) + ('push "%s"\n' % keys if keys else ""))
    for name in ("box", "certificates"):
        with open(os.path.join(path, name), "a"):
            pass
    return rc


def environment(path):
    return dict(os.environ, HOME=path, TERM="vt100", LC_ALL="C")


def on_terminal(path, *words, types=b"", seconds=40):
    """Runs it on a terminal of its own until it ends by itself; what it has shown. types: typed each half second, since what is typed while an editor
    runs is forgotten."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, environment(path))
    shown, until, ended = b"", time.monotonic() + seconds, False
    typed = time.monotonic()
    try:
        while time.monotonic() < until and not ended:
            if types and time.monotonic() - typed > 0.5:
                typed = time.monotonic()
                os.write(fd, types)
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    got = os.read(fd, 65536)
                except OSError:  # what a terminal says when nobody has it open any more
                    got = b""
                shown, ended = shown + got, not got
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(fd)
    text = shown.decode("utf-8", "replace")
    assert ended, "%s does not end: %s" % (words[0], text[-2000:])
    check_equal(os.waitstatus_to_exitcode(status), 0, text[-2000:])
    return text


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def flags(s, subject, mailbox="INBOX"):
    c = s.imap()
    c.select('"%s"' % mailbox, readonly=True)
    answer = c.uid("fetch", c.uid("search", "SUBJECT", '"%s"' % subject)[1][0], "(FLAGS)")[1][0]
    c.logout()
    return {f for f in re.search(rb"FLAGS \(([^)]*)\)", answer).group(1).decode().split() if f != "\\Recent"}


def has(s, mailbox):
    c = s.imap()
    found = subjects(c, mailbox)
    c.logout()
    return found


@case("where -PLUS is announced, a login that they give up counts as no guess, and IMAP goes on with another way")
def _(s):
    s.listener_options = "scram_plus yes"
    s.set("limits", login_failures=2, login_failures_login=2)
    assert s.reload()
    try:
        for program in PROGRAMS:
            with home() as path:
                for _ in range(4):
                    rc = configure(path, s, True, COMMON, LOCAL, SMTP)
                    p = subprocess.run([program, "-n", "-F", rc, "-s", "given up", "bob@demo.test"], input="x\n", text=True, capture_output=True,
                                       timeout=40, env=environment(path))
                    assert p.returncode, "%s binds to TLS now: by_service may announce -PLUS everywhere" % program
                rc = configure(path, s, True, COMMON, IMAP, keys="<exit>")
                on_terminal(path, program, "-n", "-F", rc)
        check_equal(s.run("ban", "list"), "")
        c = s.smtp("submissions", login="alice")
        c.quit()
    finally:
        s.listener_options = ""
        del s.settings["limits"]
        s.write_conf()
        assert s.reload()


def reads(program, implicit):
    @case("%s, IMAP over %s: reads, flags, copies, moves, deletes, makes a mailbox" % (program, "implicit TLS" if implicit else "STARTTLS"))
    def _(s):
        for name in ("INBOX", "Archive", "Junk"):
            empty(s.imap(), name)
        new = "%s-%d" % (program, implicit)
        for name in ("one", "two", "three", "four", "five"):
            expect(deliver(s, "alice", letter("mutt " + name, "text of %s\r\n" % name)), 250)
        keys = ("<first-entry><pipe-message>cat >%s<enter><display-message><exit><next-entry><flag-message><copy-message>=Junk<enter><next-entry><save-message>=Archive<enter>"
                "<next-entry><save-message>=%s<enter><next-entry><delete-message><sync-mailbox><exit>")
        with home() as path:
            rc = configure(path, s, implicit, COMMON, IMAP, keys=keys % (os.path.join(path, "seen"), new))
            shown = on_terminal(path, program, "-n", "-F", rc)
            seen = read(os.path.join(path, "seen"))
        check_in("Subject: mutt one", seen, shown[-2000:])
        check_in("text of one", seen)
        check_equal(has(s, "INBOX"), ["mutt one", "mutt two"], shown[-2000:])
        check_equal(has(s, "Archive"), ["mutt three"])
        check_equal(has(s, "Junk"), ["mutt two"])
        check_equal(has(s, new), ["mutt four"])
        check_in("\\Seen", flags(s, "mutt one"))
        check_in("\\Flagged", flags(s, "mutt two"))


def sends(program, implicit):
    @case("%s, submission over %s: it logs in, Bcc is nobody's to see, its copy is in Sent; a wrong password is told" % (
        program, "implicit TLS" if implicit else "STARTTLS"))
    def _(s):
        for who in ("alice", "bob"):
            empty(s.imap(who))
        empty(s.imap(), "Sent")
        at = s.log_size()
        with home() as path:
            text = os.path.join(path, "text")
            with open(text, "w") as f:
                f.write("text by %s\n" % program)
            rc = configure(path, s, implicit, COMMON, IMAP, SMTP, COMPOSE)
            on_terminal(path, program, "-n", "-F", rc, "-s", "by " + program, "-b", LOGIN, "-i", text, "bob@demo.test", types=b"y")
            check_equal(re.findall(r" (login\S*) .* service=submissions? .* how=(\S+)", s.log_text(at)), [("login", "scram-sha-256")])
            at = s.log_size()
            rc = configure(path, s, implicit, COMMON, LOCAL, SMTP, password="wrong")
            p = subprocess.run([program, "-n", "-F", rc, "-s", "wrong", "bob@demo.test"], input="x\n", text=True, capture_output=True, timeout=40,
                               env=environment(path))
            assert p.returncode, "a wrong password sent"
            check_equal(re.findall(r" (login\S*) .* service=submissions? .* how=(\S+)", s.log_text(at)), [("login-refused", "scram-sha-256")])
        c = s.imap("bob", select="INBOX")
        text = c.fetch("1:*", "(BODY.PEEK[])")[1][0][1]
        c.logout()
        check_in(b"Subject: by " + program.encode(), text)
        assert b"\nBcc:" not in text, text
        check_equal(has(s, "INBOX"), ["by " + program])  # by Bcc
        check_equal(has(s, "Sent"), ["by " + program])


def fetches(program, implicit):
    @case("%s, POP3 over %s: it logs in and fetches" % (program, "implicit TLS" if implicit else "STLS"))
    def _(s):
        empty(s.imap())
        for name in ("one", "two"):
            expect(deliver(s, "alice", letter("popped " + name)), 250)
        with home() as path:
            rc = configure(path, s, implicit, COMMON, LOCAL, POP, keys="<fetch-mail><exit>")
            shown = on_terminal(path, program, "-n", "-F", rc)
            check_equal(re.findall(r"(?m)^Subject: (popped \w+)", read(os.path.join(path, "box"))), ["popped one", "popped two"], shown[-2000:])
        check_equal(has(s, "INBOX"), [])


for _program in PROGRAMS:
    for _implicit in (True, False):
        reads(_program, _implicit)
        sends(_program, _implicit)
        fetches(_program, _implicit)


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs(*PROGRAMS)
    with Server({"timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}}) as server:
        os.environ["TMPDIR"] = server.dir  # mutt leaves there what it took for the moment
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
