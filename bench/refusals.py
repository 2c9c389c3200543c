#!/usr/bin/env python3
"""bench/refusals.py [N]: how long refusals take, by reason and mechanism: N of each (30), in turn. Median, and the 5th and 95th percentile, in ms; and for
each reason the probability that a refusal of it takes longer than one of an unknown user (0.5: nothing can be told; Mann-Whitney)."""
import os
import statistics
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "test", "lib"))
from sasl import Client
from server import Server

REASONS = ("unknown user", "wrong password", "switched off", "second factor", "expired code", "other network's code", "imported hash, wrong")


def fill(s):
    for name in ("off", "second", "codes", "old"):
        if name != "old":
            s.add_account(name)
    s.run("account", "set", "off@demo.test", "imap", "off")
    s.run("account", "set", "second@demo.test", "second-factor", "on")
    code = lambda *how: s.run("code", "add", "codes@demo.test", *how).split()[-1]
    expired, far = code("expired", "--expires", "1s"), code("far", "--networks", "192.0.2.0/24")
    s.run("account", "add", "old@demo.test", "--hash", stdin="{SSHA}80Zt2lbwppgA1m8mOTOYQLI8Ele6bUVR\n")
    time.sleep(1.2)
    return dict(zip(REASONS, (("ghost", "demo"), ("alice", "wrong"), ("off", "demo"), ("second", "demo"), ("codes", expired), ("codes", far), ("old", "wrong"))))


def longer(a, b):
    return sum((x > y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with Server({"limits": {"login_failures": 0, "login_failures_login": 0}, "timeouts": {"login_delay": "200ms", "login_delay_max": "200ms"}}) as s:
        who = fill(s)
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            took = {r: [] for r in REASONS}
            for _ in range(n):
                for reason, (user, secret) in who.items():
                    with Client(s, "imaps") as c:
                        began = time.perf_counter()
                        assert not c.login(mechanism, user + "@demo.test", secret)[0]
                        took[reason].append((time.perf_counter() - began) * 1000)
            for reason, ms in took.items():
                q = statistics.quantiles(ms, n=20)
                print("%-14s %-22s %7.1f  %7.1f to %7.1f  %.2f" % (mechanism, reason, statistics.median(ms), q[0], q[-1], longer(ms, took["unknown user"])))


main()
