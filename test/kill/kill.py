#!/usr/bin/env python3
"""test/kill/kill.py [--rounds N] [--seed N] - kill -9 of each role, of several and of all, under load.

What is promised: no acknowledged letter is lost; a letter is there twice only where a client never saw the reply to an earlier try; service is back
within a second of a role's death; what is stored obeys its invariants.
"""
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap
from client import Raw, expect, wait_until
from load import ACCOUNTS, POPPER, Load, text_of
from server import Server, group_of
from tap import case, check_equal, comment

ROLES = ("keys", "auth", "edge-in", "edge-user", "post", "scan", "store", "relay", "fetch")
BACK_WITHIN_S = 1.0
EARLY_S = 5  # a role that dies sooner after its start has died early
MANY = {"smtp_commands": 1000000, "smtp_letters": 1000000, "smtp_errors": 100000, "connections_per_address_strangers": 500,
        "connections_per_address_users": 500, "connections_users": 2000}


def word(name, default):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


class Trial:
    def __init__(self, server):
        self.s, self.load = server, Load(server)
        self.n_probes, self.back, self.late = 0, [], []
        self.random = random.Random(word("--seed", int(time.time())))

    # ---- is there service?

    def probe(self):
        """A letter in by SMTP and out by IMAP under TLS, on new connections."""
        self.n_probes += 1
        subject = "probe %d" % self.n_probes
        with Raw(self.s, "smtp", timeout=5) as c:
            expect(c.smtp("EHLO probe.test"), 250)
            expect(c.smtp("MAIL FROM:<probe@far.test>"), 250)
            expect(c.smtp("RCPT TO:<probe@demo.test>"), 250)
            expect(c.smtp("DATA"), 354)
            c.send("Subject: %s\r\n\r\nx\r\n.\r\n" % subject)
            expect(c.smtp(), 250)
        with Raw(self.s, "imaps", tls=True, timeout=5).imap_login("probe", select="INBOX") as c:
            answer = c.imap('UID SEARCH SUBJECT "%s"' % subject)
            assert len(answer[0].split()) > 2, answer

    def until_back(self, began, what):
        """Seconds from began until a round trip works."""
        while True:
            try:
                self.probe()
                break
            except (OSError, EOFError, AssertionError, ValueError) as e:
                last = e
            assert time.monotonic() - began < 60, "no service a minute after the kill of %s: %r" % (what, last)
            time.sleep(0.01)
        took = time.monotonic() - began
        self.back.append((what, took))
        return took

    # ---- kills

    def kill(self, pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill_role(self, role):
        pids = wait_until(lambda: self.s.pids(role), what="a process of " + role)
        self.kill([self.random.choice(pids)])
        return self.until_back(time.monotonic(), role)

    def kill_several(self, chosen):
        """chosen: (role, index) of processes."""
        pids = [r["pid"] for r in self.s.roles() if (r["role"], r["index"]) in chosen and r["pid"] > 0]
        self.kill(pids)
        return self.until_back(time.monotonic(), "+".join(role for role, _i in chosen))

    def kill_everything(self, how):
        began = time.monotonic()
        if how == "group":
            self.s.kill_all()
        else:
            self.s.process.kill()
            self.s.process.wait()
            wait_until(lambda: not group_of(self.s.process.pid), 2, "the end of roles without master")
        self.s.start()
        return self.until_back(began, how)

    def kill_until_quick(self, kill, *what):
        """The machine may have had something else to do: only who is late three times is late."""
        for again in range(3):
            if again:
                time.sleep(EARLY_S)
            n = len(self.back)
            if kill(*what) < BACK_WITHIN_S:
                return
            late = self.back[n]
        self.late.append((late[0], "%.2f s" % late[1]))

    def quiet(self):
        time.sleep(self.random.uniform(0.3, 0.8))


def figures(trial, chosen):
    for what in sorted({w for w, _t in chosen}):
        comment("%s: back after %s s" % (what, " ".join("%.2f" % t for w, t in chosen if w == what)))


@case("each role is killed under load, in turn: service is back within a second")
def _(trial):
    for name in ACCOUNTS + [POPPER, "probe"]:
        trial.s.add_account(name)
    for name in ACCOUNTS:
        c = trial.s.imap(name)
        c.create("appended")
        c.logout()
    trial.load.start()
    trial.quiet()
    trial.until_back(time.monotonic(), "nothing")
    for _ in range(word("--rounds", 3)):
        for role in ROLES:
            trial.kill_until_quick(trial.kill_role, role)
            trial.quiet()
    figures(trial, trial.back)
    check_equal(trial.late, [], "not back within a second")


@case("several roles are killed at once, then all of them but master: service is back within a second")
def _(trial):
    n = len(trial.back)
    every = [(r["role"], r["index"]) for r in trial.s.roles()]
    trial.random.shuffle(every)
    for chosen in (every[:3], every[3:6], every[6:]):  # each once: who dies often in a few seconds is revived with delay
        trial.kill_until_quick(trial.kill_several, chosen)
        trial.quiet()
    time.sleep(EARLY_S)
    trial.kill_until_quick(trial.kill_several, every)
    trial.quiet()
    figures(trial, trial.back[n:])
    check_equal(trial.late, [], "not back within a second")


@case("master and all roles are killed and started again; roles end with their master")
def _(trial):
    n = len(trial.back)
    for how in ("group", "master", "group"):
        trial.kill_everything(how)
        trial.quiet()
    figures(trial, trial.back[n:])


@case("every client came through, and read nothing that was not written")
def _(trial):
    trial.load.stop()
    check_equal(trial.load.errors[:5], [])
    load = trial.load
    comment("%d letters, %d acknowledged; tries: %d refused, %d unsent, %d unknown; %d read by IMAP, %d popped" % (len(load.letters),
            load.n_acknowledged(), load.count("refused"), load.count("unsent"), load.count("unknown"), load.n_reads, len(load.popped)))
    assert load.n_acknowledged() > 100, "hardly any load"


def contents(trial, account, mailbox):
    """[(uidvalidity, uid, number)] of a mailbox; every letter's bytes are checked."""
    found = []
    with Raw(trial.s, "imap", timeout=60).imap_login(account) as c:
        answer = c.imap("EXAMINE " + mailbox)
        validity = int(re.search(r"UIDVALIDITY (\d+)", "\n".join(answer)).group(1))
        if "* 0 EXISTS" in answer:
            return found
        c.say("f UID FETCH 1:* (FLAGS BODY.PEEK[])")
        while True:
            line = c.line()
            if line.startswith("f "):
                assert line.startswith("f OK"), line
                return found
            if not line.endswith("}"):
                continue
            data = c.read(int(line[line.rindex("{") + 1:-1]))
            number = trial.load.check_letter(data)
            rest = line + c.line()
            uid = int(re.search(r"UID (\d+)", rest).group(1))
            found.append((validity, uid, number))
            if mailbox == "appended":
                assert "\\Flagged" in rest and "number%d" % (number % 10) in rest, rest


def waiting(trial):
    return any(re.search(r"waiting [1-9]|running [1-9]", l) for l in trial.s.run("status", check=False)[1].splitlines() if l.startswith("lane"))


def tally(trial):
    """{(account, mailbox): [(uidvalidity, uid, number)]}"""
    return {(a, m): contents(trial, a, m) for a in ACCOUNTS + [POPPER] for m in ("INBOX", "appended") if not (a == POPPER and m == "appended")}


@case("every acknowledged letter is there; twice only where a reply was never seen")
def _(trial):
    load = trial.load
    wait_until(lambda: not waiting(trial), 60, "the end of the queue")
    trial.there = tally(trial)
    counts = {}
    for (account, mailbox), rows in trial.there.items():
        for _v, _u, number in rows:
            counts[number, account] = counts.get((number, account), 0) + 1
    lost, extra, twice = [], [], 0
    for l in load.letters:
        for account in l.accounts:
            n = counts.pop((l.number, account), 0)
            popped = load.popped.get(l.number, 0) + load.pop_unknown.get(l.number, 0) if account == POPPER else 0
            if l.acknowledged and n + popped == 0:
                lost.append((l.number, account, l.mailbox, l.replies))
            if n > (1 if l.acknowledged else 0) + l.unknown:
                extra.append((l.number, account, l.mailbox, n, l.unknown, l.replies))
            elif n > 1:
                twice += 1
    comment("%d letters are there more than once, after %d tries that were never answered" % (twice, load.count("unknown")))
    check_equal(lost[:10], [], "%d lost" % len(lost))
    check_equal(extra[:10], [], "%d more often than their tries allow" % len(extra))
    check_equal(list(counts.items())[:10], [], "letters of nobody")
    check_equal(load.errors[:5], [])


@case("what a reader has seen is there under the same UID")
def _(trial):
    there = {(a, m, v, u): n for (a, m), rows in trial.there.items() for v, u, n in rows}
    wrong = [(k, n, there.get(k)) for k, n in trial.load.seen.items() if there.get(k) != n]
    check_equal(wrong[:10], [], "%d of %d" % (len(wrong), len(trial.load.seen)))


@case("what is stored obeys its invariants, also after another start, which changes nothing")
def _(trial):
    trial.s.verify()
    status, took = trial.s.stop()
    check_equal(status, 0)
    trial.s.start()
    check_equal(tally(trial), trial.there)
    comment(trial.s.verify().splitlines()[-1])


if __name__ == "__main__":
    with Server({"limits": MANY}, accounts=(), level="warning" if "--quiet" in sys.argv else "info") as server:
        trial = Trial(server)
        try:
            failed = tap.run(trial, on_failure=server.show_log, only=[])
        finally:
            trial.load.stopping = True
    sys.exit(failed > 0)
