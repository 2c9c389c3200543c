#!/usr/bin/env python3
"""test/interop/keeping.py - backups of a server in use, read back, pruned, restored; undelete; kill -9 and a full disk in between."""
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, letter
from server import Server
from tap import case, check_equal, check_in


def fields(line):
    return line.rstrip("\n").split("\t")


def backup(s, where, *more):
    """A run that must succeed: {"run": 3, "kind": "full", "bodies": 5, "new": 1}."""
    f = fields(s.run("backup", where, *more))
    return {"run": int(f[1]), "kind": f[2], "new_partitions": int(f[6]), "bodies": int(f[8]), "new": int(f[11])}


def runs(s, where):
    return [int(fields(line)[0]) for line in s.run("backup", "list", where).splitlines()]


def files(where, folder):
    return sorted(os.path.join(where, folder, n) for n in os.listdir(os.path.join(where, folder)))


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 0x55]))


def sized(subject, size):
    return letter(subject, "All work and no play makes a dull letter.\r\n" * (size // 43 + 1))


class Traffic:
    """Letters that keep coming in for two accounts until the block ends."""

    def __init__(self, s):
        self.s, self.n, self.stop = s, 0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        return self

    def work(self):
        while not self.stop.is_set():
            try:
                deliver(self.s, ("alice@demo.test", "bob@demo.test")[self.n % 2], sized("traffic %d" % self.n, random.choice((200, 5000, 90000))))
                self.n += 1
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join()


@case("a first run is full, the next brings only what is new, and all are read back whole")
def _(s):
    where = s.dir + "/keep"
    for i in range(20):
        deliver(s, "alice@demo.test", letter("first %d" % i))
    deliver(s, "alice@demo.test", sized("large", 900000))
    first = backup(s, where)
    check_equal((first["run"], first["kind"], first["bodies"], first["new"]), (1, "full", 21, 21))
    second = backup(s, where)
    check_equal((second["run"], second["kind"], second["bodies"], second["new"]), (2, "incremental", 21, 0))
    deliver(s, "bob@demo.test", letter("second"))
    third = backup(s, where)
    check_equal((third["bodies"], third["new"], third["new_partitions"]), (22, 1, 2))
    check_equal(runs(s, where), [1, 2, 3])
    check_equal(s.run("backup", "verify", where), "run\t1\twhole\nrun\t2\twhole\nrun\t3\twhole\n")
    check_equal(s.run("backup", "--verify", where, "--run", "2"), "run\t2\twhole\n")
    check_equal(os.stat(where).st_mode & 0o777, 0o700)
    for top, _dirs, names in os.walk(where):
        for name in names:
            check_equal(os.stat(os.path.join(top, name)).st_mode & 0o777, 0o600)


@case("letters keep coming in meanwhile; each run is whole")
def _(s):
    where = s.dir + "/keep"
    with Traffic(s) as t:
        for _i in range(5):
            backup(s, where)
        assert t.n > 0
    status, out, _err = s.run("backup", "verify", where, check=False)
    check_equal((status, out.count("whole")), (0, 8))


@case("a byte that changed is found in every kind of file, with the file and the place")
def _(s):
    where = s.dir + "/keep"
    for folder in ("bodies", "rows", "index", "runs"):
        path = random.choice(files(where, folder)[-3:])
        at = os.path.getsize(path) // 2
        flip(path, at)
        status, out, err = s.run("backup", "verify", where, check=False)
        check_equal(status, 1)
        check_in(path, out + err)
        flip(path, at)
    check_equal(s.run("backup", "verify", where, check=False)[0], 0)
    path = files(where, "bodies")[0]
    size = os.path.getsize(path)
    shutil.copy(path, s.dir + "/copy")
    os.truncate(path, size - 1)
    status, out, _err = s.run("backup", "verify", where, check=False)
    check_equal(status, 1)
    check_in("the file ends within a record" if "ends within" in out else "no record", out)
    os.unlink(path)
    check_in("missing", s.run("backup", "verify", where, check=False)[1])
    shutil.move(s.dir + "/copy", path)
    check_equal(s.run("backup", "verify", where, check=False)[0], 0)


@case("killed at any moment, a run leaves those before it whole, and the next one tidies up")
def _(s):
    where = s.dir + "/keep"
    before = runs(s, where)
    for i in range(12):
        deliver(s, "alice@demo.test", sized("killed %d" % i, 200000))
        p = subprocess.Popen(s.command_line("backup", where), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.004 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
        now = runs(s, where)
        check_equal(now[:len(before)], before)
    check_equal(s.run("backup", "verify", where, check=False)[0], 0)
    backup(s, where)
    left = [n for n in files(where, "bodies") + files(where, "rows") + files(where, "index") if n.endswith(".new")]
    check_equal(left, [])


@case("store killed under a run: the run fails and says so, the directory stays whole, the next run is incremental")
def _(s):
    where = s.dir + "/keep"
    for i in range(6):
        deliver(s, "alice@demo.test", sized("more %d" % i, 500000))
    p = subprocess.Popen(s.command_line("backup", where), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.01)
    os.kill(next(r["pid"] for r in s.roles() if r["role"] == "store"), signal.SIGKILL)
    p.communicate()
    end = time.monotonic() + 20
    while s.run("backup", where, check=False)[0] != 0:
        assert time.monotonic() < end, "no run succeeds after store began anew"
        time.sleep(0.2)
    check_equal(s.run("backup", "verify", where, check=False)[0], 0)
    check_equal(backup(s, where)["kind"], "incremental")


@case("prune keeps the newest runs and their files; a file that is mostly of no use is rewritten")
def _(s):
    where = s.dir + "/prune"
    for i in range(10):
        deliver(s, "bob@demo.test", sized("pruned %d" % i, 3000000))
    before = backup(s, where)["bodies"]
    c = s.imap("bob")
    c.select("INBOX")
    c.store("1:*", "+FLAGS", "(\\Deleted)")
    c.expunge()
    c.logout()
    s.set("store", keep_expunged="1s")
    s.restart()
    deliver(s, "bob@demo.test", letter("stays"))
    end = time.monotonic() + 30
    while backup(s, where)["bodies"] > before + 1 - 10:
        assert time.monotonic() < end, "nothing was collected"
        time.sleep(1)
    old = sum(os.path.getsize(p) for p in files(where, "bodies"))
    out = s.run("backup", "prune", where, "--keep", "1")
    check_equal(len(runs(s, where)), 1)
    check_equal(s.run("backup", "verify", where, check=False)[0], 0)
    assert sum(os.path.getsize(p) for p in files(where, "bodies")) < old / 2, out
    check_equal(fields(out)[5] != "0", True)
    check_equal(backup(s, where)["kind"], "incremental")
    check_equal(s.run("backup", "prune", where, "--keep", "0", check=False)[0], 2)


@case("a directory that is another's is refused and left as it is; two commands at once are not let in")
def _(s):
    other = s.dir + "/other"
    os.mkdir(other)
    with open(other + "/mine", "w") as f:
        f.write("x")
    status, _out, err = s.run("backup", other, check=False)
    check_equal((status, os.listdir(other)), (1, ["mine"]))
    check_in("no backup of Sallyport", err)
    check_equal(s.run("backup", "verify", s.dir + "/nothing", check=False)[0], 1)
    import fcntl
    with open(s.dir + "/keep/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check_in("another command", s.run("backup", s.dir + "/keep", check=False)[2])


@case("what a client expunged comes back with its flags; a deleted account too")
def _(s):
    s.set("store", keep_expunged="1h")
    s.restart()
    c = s.imap("alice")
    n = int(c.select("INBOX")[1][0])
    c.store("1", "+FLAGS", "(\\Flagged \\Deleted)")
    c.expunge()
    listed = s.run("undelete", "alice@demo.test", "--list")
    check_equal(len(listed.splitlines()), 1)
    check_in("INBOX\t1\t", listed)
    check_equal(s.run("undelete", "alice@demo.test", "--since", "1h"), "undeleted\t1\n")
    check_equal(int(c.select("INBOX")[1][0]), n)
    check_in(b"\\Flagged", c.fetch(str(n), "(FLAGS)")[1][0])
    c.logout()
    s.run("account", "delete", "alice@demo.test")
    check_equal(s.run("undelete", "--account", "alice@demo.test"), "")
    c = s.imap("alice")
    check_equal(int(c.select("INBOX")[1][0]), n)
    c.logout()
    check_equal(s.run("undelete", "alice@demo.test", "--since", "soon", check=False)[0], 2)
    check_equal(s.run("undelete", "nobody@demo.test", check=False)[0], 1)


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
