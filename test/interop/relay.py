#!/usr/bin/env python3
"""test/interop/relay.py - attempts of the role relay, behind its walls, at servers that follow a script: which host is tried next, what
becomes of each recipient, connections that are kept, locks, logins, addresses. The queue is left out: test-relay asks as it does."""
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import HOLE, Internet, address6
from remote import Deaf, Remote
from server import ROOT
from tap import case, check_equal, check_in

PROGRAM = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "test-relay")
A, B, C, D = ("20.0.1.%d" % n for n in (1, 2, 3, 4))
LETTER = "From: a@ours.test\r\nSubject: one\r\n\r\n.dot\r\nlast\r\n"
CONF = """hostname mail.ours.test
data_dir /nowhere
listen imap {
	address 127.0.0.1
	auth_without_tls yes
}
timeouts {
	relay_connect 1s
	relay_greeting 2s
	relay_reply 2s
	relay_data 2s
	relay_end 2s
	relay_idle 2s
}
"""
ZONES = {
    "two.test": "@ MX 10 a\n@ MX 20 b\na A %s\nb A %s\n" % (A, B),
    "three.test": "@ MX 10 a\n@ MX 20 b\n@ MX 30 c\na A %s\nb A %s\nc A %s\n" % (A, B, C),
    "one.test": "@ MX 10 mx\nmx A %s\n" % A,
    "plain.test": "@ A %s\n" % A,
    "six.test": "@ MX 10 mx\nmx AAAA %s\n" % address6(9),
    "hole.test": "@ MX 10 mx\nmx A %s\nmx A %s\n" % (HOLE, A),
    "deaf.test": "@ MX 10 mx\n@ MX 20 b\nmx A %s\nb A %s\n" % (C, B),
    "null.test": "@ MX 0 .\n",
    "empty.test": "@ TXT nothing\n",
    "nowhere.test": "@ MX 10 no-such-host\n",
    "alias.test": "@ MX 10 mx\nmx CNAME real\nreal A %s\n" % A,
    "aliased.test": "www CNAME one.test.\n",
    "home.test": "@ MX 10 mx\nmx A 10.1.2.3\nmx A 127.0.0.1\n",
    "back.test": "@ MX 10 a\n@ MX 20 mail.ours.test.\n@ MX 30 b\na A %s\nb A %s\n" % (A, B),
    "ours.test": "mail A %s\n" % D,
    "loop.test": "@ MX 10 mail.ours.test.\n",
    "seven.test": "".join("@ MX %d h%d\nh%d A 20.0.1.%d\n" % (n, n, n, 20 + n) for n in range(1, 8)),
    "lame.test": "",
    "failing.test": "",
}


def relay(*words, conf="", letter=LETTER, options=()):
    """What test-relay says: (its lines of deliveries, of recipients, of the rest)."""
    with tempfile.TemporaryDirectory() as d:
        paths = [os.path.join(d, n) for n in ("conf", "letter")]
        for path, text in zip(paths, (CONF + conf, letter)):
            with open(path, "w", newline="") as f:
                f.write(text)
        os.chmod(d, 0o755)
        p = subprocess.run([PROGRAM] + list(options) + paths + list(words), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, (p.returncode, p.stdout, p.stderr)
    lines = p.stdout.splitlines()
    deliveries = [dict(w.partition("=")[::2] for w in l.split()[2:]) | {"feedback": l.split()[1]} for l in lines if l.startswith("delivery ")]
    rcpts = [l[5:] for l in lines if l.startswith("rcpt ")]
    return deliveries, rcpts, [l for l in lines if not l.startswith(("delivery ", "rcpt "))]


def sums(rest):
    return {k: int(v) for k, v in (w.split("=") for w in rest[-1].split()[1:])}


@case("a letter to the best of two hosts: prefix, dots, texts that name the host and what it said")
def _(net):
    with Remote(A) as a, Remote(B) as b:
        deliveries, rcpts, _rest = relay("two.test", "bob", "alice")
        check_equal(rcpts, ["%d sent 250 2.0.0 a.two.test[%s]: 250 2.0.0 taken" % (i, A) for i in (0, 1)])
        check_equal((deliveries[0]["host"], deliveries[0]["ip"], deliveries[0]["port"], deliveries[0]["feedback"]), ("a.two.test", A, "25", "fine"))
        letter = a.wait(1)[0]
        check_equal(letter.data.decode(), "X-Prefix: ours\r\n" + LETTER)
        check_equal(letter.rcpts, ["bob@two.test", "alice@two.test"])
        check_equal((a.sessions[0].helo, b.sessions), ("mail.ours.test", []))


@case("a host that is not there, greets with 4xx or 5xx, says nothing, or hangs up before the letter's end: the next one has it")
def _(net):
    with Remote(B) as b:
        check_in("sent 250", relay("two.test", "bob")[1][0])
        for script in ({"greeting": "421 4.3.2 busy"}, {"greeting": "554 5.7.1 go away"}, {"greeting": "stall"}, {"greeting": "close"}, {"ehlo": "close"},
                       {"mail": "421 4.7.0 later"}, {"mail": "451 4.7.0 later"}, {"rcpt": "close"}, {"data": "close"},
                       {"data": "451 4.3.0 no"}, {"dot": "452 4.3.1 full"}):
            with Remote(A, script=script, features=("PIPELINING", "ENHANCEDSTATUSCODES")) as a:
                b.forget()
                deliveries, rcpts, _rest = relay("two.test", "bob")
                check_in("0 sent 250 2.0.0 b.two.test[%s]" % B, rcpts[0], script)
                check_equal((len(b.letters), len(a.letters), deliveries[0]["host"]), (1, 0, "b.two.test"), script)
        huge = LETTER + "a line of forty bytes, many times over\r\n" * 400000
        with Remote(A, script={"text": "read 3|reset"}):
            check_in("0 sent 250 2.0.0 b.two.test[%s]" % B, relay("two.test", "bob", letter=huge)[1][0])
            check_equal(b.letters[-1].data.decode(), "X-Prefix: ours\r\n" + huge)


@case("when all hosts say no for now, or greet with 5xx as Postfix takes it, the letter waits and says why")
def _(net):
    script = {"greeting": "554 5.7.1 go away"}
    with Remote(A, script=script), Remote(B, script={"greeting": "421 4.3.2 busy"}):
        deliveries, rcpts, _rest = relay("two.test", "bob")
        check_equal((deliveries[0]["feedback"], rcpts), ("slow", ["0 waiting 421 4.3.2 b.two.test[%s]: 421 4.3.2 busy" % B]))
    deliveries, rcpts, _rest = relay("two.test", "bob")
    check_equal(deliveries[0]["feedback"], "down")
    check_in("0 waiting 0 4.4.1 connecting to b.two.test", rcpts[0])
    check_in("Connection refused", rcpts[0])


@case("refusals for good end it: of the sender, of a recipient, of the letter; the others are not asked")
def _(net):
    with Remote(B) as b:
        for script, text in (({"mail": "550 5.7.1 not from you"}, "550 5.7.1 a.two.test[%s]: 550 5.7.1 not from you"),
                             ({"rcpt": "550 5.1.1 who"}, "550 5.1.1 a.two.test[%s]: 550 5.1.1 who"),
                             ({"dot": "554 5.6.0 no"}, "554 5.6.0 a.two.test[%s]: 554 5.6.0 no")):
            with Remote(A, script=script):
                deliveries, rcpts, _rest = relay("two.test", "bob")
                check_equal((deliveries[0]["feedback"], rcpts), ("fine", ["0 failed " + text % A]))
        check_equal(b.sessions, [])


@case("each recipient has a fate of its own: taken here, refused here, taken by the next host")
def _(net):
    def rcpt(_session, argument):
        return "550 5.1.1 who" if "bad" in argument else "451 4.2.0 grey" if "grey" in argument else None
    with Remote(A, script={"rcpt": rcpt}) as a, Remote(B) as b:
        _deliveries, rcpts, _rest = relay("two.test", "good", "bad", "grey")
        check_equal([r.split(":")[0] for r in rcpts], ["0 sent 250 2.0.0 a.two.test[%s]" % A, "1 failed 550 5.1.1 a.two.test[%s]" % A, "2 sent 250 2.0.0 b.two.test[%s]" % B])
        check_equal((a.letters[0].rcpts, b.letters[0].rcpts), (["good@two.test"], ["grey@two.test"]))


@case("a connection that ends behind the letter's last byte: it may have arrived, and no other host is asked")
def _(net):
    with Remote(A, script={"dot": "accept|close"}) as a, Remote(B) as b:
        deliveries, rcpts, _rest = relay("two.test", "bob")
        check_in("0 waiting 0 4.4.2", rcpts[0])
        check_in("may have arrived", rcpts[0])
        check_equal((len(a.letters), b.sessions, deliveries[0]["feedback"]), (1, [], "down"))


@case("what DNS says: no such domain, null MX, nothing there, no such host, servers that fail; CNAMEs; a domain without MX; IPv6")
def _(net):
    for domain, feedback, text in (("no-such-domain.test", "fine", "failed 0 5.1.2"), ("null.test", "fine", "failed 0 5.1.10"), ("empty.test", "fine", "failed 0 5.4.4"),
                                   ("nowhere.test", "fine", "failed 0 5.1.2"), ("lame.test", "local", "waiting 0 4.4.3"), ("failing.test", "local", "waiting 0 4.4.3")):
        deliveries, rcpts, _rest = relay(domain, "bob")
        check_in("0 " + text, rcpts[0])
        check_equal(deliveries[0]["feedback"], feedback, domain)
    with Remote(A) as a, Remote(address6(9)) as six:
        for domain in ("alias.test", "www.aliased.test", "plain.test"):
            check_in("0 sent 250", relay(domain, "bob")[1][0])
        check_in("mx.six.test[%s]: 250" % address6(9), relay("six.test", "bob")[1][0])
        check_equal((len(a.letters), len(six.letters)), (3, 1))


@case("address literals; private addresses only when the configuration says so")
def _(net):
    with Remote(A) as a:
        check_equal(relay("[%s]" % A, "bob")[1], ["0 sent 250 2.0.0 [%s]: 250 2.0.0 taken" % A])
        check_equal(a.letters[0].rcpts, ["bob@[%s]" % A])
    with Remote(address6(9)) as six:
        check_in("0 sent 250 2.0.0 [%s]: 250" % address6(9), relay("[IPv6:%s]" % address6(9), "bob")[1][0])
        check_equal(len(six.letters), 1)
    with Remote("127.0.0.1") as own:
        for domain in ("home.test", "[127.0.0.1]"):
            check_in("0 failed 0 5.4.4", relay(domain, "bob")[1][0])
        check_equal(own.sessions, [])
        check_in("0 sent 250", relay("home.test", "bob", conf="queue {\n\tprivate_addresses yes\n}\n")[1][0])


@case("we are among the hosts: only better ones are tried; we are the best, or a host greets as us: it is a loop")
def _(net):
    with Remote(B) as b:
        check_in("0 waiting 0 4.4.1", relay("back.test", "bob")[1][0])
        check_equal(b.sessions, [])
    check_in("0 failed 0 5.4.6", relay("loop.test", "bob")[1][0])
    with Remote(A, name="mail.ours.test") as a:
        check_in("0 failed 0 5.4.6", relay("one.test", "bob")[1][0])
        check_equal(a.letters, [])


@case("an address that swallows what comes, beside one that answers; then a host where nobody accepts")
def _(net):
    with Remote(A) as a, Remote(B) as b:
        for _ in range(4):
            check_in("0 sent 250", relay("hole.test", "bob")[1][0])
        deaf = Deaf(C)
        try:
            check_in("b.deaf.test", relay("deaf.test", "bob")[1][0])
        finally:
            deaf.close()
        check_equal((len(a.letters), len(b.letters)), (4, 1))


@case("connections are kept for the next letters, so many over one; one that has ended meanwhile is replaced at once")
def _(net):
    with Remote(A) as a:
        _deliveries, rcpts, rest = relay("one.test", "bob", options=("-n", "10"), conf="queue {\n\tconnection_letters 4\n}\n")
        check_equal([r.split()[1] for r in rcpts], ["sent"] * 10)
        check_equal((sums(rest)["connections"], sums(rest)["reused"]), (3, 7))
        check_equal(sorted(s.taken for s in a.sessions), [2, 4, 4])
    for script in ({"mail": [None, "close"]}, {"mail": [None, "421 4.4.2 too long"]}, {"dot": ["250 2.0.0 ok|close"]}):
        with Remote(A, script=script) as a:
            _deliveries, rcpts, rest = relay("one.test", "bob", options=("-n", "3"))
            check_equal([r.split()[1] for r in rcpts], ["sent"] * 3, script)
            check_equal((len(a.letters), sums(rest)["connections"]), (3, 2), script)


@case("a kept connection that ends behind the last byte is not replaced: it may have arrived")
def _(net):
    with Remote(A, script={"dot": [None, "accept|close"]}) as a:
        _deliveries, rcpts, _rest = relay("one.test", "bob", options=("-n", "2"))
        check_in("0 sent", rcpts[0])
        check_in("0 waiting 0 4.4.2", rcpts[1])
        check_equal(len(a.letters), 2)


@case("a result is kept until it is acknowledged, and the attempt not made again")
def _(net):
    with Remote(A) as a:
        _deliveries, _rcpts, rest = relay("one.test", "bob", options=("-n", "2", "-k"))
        check_equal(rest[:2], ["again ok 1 result ok 1 outstanding %d" % n for n in (1, 2)])
        check_equal(len(a.letters), 2)


@case("at most five servers are spoken to in one attempt")
def _(net):
    remotes = [Remote("20.0.1.%d" % (20 + n), script={"greeting": "421 4.3.2 busy"}) for n in range(1, 8)]
    try:
        check_in("0 waiting 421 4.3.2 h5.seven.test", relay("seven.test", "bob")[1][0])
        check_equal([len(r.sessions) for r in remotes], [1, 1, 1, 1, 1, 0, 0])
    finally:
        for r in remotes:
            r.close()


def answers(host):
    with socket.socket() as s:
        return s.connect_ex((host, 25)) == 0


JOBS_MAX = 20000  # RELAY_JOBS_MAX


@case("results that nobody acknowledges are kept up to a number; then nothing more is begun")
def _(net):
    sink = subprocess.Popen([os.path.join(os.path.dirname(PROGRAM), "test-sink"), A, "25"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(A))
        _deliveries, _rcpts, rest = relay("one.test", "bob", options=("-q", "-k", "-n", str(JOBS_MAX + 1)))
        check_equal((rest[:-1], sums(rest)["kept"]), (["outcome try-later"], JOBS_MAX))
    finally:
        sink.kill()
        sink.wait()


SOURCES = "source one {\n\taddress 20.0.0.2\n\thelo red.ours.test\n}\nsource two {\n\taddress 20.0.0.3 %s\n}\n" % internet.SENDER6


@case("source addresses and the names that go with them; a family without one is left out")
def _(net):
    with Remote(A) as a, Remote(address6(9)) as six:
        for number, ip, helo in ((1, "20.0.0.2", "red.ours.test"), (2, "20.0.0.3", "mail.ours.test")):
            deliveries, _rcpts, _rest = relay("one.test", "bob", conf=SOURCES, options=("-s", str(number)))
            check_equal((deliveries[0]["source"], a.sessions[-1].peer, a.sessions[-1].helo), (ip, ip, helo))
        check_in("0 failed 0 5.4.4", relay("six.test", "bob", conf=SOURCES, options=("-s", "1"))[1][0])
        check_in("0 sent", relay("six.test", "bob", conf=SOURCES, options=("-s", "2"))[1][0])
        check_equal(six.sessions[-1].peer, internet.SENDER6)


def route(domains, *lines):
    return "route %s {\n%s}\n" % (domains, "".join("\t%s\n" % l for l in lines))


@case("routes: hops in their order, a domain's MX as hop, one that is not there makes letters wait; a reroute")
def _(net):
    with Remote(B, port=2525) as b:
        conf = route("far.test", "next_hop [%s]:2525 [%s]:2525" % (A, B))
        check_equal(relay("far.test", "bob", conf=conf)[1], ["0 sent 250 2.0.0 [%s]:2525: 250 2.0.0 taken" % B])
        check_in("0 sent", relay("far.test", "bob", options=("-r", "[%s]:2525" % B))[1][0])
        check_equal(len(b.letters), 2)
    check_in("0 waiting 0 4.1.2", relay("far.test", "bob", conf=route("*", "next_hop [no-such-host.test]:25"))[1][0])
    check_in("0 waiting 0 4.1.2", relay("far.test", "bob", options=("-r", "[[no"))[1][0])
    with Remote(B) as b:
        check_in("b.two.test[%s]: 250" % B, relay("far.test", "bob", conf=route("*", "next_hop two.test"))[1][0])
        check_equal(b.letters[0].rcpts, ["bob@far.test"])


@case("a letter that the only host cannot carry goes back at once, by a route too: SMTPUTF8, REQUIRETLS")
def _(net):
    with Remote(A, features=("PIPELINING", "ENHANCEDSTATUSCODES"), tls=net.ca.issue("mx.one.test")) as a:
        for conf in ("", route("one.test", "next_hop [mx.one.test]:25")):
            check_in("0 failed 0 5.6.7", relay("one.test", "b\u00fcb", conf=conf)[1][0])
            check_in("0 failed 0 5.7.30", relay("one.test", "bob", conf=conf, options=("-g",))[1][0])
        check_equal(a.letters, [])


@case("LMTP by TCP: an answer for each recipient")
def _(net):
    def dot(_session, address):
        return "552 5.2.2 full" if "full" in address else "451 4.3.0 later" if "later" in address else "250 2.1.5 there"
    with Remote(A, port=24, protocol="lmtp", script={"dot": dot}) as a:
        _deliveries, rcpts, _rest = relay("box.test", "good", "full", "later", conf=route("box.test", "next_hop [%s]:24" % A, "protocol lmtp"))
        check_equal([" ".join(r.split()[:4]) for r in rcpts], ["0 sent 250 2.1.5", "1 failed 552 5.2.2", "2 waiting 451 4.3.0"])
        check_equal(a.letters[0].rcpts, ["good@box.test", "full@box.test", "later@box.test"])


@case("STARTTLS where it is offered; without when the handshake fails; a route that demands TLS, or a certificate for the name")
def _(net):
    certificate = net.ca.issue("mx.one.test")
    with Remote(A, tls=certificate) as a:
        deliveries, _rcpts, _rest = relay("one.test", "bob", options=("-n", "2"))
        check_equal([(d["lock"], d["reused"]) for d in deliveries], [("opportunistic", "0"), ("opportunistic", "1")])
        check_in("TLSv1.3", deliveries[0]["tls"])
        check_equal(a.sessions[0].sni, "mx.one.test")
        check_equal(relay("one.test", "bob", conf=route("one.test", "tls verify"))[0][0]["lock"], "verified")
        check_equal(relay("one.test", "bob", conf=route("one.test", "tls require"))[0][0]["lock"], "required")
        check_equal(relay("one.test", "bob", conf=route("one.test", "tls none"))[0][0]["lock"], "none")
    for script in ({"tls": "close"}, {"starttls": "454 4.7.0 not now"}):
        with Remote(A, tls=certificate, script=script) as a:
            deliveries, rcpts, _rest = relay("one.test", "bob")
            check_in("0 sent", rcpts[0])
            check_equal((deliveries[0]["lock"], len(a.sessions)), ("none", 2))
            check_in("0 waiting 0 4.7.", relay("one.test", "bob", conf=route("one.test", "tls require"))[1][0])
    with Remote(A, tls=net.ca.issue("other.test")):
        check_in("0 waiting 0 4.7.5", relay("one.test", "bob", conf=route("one.test", "tls verify"))[1][0])
    with Remote(A):
        check_in("0 waiting 0 4.7.4", relay("one.test", "bob", conf=route("one.test", "tls require"))[1][0])


@case("a smart host with a login, TLS first or STARTTLS; a wrong password makes letters wait")
def _(net):
    certificate = net.ca.issue("mx.one.test")
    for port, implicit in ((465, True), (587, False)):
        conf = route("*", "next_hop [mx.one.test]:%d" % port, "tls verify", "login me", "password_file /nowhere/secret", *["implicit_tls yes"] * implicit)
        with Remote(A, port=port, tls=certificate, implicit_tls=implicit, users={"me": "pass word"}, need_login=True) as a:
            deliveries, rcpts, _rest = relay("far.test", "bob", conf=conf, options=("-l", "pass word", "-n", "2"))
            check_equal([r.split()[1] for r in rcpts], ["sent", "sent"])
            check_equal((deliveries[0]["lock"], a.letters[0].session.login, len(a.sessions)), ("verified", "me", 1))
            check_in("0 waiting 535", relay("far.test", "bob", conf=conf, options=("-l", "wrong"))[1][0])


@case("many letters at once over as many connections; one of 300 KB")
def _(net):
    with Remote(A) as a:
        _deliveries, rcpts, rest = relay("one.test", "bob", options=("-n", "60", "-p", "12"))
        check_equal([r.split()[1] for r in rcpts], ["sent"] * 60)
        assert sums(rest)["connections"] <= 13, rest
        check_equal(len(a.letters), 60)
        big = LETTER + "".join("line %d\r\n" % i for i in range(30000))
        check_in("0 sent", relay("one.test", "bob", letter=big)[1][0])
        check_equal(a.letters[-1].data.decode(), "X-Prefix: ours\r\n" + big)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(ZONES, lame=("lame.test",), failing=("failing.test",)) as net:
        sys.exit(tap.run(net) > 0)
