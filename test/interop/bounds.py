#!/usr/bin/env python3
"""test/interop/bounds.py - limits at their edges: connections, rates, logins, room for letters in flight, disk, quota, sizes."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter, subjects, uids, wait_until
from sasl import Client
from server import Server
from tap import case, check_equal, check_in

SETTINGS = {"pools": {"strangers": 1, "users": 1}, "limits": {"quota_warnings": "none"}}


class Changed:
    """The server with some limits of its own, by a reload, and the old ones afterwards."""

    def __init__(self, s, block="limits", **values):
        self.s, self.block, self.values = s, block, values

    def __enter__(self):
        self.old = dict(self.s.settings.get(self.block, {}))
        self.s.set(self.block, **self.values)
        assert self.s.reload(), "the limits were refused"
        time.sleep(0.2)  # roles take it up after the master's line

    def __exit__(self, *unused):
        self.s.settings[self.block] = self.old
        self.s.write_conf()
        assert self.s.reload()
        time.sleep(0.2)


def greeting(s, service):
    """The first line of a new connection and the connection."""
    c = Raw(s, service, greeting=False)
    return c.line(), c


@case("connections of one address: the last allowed is served, the next gets 421, BYE or -ERR; a place that is free again is given")
def _(s):
    with Changed(s, connections_per_address_strangers=5, connections_per_address_users=6):
        for service, n, good, bad in (("smtp", 5, "220 ", "421 "), ("imap", 6, "* OK", "* BYE"), ("pop3", 6, "+OK", "-ERR"),
                                      ("submission", 6, "220 ", "421 ")):
            held = []
            for i in range(n):
                line, c = greeting(s, service)
                assert line.startswith(good), "%s %d: %s" % (service, i, line)
                held.append(c)
            line, c = greeting(s, service)
            assert line.startswith(bad), "%s %d: %s" % (service, n, line)
            check_equal(c.rest(), b"")
            held.pop().close()

            def free():
                line, c = greeting(s, service)
                c.close()
                return line.startswith(good)
            wait_until(free, what="a free place for " + service)
            for c in held:
                c.close()
            wait_until(free)
            time.sleep(0.1)


@case("connections of all addresses together have a bound too")
def _(s):
    with Changed(s, connections_strangers=3, connections_per_address_strangers=3):
        held = [greeting(s, "smtp") for _ in range(3)]
        assert all(l.startswith("220") for l, _c in held)
        line, c = greeting(s, "smtp")
        assert line.startswith("421"), line
        line, c = greeting(s, "imap")
        assert line.startswith("* OK"), "other services: " + line
        for _l, c in held:
            c.close()


@case("letters of an address a minute: the last allowed is taken, the next gets 451; other services go on")
def _(s):
    with Changed(s, letter_rate=4):
        codes = []
        for i in range(6):
            with Raw(s, "smtp") as c:
                c.smtp("EHLO c.test")
                codes.append(c.smtp("MAIL FROM:<a@far.test>")[0])
        assert codes[-2:] == [451, 451] and codes.count(250) <= 4, codes
        s.imap().logout()
    expect(deliver(s, "alice", letter("rate over")), 250)


@case("connections of an address a minute")
def _(s):
    with Changed(s, connection_rate=500):
        pass  # a rate far away is no bound
    with Changed(s, connection_rate=10):
        lines = []
        for _ in range(15):
            line, c = greeting(s, "smtp")
            lines.append(line[:3])
            c.close()
        assert lines[-1] == "421", lines


@case("failed logins: the last allowed one is answered as wrong, then even the right password must wait, and connections are turned away")
def _(s):
    with Changed(s, login_failures=3):
        early = Raw(s, "imap")
        for i in range(3):
            with Raw(s, "imap") as c:
                check_in("AUTHENTICATIONFAILED", c.imap("LOGIN alice@demo.test wrong")[-1])
        answer = early.imap("LOGIN alice@demo.test demo")[-1]
        assert answer.startswith("x NO") and "LIMIT" in answer, answer
        for service, word in (("imap", "* BYE [LIMIT]"), ("pop3", "-ERR [SYS/TEMP]"), ("submission", "421 4.7.0")):
            line, c = greeting(s, service)
            check_equal(line, word + " Too many failed logins from your network, try again later")
            c.close()
        expect(deliver(s, "alice", letter("logins are closed")), 250)
        check_in("127.0.0.1/32\t", s.run("ban", "list"))
        s.run("ban", "remove", "127.0.0.1")
        check_equal(s.run("ban", "list"), "")
        log = s.run("audit", "list")
        check_in("\tban\tauth\t-\t-\t127.0.0.1/32 for 900 s", log)
        check_in("\tcommand\tuid %d\t-\t-\tban remove 127.0.0.1\n" % os.getuid(), log)
        s.imap().logout()


@case("a login that looks like a network is banned as a login, told in the audit log, and listed whatever is in its name; who is banned is not forgotten")
def _(s):
    long = "z" * 500  # SCRAM takes longer names than a password does
    with Changed(s, login_failures=0, login_failures_login=3):
        for user in ("127.0.0.1/32", "a\x1b\tb"):
            for i in range(3):
                with Raw(s, "imap") as c:
                    check_in("AUTHENTICATIONFAILED", c.imap('LOGIN "%s" wrong' % user)[-1])
        for i in range(3):
            with Client(s, "imaps") as c:
                assert not c.login("SCRAM-SHA-256", long, "wrong")[0]
        listed = sorted(line.split("\t")[0] for line in s.run("ban", "list").splitlines())
        check_equal(listed, ["127.0.0.1/32", "a?" + "?b", "z" * 320])
        for pid in s.pids("edge-user"):  # the one that comes is told of the bans
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while True:
            try:
                line, c = greeting(s, "imap")
                c.close()
                if line.startswith("* OK"):
                    break
            except OSError:
                pass
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(0.5)
        check_in("* OK", greeting(s, "imap")[0])
        check_in("\tban\t127.0.0.1/32\t-\t-\tthe login for ", s.run("audit", "list"))


@case("a letter at the size limit is taken, one byte more is refused; the same for APPEND")
def _(s):
    with Changed(s, message_size="100K", header_size="16K"):
        head = letter("exact", "")
        for extra, want in ((0, 250), (1, 552)):
            data = head + b"x" * ((100 << 10) - len(head) - 2 + extra) + b"\r\n"
            code = deliver(s, "alice", data)[0]
            check_equal(code, want, "SMTP, %d bytes" % len(data))
            c = s.imap()
            status = c.append("INBOX", None, None, data)
            check_equal(status[0], "OK" if want == 250 else "NO", "APPEND, %d bytes" % len(data))
            c.logout()


@case("a header at its limit is taken, a longer one refused")
def _(s):
    with Changed(s, header_size="16K"):
        for n, want in ((15 << 10, 250), (17 << 10, 552)):
            data = b"Subject: header\r\n" + b"X-Fill: y\r\n" * ((n - 30) // 11) + b"\r\ntext\r\n"
            check_equal(deliver(s, "alice", data)[0], want, "header of %d" % n)


@case("more Received fields than allowed is a loop")
def _(s):
    for n, want in ((59, 250), (61, 554)):
        data = b"Received: from a by b; Sun, 22 Nov 2026 15:00:00 +0000\r\n" * n + letter("hops %d" % n)
        check_equal(deliver(s, "alice", data)[0], want, "%d fields" % n)


@case("letters in flight beyond the budget get 452, and those under it end well")
def _(s):
    with Changed(s, block="", body_budget="32M"):
        held, codes = [], []
        for i in range(8):
            c = Raw(s, "smtp")
            c.smtp("EHLO c.test")
            code = c.smtp("MAIL FROM:<a@far.test> SIZE=%d" % (6 << 20))[0]
            if code == 250:
                expect(c.smtp("RCPT TO:<alice@demo.test>"), 250)
                code = c.smtp("DATA")[0]
            codes.append(code)
            if code == 354:
                c.send(letter("in flight %d" % i) + (b"x" * 998 + b"\r\n") * 5000)
                held.append(c)
                time.sleep(0.2)
            else:
                c.close()
        assert 452 in codes and 354 in codes, codes
        with s.imap() as i:
            check_equal(i.noop()[0], "OK")
        with Raw(s, "smtp") as small:
            small.smtp("EHLO c.test")
        for c in held:
            c.send(b".\r\n")
            expect(c.smtp(), 250)
        expect(deliver(s, "alice", letter("room again")), 250)


@case("a nearly full disk: 452 and NO for new letters, reading and EXPUNGE go on, and afterwards all is well")
def _(s):
    expect(deliver(s, "bob", letter("before the disk is full")), 250)
    with Changed(s, block="", disk_reserve="60000G"):
        while_full(s)
    s.set("", disk_reserve="60000G")
    s.restart()
    try:
        while_full(s, mail=False)
    finally:
        del s.settings[""]
        s.write_conf()
        s.restart()
    expect(deliver(s, "bob", letter("room again")), 250)
    c = s.imap("bob")
    assert "no room" not in subjects(c)
    c.logout()


def while_full(s, mail=True):
    """mail: there is a letter to work with."""
    with Raw(s, "smtp") as c:
        c.smtp("EHLO c.test")
        codes = [c.smtp("MAIL FROM:<a@far.test>")[0], c.smtp("RCPT TO:<bob@demo.test>")[0]]
        check_equal(codes[-1], 452, "the reply to RCPT")
    i = s.imap("bob", select="INBOX")
    answer = i.append("INBOX", None, None, letter("no room"))
    check_equal(answer[0], "NO")
    check_in(b"LIMIT", answer[1][0])
    if not mail:
        i.logout()
        return
    check_equal(i.copy("1", "Archive")[0], "NO")
    check_in("before the disk is full", str(i.fetch("1:*", "(BODY.PEEK[])")[1]))
    i.create("moved")
    check_equal(i.uid("MOVE", "1:*", "moved")[0], "OK")
    i.select("moved")
    check_equal(i.store("1", "+FLAGS", "(\\Deleted)")[0], "OK")
    n = len(uids(i))
    check_equal(i.expunge()[0], "OK")
    check_equal(len(uids(i)), n - 1)
    i.logout()


@case("quota: the letter that fits is taken, the next refused for that recipient alone; EXPUNGE makes room")
def _(s):
    with Changed(s, quota_messages=3):
        s.add_account("small")
    for i in range(3):
        expect(deliver(s, "small", letter("fits %d" % i)), 250)
    with Raw(s, "smtp") as c:
        c.smtp("EHLO c.test")
        c.smtp("MAIL FROM:<a@far.test>")
        codes = [c.smtp("RCPT TO:<small@demo.test>")[0]]
        if codes[-1] == 250:
            c.smtp("DATA")
            c.send(letter("over") + b".\r\n")
            codes.append(c.smtp()[0])
        check_equal(codes[-1], 452, "over quota")
        c.smtp("RSET")
        c.smtp("MAIL FROM:<a@far.test>")
        c.smtp("RCPT TO:<small@demo.test>")
        expect(c.smtp("RCPT TO:<alice@demo.test>"), 250)
        expect(c.smtp("DATA"), 354)
        c.send(letter("for the other") + b".\r\n")
        expect(c.smtp(), 250)
    i = s.imap("small", select="INBOX")
    answer = i.append("INBOX", None, None, letter("over"))
    check_equal(answer[0], "NO")
    check_in(b"OVERQUOTA", answer[1][0])
    i.store("1", "+FLAGS.SILENT", "(\\Deleted)")
    i.expunge()
    i.logout()
    expect(deliver(s, "small", letter("fits again")), 250)


@case("IMAP: lines, literals, mailbox names, depth and bad commands at their limits")
def _(s):
    with Raw(s, "imap").imap_login() as c:
        check_equal(c.imap('LIST "" (%s)' % " ".join(["INBOX"] * 50))[-1][:4], "x OK")
        check_in("[LIMIT]", c.imap('LIST "" (%s)' % " ".join(["INBOX"] * 51))[-1])
        check_equal(c.imap("CREATE " + "/".join("d" for _ in range(32)))[-1][:4], "x OK")
        check_equal(c.imap("CREATE " + "/".join("e" for _ in range(33)))[-1][:4], "x NO")
        check_equal(c.imap("CREATE " + "n" * 255)[-1][:4], "x OK")
        check_equal(c.imap("CREATE " + "m" * 256)[-1][:4], "x NO")
        check_equal(c.imap("NOOP " + "x" * 70000)[-1].split()[1], "BAD")
        check_equal(c.imap("NOOP")[-1][:4], "x OK")
    with Raw(s, "imap").imap_login() as c:
        n = 0
        try:
            while n < 100:
                answer = c.imap("WRONG")
                n += 1
                if any(l.startswith("* BYE") for l in answer):
                    break
            c.rest()
        except (EOFError, OSError):
            pass
        assert n < 25, "%d bad commands" % n


def append(c, mailbox, *messages):
    """One APPEND of all, without waiting; the tagged answer."""
    c.send(b"x APPEND %s" % mailbox.encode() + b"".join(b" {%d+}\r\n" % len(m) + m for m in messages) + b"\r\n")
    return c.imap_until()[-1]


@case("IMAP: the messages of one APPEND, and their octets, at their limits; all of them are kept or none")
def _(s):
    s.add_account("many")
    with Changed(s, imap_append_messages=3, imap_append="64K"), Raw(s, "imap").imap_login("many") as c:
        small = letter("small")
        check_in("APPENDUID", append(c, "INBOX", small, small, small))
        check_in("[LIMIT]", append(c, "INBOX", small, small, small, small))
        half = letter("half", "x" * 70 + "\r\n")
        half += b"y" * (32 * 1024 - len(half))
        check_in("APPENDUID", append(c, "INBOX", half, half))
        check_in("[LIMIT]", append(c, "INBOX", half, half + b"z"))
        check_in("APPENDUID", append(c, "INBOX", half * 3))  # one alone is as large as a message may be
        check_equal(c.imap("STATUS INBOX (MESSAGES)")[0], '* STATUS "INBOX" (MESSAGES 6)')
        check_equal(c.imap("NOOP")[-1], "x OK NOOP completed")


@case("IMAP: a quota is told as it is, and refuses before the upload and after it; together with others a message is counted")
def _(s):
    s.add_account("tight")
    s.run("account", "set", "tight@demo.test", "quota", "20K")
    s.run("account", "set", "tight@demo.test", "quota-messages", "4")
    with Raw(s, "imap").imap_login("tight") as c:
        check_equal(c.imap('GETQUOTA ""')[0], '* QUOTA "" (STORAGE 0 20 MESSAGE 0 4)')
        check_in("APPENDUID", append(c, "INBOX", letter("one"), letter("two")))
        check_equal(c.imap("GETQUOTAROOT Sent")[:2], ['* QUOTAROOT "Sent" ""', '* QUOTA "" (STORAGE 1 20 MESSAGE 2 4)'])
        check_in("[OVERQUOTA]", append(c, "INBOX", letter("a"), letter("b"), letter("c")))
        check_in("[OVERQUOTA]", append(c, "INBOX", letter("large", "x" * 60 + "\r\n" * 10300)))
        check_in("[OVERQUOTA]", c.imap("APPEND INBOX {21000}")[-1])
        check_in("[TRYCREATE]", c.imap("APPEND nowhere {21000}")[-1])
        c.imap("SELECT INBOX")
        check_equal(c.imap("COPY 1 Sent")[-1][:4], "x OK")
        check_in("[OVERQUOTA]", c.imap("COPY 1:2 Sent")[-1])
        check_equal(c.imap('GETQUOTA ""')[-2], '* QUOTA "" (STORAGE 1 20 MESSAGE 3 4)')


@case("IMAP: LIST with STATUS of some thousand mailboxes, in bounded memory")
def _(s):
    s.add_account("boxes")
    n = 2500
    with Raw(s, "imap").imap_login("boxes") as c:
        for at in range(0, n, 100):
            c.send("".join("c%d CREATE b/%04d\r\n" % (i, i) for i in range(at, at + 100)))
            for i in range(at, at + 100):
                assert c.line().startswith("c%d OK" % i)

        def memory():
            total = 0
            for pid in s.pids("edge-user"):
                with open("/proc/%d/status" % pid) as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
            return total
        before = memory()
        lines = c.imap('LIST "" b/* RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE DELETED HIGHESTMODSEQ))')
        check_equal(sum(line.startswith("* LIST") for line in lines), n)
        check_equal(sum(line.startswith("* STATUS") for line in lines), n)
        assert memory() - before < 4096, "%d KiB more" % (memory() - before)
        lines = c.imap('LIST (SPECIAL-USE RECURSIVEMATCH) "" *')
        check_equal(len(lines), 6)


@case("timeouts: a client that says nothing is told so and dropped")
def _(s):
    with Changed(s, block="timeouts", smtp_greeting="700ms", smtp_command="700ms", imap_login="700ms"):
        for service, want in (("smtp", b"421 "), ("imap", b"BYE"), ("pop3", b"")):
            c = Raw(s, service)
            began = time.monotonic()
            check_in(want, c.rest())
            took = time.monotonic() - began
            assert 0.3 < took < 5, "%s: %.1f s" % (service, took)
        c = socket.create_connection((s.host, s.port["imap"]))
        c.recv(100)
        c.close()


@case("no role ended in all this but by the restarts that were asked for; what is stored obeys its invariants")
def _(s):
    check_equal({life for life, _pid in s.lives().values()}, {1})
    s.verify()


if __name__ == "__main__":
    with Server(SETTINGS) as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
