"""test/lib/node.py - programs for Node.js in test/interop/node, with the packages that its package-lock.json names."""
import fcntl
import json
import os
import subprocess

import tap

NODE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "interop", "node")


def install():
    """What the lock says, unless that is there already. Without it there is nothing to show."""
    tap.need_programs("node", "npm")
    lock = os.path.join(NODE, "package-lock.json")
    done = os.path.join(NODE, "node_modules", ".package-lock.json")
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # suites that run at once
        if os.path.exists(done) and os.path.getmtime(done) >= os.path.getmtime(lock):
            return
        p = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, text=True, timeout=110)
        if p.returncode:
            tap.comment(p.stdout + p.stderr)
            tap.fail_all("npm ci fails in test/interop/node; tools/install-deps check does the same")


def run(program, *words):
    """The JSON object that it prints."""
    p = subprocess.run(["node", os.path.join(NODE, program)] + [str(w) for w in words], capture_output=True, text=True, timeout=60)
    tap.check_equal(p.returncode, 0, "node %s: %s%s" % (program, p.stdout, p.stderr))
    return json.loads(p.stdout)
