#!/usr/bin/env python3
"""test/interop/with_imapflow.py - Node's ImapFlow, over implicit TLS and STARTTLS. Its packages are installed as node/package-lock.json says."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(HERE, "node")
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import tap
from server import Server
from tap import case, check_equal, check_in

NAME = "Entw\u00fcrfe \u65b0/tief"


def walk(s, tls, account):
    p = subprocess.run(["node", os.path.join(NODE, "imapflow.mjs"), str(s.port["imaps" if tls == "imaps" else "imap"]), tls, s.ca, account],
                       capture_output=True, text=True, timeout=60)
    check_equal(p.returncode, 0, "node: %s%s" % (p.stdout, p.stderr))
    said = json.loads(p.stdout)
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


def install():
    """What the lock says, unless that is there already."""
    done = os.path.join(NODE, "node_modules", ".package-lock.json")
    lock = os.path.join(NODE, "package-lock.json")
    if os.path.exists(done) and os.path.getmtime(done) >= os.path.getmtime(lock):
        return
    p = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, text=True, timeout=110)
    if p.returncode:
        tap.comment(p.stdout + p.stderr)
        tap.skip_all("npm ci fails: no registry?")


if __name__ == "__main__":
    tap.need_programs("node", "npm")
    install()
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
