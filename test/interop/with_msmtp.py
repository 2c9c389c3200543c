#!/usr/bin/env python3
"""test/interop/with_msmtp.py - msmtp on 587 with STARTTLS and on 465: each way to log in that it shares with us, a client's certificate, letters as
sendmail takes them. Debian's is built without -PLUS."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import client_certificate, empty, subjects
from server import Server
from tap import case, check_equal, check_in

ALICE = "alice@demo.test"
MODES = (("implicit TLS", "submissions", "off"), ("STARTTLS", "submission", "on"))
WAYS = ("on", "plain", "login", "scram-sha-1", "scram-sha-256")  # on: what it thinks best
EX_OK, EX_DATAERR, EX_UNAVAILABLE, EX_NOPERM = 0, 65, 69, 77  # of sysexits.h


def msmtp(s, mode, auth, text, *words, status=EX_OK, password="demo", trust=None, more=""):
    _, service, starttls = mode
    rc = os.path.join(s.dir, "msmtprc")
    with open(rc, "w") as f:
        f.write("account default\nhost localhost\nport %d\ntls on\ntls_starttls %s\ntls_trust_file %s\nauth %s\nuser %s\npassword %s\nfrom %s\n%s" % (
            s.port[service], starttls, trust or s.ca, auth, ALICE, password, ALICE, more))
    os.chmod(rc, 0o600)
    p = subprocess.run(["msmtp", "-C", rc] + list(words), input=text, capture_output=True, text=True, timeout=40)
    check_equal(p.returncode, status, "%s %s: %s%s" % (mode[0], auth, p.stdout, p.stderr))
    return p.stdout + p.stderr


def text_of(subject, more=""):
    return "From: Alice <%s>\nTo: Bob <bob@demo.test>\n%sSubject: %s\n\nbody\n.dot\n..dots\n" % (ALICE, more, subject)


def sends(mode):
    @case("%s: every way to log in; the certificate judged by tls_trust_file" % mode[0])
    def _(s):
        empty(s.imap("bob"))
        for way in WAYS:
            msmtp(s, mode, way, text_of("way " + way), "bob@demo.test")
        c = s.imap("bob", select="INBOX")
        check_equal(subjects(c), ["way " + way for way in WAYS])
        check_equal(c.fetch("1", "(BODY.PEEK[TEXT])")[1][0][1], b"body\r\n.dot\r\n..dots\r\n")
        c.logout()
        check_in("certificate", msmtp(s, mode, "plain", text_of("x"), "bob@demo.test", trust="/etc/ssl/certs/ca-certificates.crt",
                                      status=EX_UNAVAILABLE))

    @case("%s: a wrong password is told for each way" % mode[0])
    def _(s):
        for way in WAYS:
            check_in("535 5.7.8", msmtp(s, mode, way, text_of("x"), "bob@demo.test", password="wrong", status=EX_NOPERM))

    @case("%s: -t takes the recipients from the letter, and nobody sees Bcc; an unknown one is told" % mode[0])
    def _(s):
        for who in ("alice", "bob"):
            empty(s.imap(who))
        msmtp(s, mode, "on", text_of("by -t", "Bcc: %s\n" % ALICE), "-t")
        for who in ("alice", "bob"):
            c = s.imap(who, select="INBOX")
            check_equal(subjects(c), ["by -t"])
            assert b"Bcc" not in c.fetch("1", "(BODY.PEEK[HEADER])")[1][0][1]
            c.logout()
        check_in("550 5.1.1", msmtp(s, mode, "on", text_of("unknown"), "nobody@demo.test", status=EX_DATAERR))

    @case("%s: a pinned certificate logs in by EXTERNAL, another does not" % mode[0])
    def _(s):
        empty(s.imap("bob"))
        for name, status in (("pinned", EX_OK), ("stranger", EX_NOPERM)):
            certificate, key = client_certificate(s, "%s-%s" % (name, mode[1]))
            if status == EX_OK:
                s.run("certificate", "pin", ALICE, certificate)
            msmtp(s, mode, "external", text_of(name), "bob@demo.test", status=status, password="unused",
                  more="tls_cert_file %s\ntls_key_file %s\n" % (certificate, key))
        c = s.imap("bob")
        check_equal(subjects(c), ["pinned"])
        c.logout()


for _mode in MODES:
    sends(_mode)


if __name__ == "__main__":
    tap.need_programs("msmtp", "openssl")
    with Server({"limits": {"login_failures": 0, "login_failures_login": 0}, "timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}},
                listener_options="client_certificate yes") as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
