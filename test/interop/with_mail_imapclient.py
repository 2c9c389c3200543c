#!/usr/bin/env python3
"""test/interop/with_mail_imapclient.py - Perl's Mail::IMAPClient, over implicit TLS and STARTTLS."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap
from server import Server
from tap import case, check_equal, check_in


def walk(s, tls, account):
    s.run("account", "set", s.address(account), "quota-messages", "1000")
    p = subprocess.run(["perl", os.path.join(HERE, "perl", "mail_imapclient.pl"), str(s.port["imaps" if tls == "imaps" else "imap"]), tls, s.ca,
                        account], capture_output=True, text=True, timeout=60)
    check_equal(p.returncode, 0, "perl: %s%s" % (p.stdout, p.stderr))
    said = dict(line.split(" ", 1) for line in p.stdout.splitlines())
    for name in ("IMAP4REV1", "IMAP4REV2", "UIDPLUS", "MOVE", "QUOTA", "CONDSTORE"):
        check_in(name, said["capability"].split(","))
    check_equal(said["folders"], "Archive,Drafts,INBOX,Junk,Sent,Trash,perl/one,perl/two")
    check_in("perl/two", said["subscribed"].split(","))
    check_equal(said["uids"], "1 2 3 4 5")
    check_equal(said["count"], "5 2")
    check_equal(said["uidnext"], "6")
    check_equal(said["search"], "3 2 4")
    check_equal(len(set(said["sizes"].split(","))), 1)
    check_equal(said["subject"], "number 2")
    check_equal(said["body"], "body 1")
    check_equal(said["structure"], "TEXT")
    check_equal(said["envelope"], "number 3")
    check_equal(sorted(x for x in said["flags"].split(",") if x != "\\Recent"), ["\\Answered", "\\Seen", "work"])
    check_equal(said["left"], "4")
    check_equal(said["two"], "3")
    check_equal(said["after"], "3")
    check_equal(re.sub(r"MESSAGE \d+ ", "MESSAGE n ", said["quota"].strip()), '* QUOTA "" (MESSAGE n 1000)')
    check_equal(said["status"], "3")
    check_equal(said["exists"], "0 1")


@case("over STARTTLS: folders, appends, searches, fetches, copies, moves, quota, IDLE")
def _(s):
    walk(s, "starttls", "alice")


@case("over implicit TLS: the same")
def _(s):
    walk(s, "imaps", "bob")


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs("perl")
    if subprocess.run(["perl", "-MMail::IMAPClient", "-MIO::Socket::SSL", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        tap.fail_all("not installed: Mail::IMAPClient; tools/install-deps check installs it")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
