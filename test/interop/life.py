#!/usr/bin/env python3
"""test/interop/life.py - the server's life: reload, stop, restart, wrong configurations, two servers, and the walls `status` shows."""
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, expect, letter, subjects, wait_until
from server import Server, free_base, make_certificate
from tap import case, check_equal, check_in

STOP_WITHIN_S = 10


@case("status names every role as ready, in its first life")
def _(s):
    roles = s.roles()
    check_equal(sorted({r["role"] for r in roles}), ["auth", "edge-in", "edge-user", "fetch", "keys", "post", "relay", "scan", "store"])
    for r in roles:
        check_equal((r["state"], r["life"]), ("ready", 1), r["role"])


@case("walls stand around every role")
def _(s):
    for line in s.run("status").splitlines():
        if line.startswith("role\t"):
            walls = line.split("walls ")[1].split(",")
            for wall in ("seccomp", "no-new-privileges", "not-dumpable"):
                check_in(wall, walls, line)
            pid = int(line.split("\t")[4].split()[1])
            with open("/proc/%d/status" % pid) as f:
                fields = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
            check_equal(fields["Seccomp"].strip(), "2", line)
            check_equal(fields["NoNewPrivs"].strip(), "1", line)
            if line.startswith("role\tmaster\t"):
                continue  # it binds ports and reads the key as who started it
            assert fields["Uid"].split()[0] != "0", "a role is root: " + line
            check_equal(int(fields["CapEff"], 16), 0, line)


@case("a reload opens a new listener and closes a dropped one; sessions of both stay")
def _(s):
    port = free_base(1)
    c = s.imap(select="INBOX")
    pop = Raw(s, "pop3")
    s.extra_listeners = ["listen imap { address 127.0.0.1; port %d; auth_without_tls yes }" % port]
    text = s.conf_text().replace("listen pop3 {", "#listen pop3 {")
    s.write_conf(text)
    assert s.reload(), "refused"
    wait_until(lambda: Raw(s, "imap").imap("NOOP"))
    sock = socket.create_connection((s.host, port), timeout=5)
    check_equal(sock.recv(4), b"* OK")
    sock.close()
    check_equal(c.noop()[0], "OK")
    pop.say("CAPA")
    check_equal(pop.line()[:3], "+OK")
    try:
        socket.create_connection((s.host, s.port["pop3"]), timeout=5).close()
        raise AssertionError("the dropped listener still accepts")
    except ConnectionRefusedError:
        pass
    s.extra_listeners = []
    s.write_conf()
    assert s.reload()
    s.pop().quit()
    try:
        socket.create_connection((s.host, port), timeout=5).close()
        raise AssertionError("the dropped listener still accepts")
    except ConnectionRefusedError:
        pass
    check_equal(c.noop()[0], "OK")
    c.logout()


@case("a reload changes limits for new sessions; an old one keeps what it was told")
def _(s):
    def size(c):
        return [int(l.split()[-1]) for l in c.smtp("EHLO c.test")[1].splitlines() if "SIZE" in l and "STATUSCODES" not in l][0]
    old = Raw(s, "smtp")
    before = size(old)
    s.set("limits", message_size="1M")
    assert s.reload()
    wait_until(lambda: size(Raw(s, "smtp")) == 1 << 20, what="the new limit")
    check_equal(size(old), before)
    old.close()
    del s.settings["limits"]
    s.write_conf()
    assert s.reload()


@case("a wrong configuration is refused with file and line, and everything stays")
def _(s):
    c = s.imap(select="INBOX")
    good = s.conf_text()
    for bad, words in (("message_sise 1M\n", "message_sise"), ("listen imap { port 70000 }\n", "70000"), ("{{{\n", "conf:"),
                       ("tls { certificate /nowhere/cert.pem; key /nowhere/key.pem }\n", "conf:")):
        at = s.log_size()
        s.write_conf(good + bad)
        assert not s.reload(), "taken: " + bad
        check_in(words, s.log_text(at))
        check_in("the configuration in use stays", s.log_text(at))
        status, _out, err = s.run("config", "check", check=False)
        check_equal(status, 1)
        check_in(":%d:" % (good.count("\n") + 1), err)
    at = s.log_size()
    s.write_conf(good.replace("/key.pem", "/gone.pem"))
    assert s.reload()  # one certificate that cannot be read does not keep the rest from counting
    check_in("gone.pem", s.log_text(at))
    s.imap("alice", "imaps").logout()  # the one in use stays
    s.write_conf(good)
    check_equal(c.noop()[0], "OK")
    expect(deliver(s, "alice", letter("after bad reloads")), 250)
    assert s.reload()
    c.logout()


@case("a reload takes a new certificate; sessions under the old one go on")
def _(s):
    def fingerprint():
        sock = socket.create_connection((s.host, s.port["imaps"]), timeout=10)
        with s.tls_context().wrap_socket(sock, server_hostname=s.hostname) as t:
            return t.getpeercert(binary_form=True)
    old = s.imap(service="imaps", select="INBOX")
    before = fingerprint()
    keep = s.unprivileged
    make_certificate(s.dir)
    if keep:
        for name in ("cert.pem", "key.pem"):
            os.chown(os.path.join(s.dir, name), 65534, 65534)
    assert s.reload()
    wait_until(lambda: changed(fingerprint, before), what="the new certificate")
    for _ in range(20):
        assert fingerprint() != before
    check_equal(old.noop()[0], "OK")
    expect(deliver(s, "alice", letter("new certificate")), 250)
    with s.smtp("smtp", tls=True) as c:
        c.noop()
    old.logout()


def changed(fingerprint, before):
    try:
        return fingerprint() != before
    except ssl.SSLError:
        return False


@case("ten reloads in a row under traffic lose nothing")
def _(s):
    c = s.imap("bob", select="INBOX")
    for i in range(10):
        os.kill(s.process.pid, signal.SIGHUP)
        expect(deliver(s, "bob", letter("reload %d" % i)), 250)
        check_equal(c.noop()[0], "OK")
    check_equal([x for x in subjects(c) if x.startswith("reload")], ["reload %d" % i for i in range(10)])
    c.logout()


@case("a second server on the same run_dir, or the same ports, is refused with a reason; the first goes on")
def _(s):
    p = subprocess.run(s.command_line("run"), capture_output=True, text=True, timeout=20)
    assert p.returncode != 0
    assert "already" in p.stderr or "has this port" in p.stderr, p.stderr
    expect(deliver(s, "alice", letter("still the first")), 250)


@case("SIGTERM: sessions are told goodbye at a command boundary, exit status 0 within ten seconds")
def _(s):
    smtp, imap, idle, pop = Raw(s, "smtp"), Raw(s, "imap").imap_login(), Raw(s, "imap").imap_login(select="INBOX"), Raw(s, "pop3")
    tls = s.imap("bob", "imaps", select="INBOX")
    smtp.smtp("EHLO c.test")
    idle.say("i IDLE")
    idle.line()
    status, took = s.stop()
    check_equal(status, 0, "exit status")
    assert took < STOP_WITHIN_S, "%.1f s" % took
    check_in(b"421 ", smtp.rest())
    check_in(b"* BYE", imap.rest())
    check_in(b"* BYE", idle.rest())
    pop.rest()
    tls.shutdown()
    tap.comment("stopped in %.2f s" % took)
    s.start()


@case("a letter whose text is being sent when the server stops is answered, or its connection ends without 250")
def _(s):
    c = Raw(s, "smtp")
    c.smtp("EHLO c.test")
    c.smtp("MAIL FROM:<a@far.test>")
    c.smtp("RCPT TO:<alice@demo.test>")
    expect(c.smtp("DATA"), 354)
    c.send(letter("in the middle of stopping"))
    s.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    acknowledged = False
    try:
        c.send(b"the end\r\n.\r\n")
        acknowledged = c.smtp()[0] == 250
    except (OSError, EOFError):
        pass
    check_equal(s.process.wait(20), 0)
    s.start()
    i = s.imap()
    there = "in the middle of stopping" in subjects(i)
    i.logout()
    assert there or not acknowledged, "acknowledged and lost"


@case("mail, flags, mailboxes, UIDs and accounts are as they were after a restart")
def _(s):
    c = s.imap()
    c.create("kept/deep")
    c.subscribe("kept/deep")
    c.append("kept/deep", "(\\Flagged keyword)", '"01-Feb-2020 10:00:00 +0000"', letter("kept"))
    c.select("kept/deep")

    def picture(c):
        c.select("kept/deep", readonly=True)
        return (c.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"), sorted(c.list()[1]), sorted(c.lsub()[1]),
                c.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))
    before = picture(c)
    c.logout()
    s.restart()
    c = s.imap()
    after = picture(c)
    before = tuple(str(x).replace("\\\\Recent ", "").replace(" \\\\Recent", "") for x in before)
    after = tuple(str(x).replace("\\\\Recent ", "").replace(" \\\\Recent", "") for x in after)
    check_equal(after, before)
    c.logout()


@case("five stops and starts lose nothing, and each start is quick")
def _(s):
    took = []
    for i in range(5):
        expect(deliver(s, "bob", letter("life %d" % i)), 250)
        s.stop()
        began = time.monotonic()
        s.start()
        took.append(time.monotonic() - began)
    c = s.imap("bob")
    check_equal([x for x in subjects(c) if x.startswith("life")], ["life %d" % i for i in range(5)])
    c.logout()
    tap.comment("starts took %s s" % " ".join("%.2f" % t for t in took))


@case("killed whole and started again: what was acknowledged is there")
def _(s):
    expect(deliver(s, "alice", letter("before the kill")), 250)
    s.kill_all()
    s.start()
    c = s.imap()
    check_in("before the kill", subjects(c))
    c.logout()


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    with Server(unprivileged="--unprivileged" in sys.argv) as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
