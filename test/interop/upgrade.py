#!/usr/bin/env python3
"""test/interop/upgrade.py - data of format 1: refused with a way out, upgraded in place, also when that is killed; then in use as before."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, letter
from server import Server
from tap import case, check_equal, check_in


def make_old(s):
    subprocess.run([os.path.join(os.path.dirname(s.bin), "test-format1"), s.dir + "/data"], check=True, stdout=subprocess.DEVNULL)
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "nobody", s.dir + "/data"], check=True)


def format_of(s):
    with open(s.dir + "/data/format") as f:
        return f.read().strip()


@case("a server does not start on data of an older format, and says both numbers and the way out; nothing was changed")
def _(s):
    for i in range(30):
        deliver(s, "alice@demo.test", letter("old %d" % i))
    s.run("passwd", "bob@demo.test", stdin="other\n")
    check_equal(format_of(s), "sallyport 2")
    s.stop()
    make_old(s)
    check_equal(format_of(s), "sallyport 1")
    status, _out, err = s.run("run", check=False)
    check_equal(status, 1)
    check_in("its format is 1, this program's is 2", err)
    check_in("sallyport upgrade", err)
    with open(s.dir + "/data/format", "w") as f:
        f.write("sallyport 3\n")
    check_in("its format is 3, this program's is 2; start the newer", s.run("run", check=False)[2])
    with open(s.dir + "/data/format", "w") as f:
        f.write("sallyport 1\n")
    check_equal(format_of(s), "sallyport 1")


@case("the command killed at any moment is begun again")
def _(s):
    for i in range(8):
        p = subprocess.Popen(s.command_line("upgrade"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.015 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
        check_in(format_of(s), ("sallyport 1", "sallyport 2"))
        if format_of(s) == "sallyport 2":
            make_old(s)


@case("a disk without room, data in use: refused, and nothing is changed")
def _(s):
    s.settings.setdefault("", {})["disk_reserve"] = "60000G"
    s.write_conf()
    status, _out, err = s.run("upgrade", check=False)
    check_equal(status, 1)
    check_in("Make room", err)
    s.settings[""]["disk_reserve"] = "1M"
    s.write_conf()
    check_equal(format_of(s), "sallyport 1")


@case("upgraded, the server starts; accounts log in with their passwords and read what they had; done twice it changes nothing")
def _(s):
    out = s.run("upgrade")
    # Of the rows a killed try may have rewritten some already.
    check_in(out, ["format\t1\tto\t2\taccounts\t2\trows\t%d\n" % n for n in range(3)])
    check_equal(format_of(s), "sallyport 2")
    check_equal(s.run("upgrade"), "format\t2\tto\t2\taccounts\t0\trows\t0\n")
    s.start()
    s.verify()
    c = s.imap("alice")
    check_equal(int(c.select("INBOX")[1][0]), 30)
    check_in(b"Subject: old 29", c.fetch("30", "(BODY.PEEK[])")[1][0][1])
    c.logout()
    check_equal(deliver(s, "bob@demo.test", letter("new"))[0], 250)
    status, _out, err = s.run("upgrade", check=False)
    check_equal(status, 1)
    check_in("in use by another process", err)
    s.verify()


if __name__ == "__main__":
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
