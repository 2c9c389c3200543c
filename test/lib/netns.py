"""test/lib/netns.py - a network of the test's own: this process and its children leave the machine's for an empty one."""
import ctypes
import os
import subprocess
import sys
import tempfile

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000


def make_mounts_private():
    """Also where / is no mount of its own, as in a changed root: it is made one, and this process goes there."""
    if subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL).returncode == 0:
        return
    place = tempfile.mkdtemp(prefix="sp-root-")
    subprocess.run(["mount", "--rbind", "/", place], check=True)
    subprocess.run(["mount", "--make-rprivate", place], check=True)
    here = os.getcwd()
    os.chroot(place)
    os.chdir(here)


def enter(*addresses, mounts=False):
    """Only loopback from here on, which has addresses ("192.0.2.1/32") besides its own. mounts: mounts are this process's own, too. False:
    it cannot be done here."""
    if os.getuid() != 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (CLONE_NEWNS if mounts else 0)) != 0:
        return False
    if mounts:
        make_mounts_private()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"] + (["nodad"] if ":" in address else []), check=True)
    sys.stdout.flush()
    return True


def overlay(directory, work):
    """What is written to a directory from here on is not (needs mounts)."""
    upper, scratch = os.path.join(work, "upper" + directory.replace("/", "-")), os.path.join(work, "work" + directory.replace("/", "-"))
    os.makedirs(upper)
    os.makedirs(scratch)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (directory, upper, scratch), directory], check=True)
