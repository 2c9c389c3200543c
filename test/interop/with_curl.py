#!/usr/bin/env python3
"""test/interop/with_curl.py - curl as a mail client: SMTP, IMAP and POP3 in all the ways it can reach a server."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import empty, letter, subjects
from server import Server
from tap import case, check_equal, check_in



def curl(s, url, *words, user="alice", stdin=b"", fails=None):
    line = ["curl", "-sS", "--max-time", "20", "--cacert", s.ca, url] + list(words)
    if user:
        line += ["-u", "%s@demo.test:demo" % user]
    p = subprocess.run(line, input=stdin, capture_output=True, timeout=30)
    if fails is None:
        assert p.returncode == 0, "%s: status %d: %s" % (" ".join(line), p.returncode, p.stderr.decode())
    else:
        check_equal(p.returncode, fails, "status of %s: %s" % (" ".join(line), p.stderr.decode()))
    return p.stdout


def ways(s, scheme, service):
    """(url, extra words) for plain, STARTTLS and implicit TLS."""
    yield "%s://127.0.0.1:%d" % (scheme, s.port[service]), []
    yield "%s://localhost:%d" % (scheme, s.port[service]), ["--ssl-reqd", "-4"]
    yield "%ss://localhost:%d" % (scheme, s.port[service + "s"]), ["-4"]


@case("SMTP: submission in three ways, with PLAIN and LOGIN; port 25 without and with STARTTLS")
def _(s):
    n = 0
    empty(s.imap("bob"))
    for url, words in ways(s, "smtp", "submission"):
        for auth in ("PLAIN", "LOGIN"):
            n += 1
            curl(s, url + "/client.test", "--mail-from", "alice@demo.test", "--mail-rcpt", "bob@demo.test", "-T", "-", "--login-options",
                 "AUTH=" + auth, *words, stdin=letter("curl %d" % n, ".dots\r\n..\r\n"))
    for words in ([], ["--ssl-reqd", "-4"]):
        n += 1
        host = "localhost" if words else "127.0.0.1"
        curl(s, "smtp://%s:%d/client.test" % (host, s.port["smtp"]), "--mail-from", "a@far.test", "--mail-rcpt", "bob@demo.test", "-T", "-",
             *words, user=None, stdin=letter("curl %d" % n))
    c = s.imap("bob")
    check_equal(sorted(subjects(c)), ["curl %d" % i for i in range(1, n + 1)])
    c.logout()


@case("SMTP: refusals reach curl as such")
def _(s):
    url = "smtp://127.0.0.1:%d/client.test" % s.port["smtp"]
    curl(s, url, "--mail-from", "a@far.test", "--mail-rcpt", "nobody@demo.test", "-T", "-", user=None, stdin=letter("x"), fails=55)
    curl(s, url, "--mail-from", "a@far.test", "--mail-rcpt", "x@far.test", "-T", "-", user=None, stdin=letter("x"), fails=55)
    curl(s, "smtp://127.0.0.1:%d/client.test" % s.port["submission"], "--mail-from", "bob@demo.test", "--mail-rcpt", "bob@demo.test", "-T", "-",
         stdin=letter("x"), fails=55)
    curl(s, "smtps://localhost:%d" % s.port["submissions"], "-4", "-u", "alice@demo.test:wrong", "--mail-from", "alice@demo.test", "--mail-rcpt",
         "bob@demo.test", "-T", "-", user=None, stdin=letter("x"), fails=67)
    p = subprocess.run(["curl", "-sS", "smtp://127.0.0.1:%d" % s.port["smtp"], "-X", "VRFY alice@demo.test"], capture_output=True, timeout=20)
    check_in(b"252", p.stdout)


@case("IMAP: in three ways: list, append, fetch, search, store, expunge")
def _(s):
    for i, (url, words) in enumerate(ways(s, "imap", "imap")):
        box = "curl%d" % i
        curl(s, url, "-X", "CREATE " + box, *words)
        data = letter("kept by curl %d" % i, "text\r\n")
        with tempfile.NamedTemporaryFile() as f:  # curl must know the size
            f.write(data)
            f.flush()
            curl(s, url + "/" + box, "-T", f.name, *words)
        check_in(box.encode(), curl(s, url, *words))
        check_equal(curl(s, url + "/%s;MAILINDEX=1" % box, *words), data)
        check_equal(curl(s, url + "/%s;UID=1" % box, *words), data)
        check_equal(curl(s, url + "/%s;UID=1;SECTION=TEXT" % box, *words), b"text\r\n")
        check_in(b"* SEARCH 1", curl(s, url + "/%s?SUBJECT%%20kept" % box, *words))
        check_in(b"\\Flagged", curl(s, url + "/" + box, "-X", "STORE 1 +FLAGS (\\Flagged)", *words))
        check_in(b"EXISTS", curl(s, url, "-X", "EXAMINE " + box, *words))
        curl(s, url, "-X", "DELETE " + box, *words)
        assert box.encode() not in curl(s, url, *words)
    curl(s, "imap://127.0.0.1:%d" % s.port["imap"], "--login-options", "AUTH=PLAIN")
    curl(s, "imap://127.0.0.1:%d" % s.port["imap"], "--login-options", "AUTH=PLAIN", "--sasl-ir")
    curl(s, "imap://127.0.0.1:%d" % s.port["imap"], "-u", "alice@demo.test:wrong", user=None, fails=67)


@case("POP3: in three ways: list, unique ids, a letter, its top, deletion")
def _(s):
    for url, words in ways(s, "pop3", "pop3"):
        c = s.imap("alice")
        empty(c)
        data = letter("popped", "one\r\n.two\r\n")
        for _ in range(2):
            c.append("INBOX", None, None, data)
        c.logout()
        listed = again(lambda: curl(s, url, *words)).split(b"\r\n")
        check_equal([l.split()[0] for l in listed if l], [b"1", b"2"])
        check_equal(len(again(lambda: curl(s, url, "-X", "UIDL", *words)).split(b"\r\n")), 3)
        check_equal(again(lambda: curl(s, url + "/1", *words)), data)
        check_in(b"one", again(lambda: curl(s, url, "-X", "TOP 2 1", *words)))
        again(lambda: curl(s, url + "/1", "-X", "DELE", "--head", *words))
        listed = again(lambda: curl(s, url, *words)).split(b"\r\n")
        check_equal([l.split()[0] for l in listed if l], [b"1"])


def again(fn):
    """The maildrop is held until the server has seen the end of curl's connection."""
    time.sleep(0.05)
    return fn()


@case("a certificate that is not trusted is refused by curl, hence TLS is TLS")
def _(s):
    for url in ("imaps://localhost:%d" % s.port["imaps"], "smtps://localhost:%d" % s.port["submissions"], "pop3s://localhost:%d" % s.port["pop3s"]):
        p = subprocess.run(["curl", "-sS", "-4", "--max-time", "10", url, "-u", "alice@demo.test:demo"], capture_output=True)
        check_equal(p.returncode, 60, url)
    for version in ("1.2", "1.3"):
        curl(s, "imaps://localhost:%d" % s.port["imaps"], "-4", "--tlsv" + version, "--tls-max", version)
    p = subprocess.run(["curl", "-sS", "-4", "--cacert", s.ca, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "ALL@SECLEVEL=0",
                        "imaps://localhost:%d" % s.port["imaps"]], capture_output=True)
    check_equal(p.returncode, 35, "TLS 1.1")


if __name__ == "__main__":
    tap.need_programs("curl")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
