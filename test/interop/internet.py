#!/usr/bin/env python3
"""test/interop/internet.py - the test internet (test/lib/internet.py) itself, with Postfix as the sender: what later suites build upon is so."""
import os
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import Internet
from peers import Exim, OpenSMTPD, Postfix
from remote import Deaf, Remote
from server import ROOT
from tap import case, check_equal, check_in

PROGRAM = os.path.join(os.environ.get("SALLYPORT_BUILD") or os.path.join(ROOT, "build"), "test-dns")
HOSTS = {"postfix": "20.0.1.11", "exim": "20.0.1.12", "open": "20.0.1.13"}
SCRIPTED = "20.0.1.20"


def make_zones(ca):
    """DANE for two of the real servers, by key and by authority; the scripted one has a name of two addresses, one of them IPv6."""
    made = {n: ca.issue("mx.%s.test" % n) for n in HOSTS}
    zones = {n + ".test": "@ MX 10 mx\nmx A %s\n" % a for n, a in HOSTS.items()}
    zones["postfix.test"] += "_25._tcp.mx TLSA %s\n" % made["postfix"].tlsa(3) + Internet.sts_records()
    zones["exim.test"] += "_25._tcp.mx TLSA %s\n" % made["exim"].tlsa(2, 0)
    zones.update({"far.test": "@ MX 10 a\n@ MX 20 b\na A 20.0.1.21\nb A %s\nb AAAA %s\n" % (SCRIPTED, internet.address6(20)), "bogus.test": "@ MX 10 mx\nmx A 20.0.1.1\n",
                  "sub.far.test": "@ A 20.0.1.1\n", "lame.test": "", "failing.test": "", "silent.test": "", "slow.test": "@ A 20.0.1.1\n"})
    make_zones.certificates = made
    return zones


def ask(net, *words, timeout=3000):
    p = subprocess.run([PROGRAM, net.resolver, str(timeout)] + list(words), capture_output=True, text=True, timeout=30)
    assert p.returncode == 0, p.stderr
    return " ".join(p.stdout.split()[2:])


@case("names are validated from the root's key down; those of unsigned zones are not secure; wrong signatures are refused")
def _(net):
    check_in("ok secure", ask(net, "TLSA", "_25._tcp.mx.postfix.test"))
    check_in("nxdomain secure", ask(net, "A", "none.postfix.test"))
    check_in("nxdomain secure", ask(net, "A", "no-such-domain.test"))
    for name in ("mx.open.test", "sub.far.test"):
        answer = ask(net, "A", name)
        assert answer.startswith("ok") and "secure" not in answer, answer
    check_in("servfail", ask(net, "A", "mx.bogus.test"))


@case("lame, failing, silent and slow servers of a zone")
def _(net):
    check_in("servfail", ask(net, "A", "lame.test"))
    check_in("servfail", ask(net, "A", "failing.test"))
    check_in("timeout", ask(net, "A", "silent.test", timeout=300))
    check_in("20.0.1.1", ask(net, "A", "slow.test", timeout=15000))


@case("a zone changes")
def _(net):
    net.change("open.test", net.zones["open.test"] + "new A 20.0.1.99\n")
    check_in("20.0.1.99", ask(net, "A", "new.open.test"))


@case("policies of MTA-STS over HTTPS, with a certificate that programs believe, or one that they do not")
def _(net):
    net.policy("postfix.test", "enforce", "mx.postfix.test", max_age=100)
    url = "https://mta-sts.postfix.test/.well-known/mta-sts.txt"
    p = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, timeout=20)
    check_equal(p.stdout, "version: STSv1\nmode: enforce\nmx: mx.postfix.test\nmax_age: 100\n", p.stderr)
    net.policy("postfix.test", "none", certificate=net.ca.issue("mta-sts.postfix.test", expired=True))
    p = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, timeout=20)
    check_in("expired", p.stderr)
    del net.policy_certificates["mta-sts.postfix.test"]


def send(net, to, subject, data="x\r\n"):
    with smtplib.SMTP(net.out.address, 25, timeout=20) as c:
        check_equal(c.sendmail("me@demo.test", to, "Subject: %s\r\n\r\n%s" % (subject, data)), {})


@case("letters to Postfix and Exim by DANE, to OpenSMTPD in plain after its handshake failed")
def _(net):
    for name in HOSTS:
        send(net, ["a@%s.test" % name, "b@%s.test" % name], "to " + name)
    for name in HOSTS:
        check_equal(sorted(net.sink.wait_for("to " + name).rcpts), ["a@%s.test" % name, "b@%s.test" % name])
    log = net.out.log()
    check_in("Verified TLS connection established to mx.postfix.test", log)
    check_in("Verified TLS connection established to mx.exim.test", log)
    check_in("Cannot start TLS", log)


@case("a scripted server: refusals, a stall, a cut before and after it took a letter, the same again until it is taken for good")
def _(net):
    deaf = Deaf("20.0.1.21")
    script = {"ehlo": ["502 5.5.1 no"], "rcpt": ["451 4.2.0 later"], "dot": ["close", "accept|reset", "451 4.3.0 no", "stall 0.2|250-2.0.0 at\\n250 2.0.0 last"]}
    with Remote(SCRIPTED, script=script) as r, Remote(internet.address6(20), script=script) as r6:  # whichever of the two is gone to
        send(net, ["a@far.test"], "scripted", ".dots\r\n..\r\n")
        letters = []

        def all_came():
            letters[:] = r.find("scripted") + r6.find("scripted")
            return any(l.told for l in letters)
        wait_until(all_came, 40)
        check_equal({l.body for l in letters}, {b".dots\r\n..\r\n"})
        check_equal(len({l.digest for l in letters}), 1)
        wait_until(lambda: not net.out.queue(), 20)
    deaf.close()


@case("one letter a second is taken, over however many connections")
def _(net):
    net.change("far.test", "@ MX 10 b\nb A %s\n" % SCRIPTED)
    with Remote(SCRIPTED, per_second=1) as r:
        for i in range(4):
            send(net, ["a@far.test"], "slow %d" % i)
        letters = r.wait(4)
        assert letters[3].at - letters[0].at > 2.5, [l.at for l in letters]


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "postfix", "ip", "nft", "curl")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(make_zones, signed=("postfix.test", "exim.test"), bogus=("bogus.test",), lame=("lame.test",), failing=("failing.test",), silent=("silent.test",),
                  slow=("slow.test",)) as net:
        net.sink = net.with_(Remote("127.0.0.1", 0))
        for kind, name in ((Postfix, "postfix"), (Exim, "exim"), (OpenSMTPD, "open")):
            kind(net, "mx.%s.test" % name, HOSTS[name], (name + ".test",), net.sink, certificate=make_zones.certificates[name])
        net.out = Postfix(net, "out.demo.test", "20.0.0.9", networks="20.0.0.0/16", smtp_tls="dane", options="smtp_connect_timeout = 1s\n")
        sys.exit(tap.run(net, on_failure=lambda: print("# " + net.out.log()[-4000:].replace("\n", "\n# "))) > 0)
