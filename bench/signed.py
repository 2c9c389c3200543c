#!/usr/bin/env python3
"""bench/signed.py - bench/up.sh once more, at ports 23000 and on, with the DKIM keys of bench.test in a zone of its own: letters leave signed by both
(RSA-2048 and Ed25519). For bench/sending.sh as one more server. Prints its ports when keys sign; ends it when its standard input ends.
EXTRA: as bench/up.sh takes it.
"""
import os
import re
import signal
import subprocess
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "test", "lib"))
from zones import Zones

DIR = "/var/tmp/sallyport-bench-signed"


def main():
    with Zones({"bench.test": "@ A 192.0.2.1\n"}) as zones:
        env = dict(os.environ, SALLYPORT_PORT_BASE="23000", EXTRA=os.environ.get("EXTRA", "") + "\nkeys_dir %s/keys\ndns { resolver %s }\n" % (DIR, zones.resolver))
        up = subprocess.run([os.path.join(TOP, "bench", "up.sh"), DIR], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        line = up.stdout.splitlines()[-1]

        def run(*words):
            return subprocess.run([os.path.join(TOP, "build", "sallyport"), "-c", DIR + "/sallyport.conf"] + list(words), stdout=subprocess.PIPE, text=True, check=True).stdout
        try:
            records = re.findall(r"^\S+_domainkey\.bench\.test\. .*$", run("dkim", "add", "bench.test"), re.M)
            zones.change("bench.test", "@ A 192.0.2.1\n" + "\n".join(records) + "\n")
            until = time.monotonic() + 90
            while "signs" not in run("dkim", "list"):
                assert time.monotonic() < until, run("dkim", "list")
                time.sleep(0.5)
            print(run("dkim", "list") + line, flush=True)
            sys.stdin.read()
        finally:
            os.kill(int(line.rpartition("PID=")[2]), signal.SIGTERM)


main()
