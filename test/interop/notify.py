#!/usr/bin/env python3
"""test/interop/notify.py - what a service manager hears (sd_notify), and the watchdog: silent when a role hangs."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from server import Server
from tap import case, check_equal, check_in

WATCHDOG_S = 3


class Manager:
    """What systemd does with a notify socket, by path or by abstract name."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def next(self, seconds=20):
        self.socket.settimeout(seconds)
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def wait(self, key, seconds=20):
        end = time.monotonic() + seconds
        while True:
            told = self.next(max(0.01, end - time.monotonic()))
            if key in told:
                return told

    def drain(self):
        self.socket.setblocking(False)
        try:
            while self.socket.recv(4096):
                pass
        except BlockingIOError:
            pass


def started(address, watchdog=False):
    m = Manager("\0" + address[1:] if address.startswith("@") else address)
    os.environ["NOTIFY_SOCKET"] = address
    if watchdog:
        os.environ["WATCHDOG_USEC"] = str(WATCHDOG_S * 1000000)
    try:
        s = Server()
        s.start(fill=True)
    finally:
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            os.environ.pop(name, None)
    return m, s


@case("READY after the start, RELOADING with its time and READY again, STOPPING")
def _(directory):
    m, s = started(os.path.join(directory, "n1"))
    try:
        check_equal(m.next(), {"READY": "1"})
        before = time.monotonic_ns() // 1000
        s.reload()
        told = m.next()
        check_equal(told["RELOADING"], "1")
        assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, told
        check_equal(m.next(), {"READY": "1"})
        s.stop()
        check_equal(m.next(), {"STOPPING": "1"})
    finally:
        s.close()


@case("a broken configuration at a reload: READY again, with the old one")
def _(directory):
    m, s = started("@sallyport-test-%d" % os.getpid())
    try:
        m.wait("READY")
        s.write_conf("nonsense\n")
        assert not s.reload()
        m.wait("RELOADING")
        m.wait("READY")
    finally:
        s.close()


@case("the watchdog is fed while all roles live, not while one hangs, and again when it goes on")
def _(directory):
    m, s = started(os.path.join(directory, "n2"), watchdog=True)
    try:
        m.wait("READY")
        for _i in range(4):
            m.wait("WATCHDOG", WATCHDOG_S)
        pid = s.pids("scan")[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            s.wait_log("role-silent", seconds=3 * WATCHDOG_S)
            m.drain()
            try:
                m.wait("WATCHDOG", 2 * WATCHDOG_S)
            except (TimeoutError, BlockingIOError):
                pass
            else:
                raise AssertionError("the manager was told that all is well")
        finally:
            os.kill(pid, signal.SIGCONT)
        m.wait("WATCHDOG", 2 * WATCHDOG_S)
    finally:
        s.close()


@case("a killed role is started again without the watchdog's noticing")
def _(directory):
    m, s = started(os.path.join(directory, "n3"), watchdog=True)
    try:
        m.wait("READY")
        for role in ("scan", "post", "store", "auth"):
            os.kill(s.pids(role)[0], signal.SIGKILL)
            m.wait("WATCHDOG", WATCHDOG_S)
    finally:
        s.close()


@case("no role inherits the socket's name; without one nothing is told")
def _(directory):
    _m, s = started(os.path.join(directory, "n4"))
    try:
        for r in s.roles():
            with open("/proc/%d/environ" % r["pid"], "rb") as f:
                assert b"NOTIFY_SOCKET" not in f.read(), r
    finally:
        s.close()
    os.environ["NOTIFY_SOCKET"] = os.path.join(directory, "nobody-listens")
    try:
        with Server() as s:
            check_in("ready", s.run("status"))
    finally:
        os.environ.pop("NOTIFY_SOCKET")


def main():
    import tempfile
    with tempfile.TemporaryDirectory(prefix="spn-") as directory:
        return tap.run(directory)


sys.exit(1 if main() else 0)
