#!/usr/bin/env python3
"""test/interop/bad_conf.py - every broken configuration is answered with file, line and reason, and starts nothing; nor does a reload take it."""
import glob
import os
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from server import ROOT, Server, free_base
from tap import case, check_equal, check_in

BAD = sorted(glob.glob(os.path.join(ROOT, "test", "data", "conf", "bad", "*.conf")))


def expected(path):
    with open(path, "rb") as f:
        first = f.readline().decode("utf-8", "replace").rstrip("\n")
    assert first.startswith("# expect: "), path
    return first[len("# expect: "):]


def defaults():
    """What stands where a server without settings of its own would put things: a real one may be installed here."""
    return {name: sorted(os.listdir(name)) if os.path.isdir(name) else None for name in ("/var/lib/sallyport", "/run/sallyport")}


def refused(s, path, *words):
    p = subprocess.run([s.bin, "-c", path, *words], capture_output=True, timeout=20, stdin=subprocess.DEVNULL, cwd=s.dir)
    err = p.stderr.decode("utf-8", "replace")
    assert p.returncode == 1, "%s %r: status %d: %s" % (path, words, p.returncode, err)
    return err


def broken(s, old, new):
    """The server's own configuration with some words of it changed, on other ports and with other directories."""
    text = s.conf_text()
    assert old in text, old
    text = text.replace(old, new, 1)
    path = os.path.join(s.dir, "broken.conf")
    base = free_base(len(s.port))
    for i, port in enumerate(s.port.values()):
        text = text.replace("port %d" % port, "port %d" % (base + i))
    with open(path, "w") as f:
        f.write(text.replace(s.dir + "/run", s.dir + "/run2").replace(s.dir + "/data", s.dir + "/data2"))
    return path


@case("a hundred broken files and more")
def _(s):
    assert len(BAD) >= 100, len(BAD)


@case("`run` and `config check` name file and line and say why, for each of them; no directory is made")
def _(s):
    before = defaults()
    for path in BAD:
        for words in (("config", "check"), ("run",)):
            err = refused(s, path, *words)
            check_in(expected(path), err, path)
            for line in err.splitlines():
                assert re.match(re.escape(path) + r"(:\d+)?: \S", line) or line.startswith("sallyport: "), (path, line)
            assert re.search(re.escape(path) + r":\d+: ", err) or "no_hostname" in path or "no_listener" in path, (path, err)
            assert "\0" not in err and "\x1b" not in err, path
    check_equal(defaults(), before)


@case("a reload with any of them changes nothing, and the log says why")
def _(s):
    good = s.conf_text()
    for path in BAD:
        shutil.copy(path, s.conf)
        assert not s.reload(), path
    s.write_conf(good)
    assert s.reload()
    s.imap("alice").logout()


@case("what is well formed and cannot work here: each with its reason and the way out")
def _(s):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    with open(s.dir + "/garbage.pem", "w") as f:
        f.write("not a certificate\n")
    with open(s.dir + "/file", "w") as f:
        f.write("x")
    for name, change, words in (
        ("certificate missing", (s.dir + "/cert.pem", s.dir + "/none.pem"), ("none.pem", "No such file")),
        ("certificate garbage", (s.dir + "/cert.pem", s.dir + "/garbage.pem"), ("garbage.pem",)),
        ("key garbage", (s.dir + "/key.pem", s.dir + "/garbage.pem"), ("garbage.pem",)),
        ("key of another", (s.dir + "/key.pem", s.dir + "/ca.key"), ("key",)),
        ("data_dir is a file", ("data_dir " + s.dir + "/data", "data_dir " + s.dir + "/file"), (s.dir + "/file",)),
        ("run_dir is a file", ("run_dir " + s.dir + "/run", "run_dir " + s.dir + "/file"), (s.dir + "/file",)),
        ("log file in nowhere", ("log { level info", "log { file /nowhere/log; level info"), ("/nowhere/log", "No such file")),
        ("user unknown", ("user nobody", "user nobody-of-this-name"), ("nobody-of-this-name",)),
        ("port taken", ("port %d" % s.port["smtp"], "port %d" % port), (str(port), "has this port")),
    ):
        err = refused(s, broken(s, *change), "run")
        for word in words:
            check_in(word, err, name)
        assert 2 < len(err.split()) < 200, (name, err)
    taken.close()


@case("no file, a directory, an empty file, and one that is too long")
def _(s):
    os.mkdir(s.dir + "/directory.conf")
    open(s.dir + "/empty.conf", "w").close()
    with open(s.dir + "/long.conf", "w") as f:
        f.write("# " + "x" * (1 << 20) + "\n")
    for name in ("none.conf", "directory.conf", "empty.conf", "long.conf"):
        err = refused(s, os.path.join(s.dir, name), "run")
        check_in(name, err)


def main():
    with Server() as s:
        return tap.run(s, on_failure=s.show_log)


sys.exit(1 if main() else 0)
