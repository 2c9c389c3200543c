#!/usr/bin/env python3
"""bench/import.py MAILDIR - imports a Maildir (see maildir.py) into one mailbox of a new server with its syncs on: MB/s beside what dd with
fdatasync writes to the same disk right before and after, processor time, and the peak memory of the command and of every role.

TMPDIR says which disk."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "lib"))
from server import Server

GB = 2


def disk(s):
    path = os.path.join(s.dir, "dd")
    p = subprocess.run(["dd", "if=/dev/zero", "of=" + path, "bs=1M", "count=%d" % (GB * 1000), "conv=fdatasync"], capture_output=True, text=True)
    os.remove(path)
    return p.stderr.strip().splitlines()[-1].split(",")[-1].strip()


def usage(pid):
    """(peak MB, anonymous MB, cpu seconds)"""
    with open("/proc/%d/status" % pid) as f:
        v = dict(re.findall(r"(VmHWM|RssAnon|RssShmem):\s+(\d+)", f.read()))
    with open("/proc/%d/stat" % pid) as f:
        t = f.read().rpartition(")")[2].split()
    return int(v["VmHWM"]) / 1024, int(v["RssAnon"]) / 1024, (int(t[11]) + int(t[12])) / os.sysconf("SC_CLK_TCK")


def main():
    with Server(accounts=("alice",)) as s:
        print("disk before: " + disk(s), flush=True)
        began = time.monotonic()
        p = subprocess.Popen(s.command_line("import", s.address("alice"), "maildir", sys.argv[1]), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
        peak = {}
        while p.poll() is None:
            try:
                peak["command"] = usage(p.pid)
            except (OSError, KeyError):
                pass
            for r in s.roles() if int(time.monotonic()) % 5 == 0 else ():
                peak["%s %d" % (r["role"], r["index"])] = usage(r["pid"])
            time.sleep(0.5)
        seconds = time.monotonic() - began
        print(p.stdout.read().strip())
        for r in s.roles():
            peak["%s %d" % (r["role"], r["index"])] = usage(r["pid"])
        for name, (most, anonymous, cpu) in peak.items():
            print("%-14s peak %6.0f MB  anonymous now %6.0f MB  cpu %6.1f s" % (name, most, anonymous, cpu))
        print("%.0f s; disk after: %s" % (seconds, disk(s)))


main()
