#!/usr/bin/env python3
"""bench/queue.py [RECIPIENTS] - a long queue: 100 recipients a letter at 100 domains, each a group of its own in the queue, all behind a next hop that is
down. How fast it fills, how long a start takes, what store and post hold of it in memory, how long a domain's list takes, and how fast it drains when the
server is there. Prints TAP; 20,000 recipients by default, as the checks run it.
"""
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))
import tap
from client import Raw, wait_until
from server import Server, free_base
from tap import case, check_equal, comment

PER_LETTER, N_CONNECTIONS = 100, 8
LIMITS = {"letter_rate": 0, "connection_rate": 0, "connections_per_address_users": 500, "smtp_letters": 10000000, "smtp_commands": 100000000}
SINK = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "test-sink")


def memory(pid):
    """Megabytes that are this process's own, and its share of what others have too."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int([l for l in f if l.startswith("Pss:")][0].split()[1]) / 1024


class Filler(threading.Thread):
    """Submits letters number first, first + step ... below n."""

    def __init__(self, trial, first, step, n):
        super().__init__(daemon=True)
        self.trial, self.numbers, self.n_done, self.error = trial, range(first, n, step), 0, None

    def run(self):
        try:
            with Raw(self.trial.s, "submission", timeout=120) as c:
                assert c.smtp("EHLO load.test")[0] == 250
                assert c.smtp("AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZW1v")[0] == 235
                for number in self.numbers:
                    self.send(c, number)
        except Exception as e:
            self.error = e

    def send(self, c, number):
        at = number * PER_LETTER
        lines = ["MAIL FROM:<alice@demo.test>"] + ["RCPT TO:<r%d@d%d.test>" % (i, i % self.trial.n_domains) for i in range(at, at + PER_LETTER)] + ["DATA"]
        c.send("".join(l + "\r\n" for l in lines))
        for want in ["250"] * (PER_LETTER + 1) + ["354"]:
            line = c.line()
            assert line.startswith(want), line
        c.send("From: <alice@demo.test>\r\nSubject: letter %d\r\n\r\n%s.\r\n" % (number, "what is said\r\n" * 70))
        line = c.line()
        assert line.startswith("250"), line
        self.n_done += 1


class Trial:
    def __init__(self, n):
        self.n = n // PER_LETTER * PER_LETTER
        self.n_domains = max(PER_LETTER, min(10000, self.n // PER_LETTER))
        self.port = free_base(1)
        self.s = Server({"queue": {"account_rate": 0, "retry_first": "1h", "retry_max": "2h", "suppress_after": 0}, "limits": LIMITS}, accounts=("alice",))
        self.s.extra_listeners += ["route * { next_hop 127.0.0.1:%d; tls none }" % self.port]
        self.s.write_conf()
        self.sink = None

    def figure(self, what, seconds=None, n=None):
        text = what
        if seconds is not None:
            text += ": %.2f s" % seconds
            if n:
                text += ", %.0f a second" % (n / seconds)
        comment(text)

    def count(self):
        """Groups that wait, by what the command says of all domains."""
        return sum(int(l.split("\t")[1]) for l in self.s.run("queue", "count").splitlines())

    def tell_memory(self, when):
        for role in ("store", "post", "relay"):
            for pid in self.s.pids(role):
                comment("%s, %s: %.0f MB, %.0f bytes a recipient" % (role, when, memory(pid), memory(pid) * 1048576 / self.n))

    def close(self):
        self.s.close()
        if self.sink and self.sink.poll() is None:
            self.sink.terminate()


@case("the queue is filled by submission")
def _(t):
    t.tell_memory("empty")
    began = time.monotonic()
    fillers = [Filler(t, i, N_CONNECTIONS, t.n // PER_LETTER) for i in range(N_CONNECTIONS)]
    for f in fillers:
        f.start()
    for f in fillers:
        f.join()
    check_equal([f.error for f in fillers if f.error], [])
    check_equal(sum(f.n_done for f in fillers) * PER_LETTER, t.n)
    t.figure("%d recipients in %d letters at %d domains" % (t.n, t.n // PER_LETTER, t.n_domains), time.monotonic() - began, t.n)
    t.tell_memory("full")


@case("a start with it: ready, and all of it known again")
def _(t):
    began = time.monotonic()
    t.s.stop(120)
    t.figure("stop", time.monotonic() - began)
    began = time.monotonic()
    t.s.start()
    t.figure("ready", time.monotonic() - began)
    wait_until(lambda: t.s.run("queue", "count", check=False)[0] == 0, 300)
    t.figure("the queue is counted", time.monotonic() - began)
    check_equal(t.count(), t.n)
    t.tell_memory("after a start")


@case("one domain is listed")
def _(t):
    began = time.monotonic()
    lines = t.s.run("queue", "list", "--domain", "d7.test").splitlines()
    t.figure("a list of one domain, %d lines" % len(lines), time.monotonic() - began)
    check_equal(len(lines), t.n // t.n_domains)
    assert all("\td7.test\t" in l for l in lines)


@case("a letter comes in and leaves at once beside it, for a domain that is not down")
def _(t):
    with t.s.smtp("submission", login="alice") as c:
        began = time.monotonic()
        check_equal(c.sendmail("alice@demo.test", ["alice@demo.test"], "Subject: local\r\n\r\nx\r\n"), {})
        t.figure("a letter to an account", time.monotonic() - began)


@case("it drains when the server is there: each recipient once, and nothing is left")
def _(t):
    t.sink = subprocess.Popen([SINK, "-n", str(t.n), "127.0.0.1", str(t.port)], stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    began = time.monotonic()
    subprocess.run(t.s.command_line("queue", "retry", "--all"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # those on their way stay as they are, of which it tells
    t.figure("queue retry --all", time.monotonic() - began)
    out, _none = t.sink.communicate(timeout=max(60, t.n / 500))
    took = time.monotonic() - began
    comment(out.strip())
    t.figure("drained", took, t.n)
    found = dict(w.split("=") for w in out.split())
    check_equal(int(found["recipients"]), t.n)
    comment("%d recipients in %s transactions" % (t.n, found["letters"]))
    wait_until(lambda: t.s.run("queue", "count") == "", 60, "an empty queue")
    t.tell_memory("drained")
    t.s.verify()


if __name__ == "__main__":
    trial = Trial(int(sys.argv[1]) if len(sys.argv) > 1 else 20000)
    try:
        trial.s.start(fill=True)
        failed = tap.run(trial, on_failure=trial.s.show_log, only=[])
    finally:
        trial.close()
    sys.exit(failed > 0)
