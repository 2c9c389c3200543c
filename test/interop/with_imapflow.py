#!/usr/bin/env python3
"""test/interop/with_imapflow.py - Node's ImapFlow, over implicit TLS and STARTTLS. Its packages are installed as node/package-lock.json says."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import node
import tap
from server import Server
from tap import case, check_equal, check_in

NAME = "Entw\u00fcrfe \u65b0/tief"


def walk(s, tls, account):
    said = node.run("imapflow.mjs", s.port["imaps" if tls == "imaps" else "imap"], tls, s.ca, account)
    check_equal(said["secure"], True)
    check_in("CONDSTORE", said["enabled"])
    check_in("UTF8=ACCEPT", said["enabled"])
    check_equal(said["made"], [NAME, True])
    check_equal(said["again"], False)
    check_equal(said["uids"], [1, 2, 3, 4, 5, 6])
    check_equal({k: said["status"][k] for k in ("messages", "unseen", "uidNext")}, {"messages": 6, "unseen": 3, "uidNext": 7})
    assert int(said["status"]["highestModseq"]) > 6
    listed = {m["path"]: m for m in said["list"]}
    check_equal(listed[NAME]["messages"], 6)
    check_equal(listed["Sent"]["use"], "\\Sent")
    check_equal(listed["INBOX"]["subscribed"], True)
    check_equal(listed[NAME]["subscribed"], True)  # ImapFlow does that by itself
    check_equal(said["exists"], 6)
    check_equal(said["flagged"], [2, 4, 6])
    check_equal(said["byHeader"], [3])
    check_equal(said["byText"], [5])
    check_equal(said["envelopes"][0], [1, "number 1", ["\\Seen", "work"], "1996-07-17T00:00:00.000Z", "text/plain"])
    check_equal(said["envelopes"][5][:3], [6, "number 6", ["\\Flagged"]])
    check_equal(said["same"], True)
    check_equal(sorted(said["changed"]), [1, 2])
    check_equal(said["copied"], [1, 2])
    check_equal(said["moved"], [3])
    check_equal(said["deleted"], True)
    check_equal(said["left"], [1, 2, 5, 6])
    check_equal(said["quota"]["path"], "INBOX")
    check_equal(said["renamed"], NAME.replace("tief", "flach"))
    check_equal(said["after"], [])
    check_equal(said["news"], 1)


@case("over STARTTLS: names in UTF-8, LIST-STATUS, APPEND, CONDSTORE, COPY, MOVE, QUOTA, IDLE")
def _(s):
    walk(s, "starttls", "alice")


@case("over implicit TLS: the same")
def _(s):
    walk(s, "imaps", "bob")


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    node.install()
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
