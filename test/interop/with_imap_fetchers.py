#!/usr/bin/env python3
"""test/interop/with_imap_fetchers.py - programs that fetch mail from IMAP to somewhere else: fetchmail over implicit TLS and STARTTLS, getmail6 over
implicit TLS (getmailcore has no word of STARTTLS)."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, empty, expect, letter, subjects
from server import NOBODY, Server
from tap import case, check_equal, check_in

LOGIN = "alice@demo.test"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


def fetchmail(s, home, implicit, password):
    box = os.path.join(home, "box")
    rc = write(os.path.join(home, "rc"), 'poll 127.0.0.1 protocol IMAP port %d user "%s" password "%s" %s sslcertck sslcertfile "%s" sslcommonname '
               '"localhost" folder INBOX,Archive nokeep mda "cat >>%s; echo >>%s"\n' % (
                   s.port["imaps" if implicit else "imap"], LOGIN, password, "ssl" if implicit else 'sslproto "TLS1.2+"', s.ca, box, box))
    return subprocess.run(["fetchmail", "-f", rc, "--pidfile", os.path.join(home, "pid"), "-N"], capture_output=True, text=True, timeout=40,
                          env=dict(os.environ, FETCHMAILHOME=home, HOME=home))


def getmail(s, home, _implicit, password):
    box = write(os.path.join(home, "box"), "")
    write(os.path.join(home, "rc"), '[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = %d\nusername = %s\npassword = %s\n'
          'ca_certs = %s\nmailboxes = ("INBOX", "Archive")\n[destination]\ntype = Mboxrd\npath = %s\n[options]\ndelete = true\n' % (
              s.port["imaps"], LOGIN, password, s.ca, box))
    os.chmod(home, 0o755)
    drop = []
    if os.getuid() == 0:  # it delivers to files only as another user than root
        drop = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        for name in ("", "box", "rc"):
            os.chown(os.path.join(home, name), NOBODY, NOBODY)
    return subprocess.run(drop + ["getmail", "--getmaildir", home, "--rcfile", "rc"], capture_output=True, text=True, timeout=40,
                          env=dict(os.environ, HOME=home))


def fetches(name, program, implicit):
    @case("%s over %s: INBOX and another mailbox, fetched and deleted; a wrong password fetches nothing" % (name, "implicit TLS" if implicit else "STARTTLS"))
    def _(s):
        for mailbox in ("INBOX", "Archive"):
            empty(s.imap(), mailbox)
        for n in (1, 2):
            expect(deliver(s, "alice", letter("fetched %d" % n, "line\r\n.dot\r\n" + "x" * 900 + "\r\n")), 250)
        c = s.imap()
        c.append("Archive", r"(\Flagged)", None, letter("fetched 3"))
        c.logout()
        home = tempfile.mkdtemp(prefix="fetch-")
        at = s.log_size()
        try:
            p = program(s, home, implicit, "wrong")
            assert p.returncode or "fail" in (p.stdout + p.stderr).lower(), p.stdout + p.stderr
            check_in("login-refused", s.log_text(at))
            p = program(s, home, implicit, "demo")
            check_equal(p.returncode, 0, p.stdout + p.stderr)
            with open(os.path.join(home, "box"), encoding="utf-8") as f:
                text = f.read()
        finally:
            shutil.rmtree(home, ignore_errors=True)
        check_equal(sorted(re.findall(r"(?m)^Subject: (fetched \d)", text)), ["fetched 1", "fetched 2", "fetched 3"])
        check_equal(len(re.findall(r"(?m)^\.dot\r?$", text)), 2)
        c = s.imap()
        check_equal((subjects(c), subjects(c, "Archive")), ([], []))
        c.logout()


fetches("fetchmail", fetchmail, True)
fetches("fetchmail", fetchmail, False)
fetches("getmail6", getmail, True)


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs("fetchmail", "getmail")
    with Server({"limits": {"login_failures": 0, "login_failures_login": 0}, "timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}}) as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
