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


@case("a disk that is full ends a run with the reason; the runs before it are whole and the next one works where there is room again")
def _(s):
    if os.getuid() != 0:
        raise tap.Skip("only root can mount")
    where = s.dir + "/small"
    os.mkdir(where)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "none", where], check=False, capture_output=True).returncode:
        raise tap.Skip("no mount here")
    try:
        first = backup(s, where)
        free = os.statvfs(where)
        with open(where + "/filler", "wb") as f:
            f.write(b"x" * (free.f_bavail * free.f_frsize - 100000))
        deliver(s, "bob@demo.test", sized("too much", 300000))
        status, _out, err = s.run("backup", where, check=False)
        check_equal(status, 1)
        check_in("No space left on device", err)
        check_equal(runs(s, where), [first["run"]])
        check_equal(s.run("backup", "verify", where, check=False)[0], 0)
        os.unlink(where + "/filler")
        check_equal(backup(s, where)["kind"], "incremental")
        check_equal(s.run("backup", "verify", where, check=False)[0], 0)
    finally:
        subprocess.run(["umount", "-l", where], check=False)


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


def mailbox(c, name):
    """What a client sees of a mailbox: uidvalidity and, for each letter, uid, flags, date and bytes."""
    status, _data = c.select('"%s"' % name, readonly=True)
    check_equal(status, "OK")
    validity = int(c.response("UIDVALIDITY")[1][0])
    status, data = c.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
    rows = [(part[0].split(b"BODY")[0].split(b" ", 1)[1].replace(b" \\Recent", b"").replace(b"\\Recent", b""), part[1]) for part in data if isinstance(part, tuple)]
    return validity, rows


def picture(s, user):
    c = s.imap(user)
    names = sorted(line.split(b' "/" ')[1].strip(b'"').decode() for line in c.list()[1] if b"\\No" not in line)
    out = {name: mailbox(c, name) for name in names}
    c.logout()
    return out


def differences(a, b):
    if set(a) != set(b):
        return "mailboxes %s and %s" % (sorted(a), sorted(b))
    for name in a:
        if a[name][0] != b[name][0]:
            return "%s: uidvalidity %d and %d" % (name, a[name][0], b[name][0])
        if len(a[name][1]) != len(b[name][1]):
            return "%s: %d and %d letters" % (name, len(a[name][1]), len(b[name][1]))
        for x, y in zip(a[name][1], b[name][1]):
            if x != y:
                return "%s: %r and %r" % (name, x[0], y[0])
    return ""


@case("all of a backup comes back into an empty server as every client knew it")
def _(s):
    where = s.dir + "/keep"
    s.run("alias", "add", "team@demo.test", "alice@demo.test", "bob@demo.test")
    deliver(s, "team@demo.test", letter("to the team"))
    c = s.imap("alice")
    c.create("Projects/Sally")
    c.append('"Projects/Sally"', "(\\Seen $Later)", '"20-Nov-2026 10:00:00 +0000"', letter("appended"))
    c.select("INBOX")
    c.store("2:5", "+FLAGS", "(\\Seen $Odd)")
    c.copy("1:3", "Archive")
    c.uid("STORE", "3", "+FLAGS", "(\\Deleted)")
    c.expunge()
    c.logout()
    backup(s, where)
    want = {user: picture(s, user) for user in ("alice", "bob")}
    with Server(accounts=()) as other:
        other.run("domain", "add", "else.test")
        status, _out, err = other.run("restore", where, check=False)
        check_equal(status, 1)
        check_in("empty", err)
        other.run("domain", "delete", "else.test")
        other.run("domain", "delete", "demo.test")
        out = other.run("restore", where)
        check_equal(fields(out)[-1], "0")
        other.verify()
        for user in want:
            check_equal(differences(picture(other, user), want[user]), "")
        check_equal(other.run("alias", "list"), s.run("alias", "list"))
        check_equal([fields(x)[:5] for x in other.run("account", "list").splitlines()], [fields(x)[:5] for x in s.run("account", "list").splitlines()])
        check_in("INBOX\t3\t", other.run("undelete", "alice@demo.test", "--list"))
        check_equal(deliver(other, "team@demo.test", letter("after"))[0], 250)
        c = other.imap("alice")
        c.select("INBOX")
        uid = int(c.uid("SEARCH", "SUBJECT", "after")[1][0])
        assert uid > 1 << 20, uid
        c.logout()
        other.verify()
        check_equal(backup(other, where)["kind"], "full")  # another server's
        other.restart()
        other.verify()


@case("one account comes back into the server in use: under its own address, another's, beneath a folder")
def _(s):
    where = s.dir + "/keep"
    n = runs(s, where)[-2]
    want = picture(s, "alice")
    check_in("exists", s.run("restore", where, "alice@demo.test", "--run", str(n), check=False)[2])
    s.run("restore", where, "alice@demo.test", "--as", "carol@demo.test", "--run", str(n))
    got = picture(s, "carol")
    check_equal(differences(got, want), "")
    s.run("account", "delete", "alice@demo.test", "--now")
    s.run("restore", where, "alice@demo.test", "--run", str(n))
    check_equal(differences(picture(s, "alice"), want), "")
    s.run("restore", where, "alice@demo.test", "--as", "bob@demo.test", "--into-folder", "From Alice", "--run", str(n))
    got = picture(s, "bob")
    for name in want:
        check_equal([x[1] for x in got["From Alice/" + name][1]], [x[1] for x in want[name][1]])
    s.verify()
    check_equal(s.run("restore", where, "nobody@demo.test", check=False)[0], 1)
    check_equal(s.run("restore", where, "--as", "x@demo.test", check=False)[0], 2)
    check_equal(s.run("restore", where, "alice@demo.test", "--as", "x@else.test", check=False)[0], 1)
    check_equal(s.run("restore", s.dir + "/nothing", check=False)[0], 1)


@case("killed at any moment, a restore leaves no account that is half there")
def _(s):
    where = s.dir + "/keep"
    n = str(runs(s, where)[-2])  # the newest is the other server's
    for i in range(10):
        p = subprocess.Popen(s.command_line("restore", where, "alice@demo.test", "--as", "dave@demo.test", "--run", n), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.006 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
        time.sleep(0.05)
        listed = s.run("account", "list")
        if "dave@demo.test" in listed and "live" in next(x for x in listed.splitlines() if x.startswith("dave@")):
            check_equal(differences(picture(s, "dave"), picture(s, "alice")), "")
            s.run("account", "delete", "dave@demo.test", "--now")
    end = time.monotonic() + 15
    while "dave@" in s.run("account", "list"):
        assert time.monotonic() < end, "the half account stays"
        time.sleep(0.2)
    p = subprocess.Popen(s.command_line("restore", where, "alice@demo.test", "--as", "dave@demo.test", "--run", n), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    time.sleep(0.03)
    os.kill(s.pids("store")[0], signal.SIGKILL)
    p.wait()
    end = time.monotonic() + 20
    while s.run("restore", where, "alice@demo.test", "--as", "dave@demo.test", "--run", n, check=False)[0] != 0:
        assert time.monotonic() < end
        if "live" in s.run("account", "list", check=False)[1].split("dave@demo.test")[-1].split("\n")[0]:
            s.run("account", "delete", "dave@demo.test", "--now", check=False)
        time.sleep(0.3)
    check_equal(differences(picture(s, "dave"), picture(s, "alice")), "")
    s.verify()


@case("of a damaged backup nothing is given back unless asked to; then all but what is lost, which is listed")
def _(s):
    where = s.dir + "/damaged"
    before = len(picture(s, "alice")["INBOX"][1])
    backup(s, where)
    body = files(where, "bodies")[0]
    flip(body, os.path.getsize(body) // 2)
    status, out, err = s.run("restore", where, "alice@demo.test", "--as", "erin@demo.test", check=False)
    if status == 0:  # the damaged one was not alice's
        s.run("account", "delete", "erin@demo.test", "--now")
    else:
        check_in("damaged\t" + body, out)
        check_in("--skip-damaged", err)
        assert "erin@" not in s.run("account", "list")
    rows = next(p for p in files(where, "rows") if p.endswith("-" + "%x" % int(fields(next(
        x for x in s.run("account", "list").splitlines() if x.startswith("alice@")))[1])))
    flip(rows, os.path.getsize(rows) * 2 // 3)
    status, out, _err = s.run("restore", where, "alice@demo.test", "--as", "erin@demo.test", check=False)
    check_equal(status, 1)
    check_in("damaged\t" + rows, out)
    assert "erin@" not in s.run("account", "list")
    index = files(where, "index")[0]
    flip(index, 3)
    status, out, err = s.run("restore", where, "alice@demo.test", "--as", "erin@demo.test", "--skip-damaged", check=False)
    check_in("restored\t", out)
    after = len(picture(s, "erin")["INBOX"][1])
    assert before - 4 <= after <= before, (before, after)
    s.verify()


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
