#!/usr/bin/env python3
"""test/interop/sites.py - domains whose mail goes to the same hosts: connections they share and do not share, limits and pauses they have together;
and letters to many domains by one next hop, in one transaction."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import Internet
from remote import Remote
from sending import Sender, settle
from tap import case, check_equal, check_in

HOST, SAFE, NAMED, DOWN, SMART, OTHER, ABSENT = ("20.0.1.%d" % n for n in range(31, 38))
PLAIN = ["alpha", "beta", "gamma", "delta"]
MANY = ["u%d@d%d.many.test" % (i, i % 20) for i in range(40)]
CONNECTIONS = 3
SIGNED = ("safe.test", "dane1.test", "dane2.test", "named.test", "anchor1.test", "anchor2.test")


def zones(ca):
    made = {n: ca.issue("mx.%s.test" % n) for n in ("host", "safe", "named")}
    z = {"host.test": "mx A %s\n" % HOST, "safe.test": "mx A %s\n_25._tcp.mx TLSA %s\n" % (SAFE, made["safe"].tlsa(3)),
         "named.test": "mx A %s\n_25._tcp.mx TLSA %s\n" % (NAMED, made["named"].tlsa(2, 0)), "down.test": "mx A %s\n" % DOWN, "absent.test": "mx A %s\n" % ABSENT, "other.test": "mx A %s\n" % OTHER,
         "strict.test": "@ MX 10 mx.host.test.\n" + Internet.sts_records()}
    for names, host in ((PLAIN, "host"), (("dane1", "dane2"), "safe"), (("anchor1", "anchor2"), "named"), (("down1", "down2"), "down")):
        z.update({n + ".test": "@ MX 10 mx.%s.test.\n" % host for n in names})
    zones.certificates = made
    return z


class Trial:
    def __init__(self, net):
        self.net = net
        self.host, self.safe, self.named = (net.with_(Remote(a, tls=zones.certificates[n])) for a, n in ((HOST, "host"), (SAFE, "safe"), (NAMED, "named")))
        self.smart, self.other = net.with_(Remote(SMART)), net.with_(Remote(OTHER))
        net.policy("strict.test", "enforce", "mx.host.test")

    def show(self):
        self.s.show_log()
        for line in (self.s.run("queue", "list") + self.s.run("queue", "sites")).splitlines():
            tap.comment(line)

    def deliver(self, remote, domain, subject):
        """(session, lock, reused) of the next letter to a domain."""
        to = "someone@%s.test" % domain
        self.s.submit(to, subject)
        session = remote.wait_for(subject).session
        attempt = wait_until(lambda: [a for a in self.s.attempts(to) if a["recipients"][0]["state"] == "sent"][-1:], what="the end of " + subject)[0]
        return session, attempt["lock"], attempt["reused"]

    def wait_idle(self, *remotes):
        for r in remotes:
            wait_until(lambda r=r: r.n_open == 0, what="the end of kept connections")

    def sites(self):
        return {e["site"]: e for e in self.s.command("sites")}


@case("letters to two domains of one host go over one connection, each in a transaction of its own; one letter to both too")
def _(t):
    sessions = [t.deliver(t.host, n, "to " + n) for n in PLAIN]
    check_equal({s.number for s, _l, _r in sessions}, {sessions[0][0].number})
    check_equal([(l, r) for _s, l, r in sessions], [("opportunistic", False)] + [("opportunistic", True)] * 3)
    t.s.submit(["a@alpha.test", "b@beta.test", "c@alpha.test"], "to both")
    wait_until(lambda: len(t.host.find("to both")) == 2)
    check_equal(sorted(sorted(l.rcpts) for l in t.host.find("to both")), [["a@alpha.test", "c@alpha.test"], ["b@beta.test"]])


@case("a domain with an MTA-STS policy shares no connection with others of its host, nor they with it")
def _(t):
    t.wait_idle(t.host)
    strict = [t.deliver(t.host, "strict", "strict %d" % i) for i in (1, 2)]
    plain = t.deliver(t.host, "alpha", "after strict")
    check_equal([(l, r) for _s, l, r in strict], [("mta-sts", False), ("mta-sts", True)])
    check_equal(plain[1:], ("opportunistic", False))
    again = t.deliver(t.host, "strict", "strict 3")
    check_equal((again[0].number, again[1:]), (strict[0][0].number, ("mta-sts", True)))


@case("DANE: a certificate that is pinned vouches for the host, whoever's mail it is; one for a name does so for one domain")
def _(t):
    one, two = t.deliver(t.safe, "dane1", "dane 1"), t.deliver(t.safe, "dane2", "dane 2")
    check_equal((two[0].number, one[1:], two[1:]), (one[0].number, ("dane", False), ("dane", True)))
    one, two = t.deliver(t.named, "anchor1", "anchor 1"), t.deliver(t.named, "anchor2", "anchor 2")
    assert one[0].number != two[0].number
    check_equal((one[1:], two[1:]), (("dane", False), ("dane", False)))
    check_equal(t.deliver(t.named, "anchor1", "anchor 3")[1:], ("dane", True))


@case("REQUIRETLS and TLS-Required: No keep connections apart from those of letters without")
def _(t):
    t.wait_idle(t.host)
    first = t.deliver(t.host, "alpha", "without wishes")
    t.s.submit("someone@beta.test", "no tls needed", extra="TLS-Required: No\r\n")
    other = t.host.wait_for("no tls needed").session
    assert other.number != first[0].number
    check_equal(t.deliver(t.host, "gamma", "again without")[0].number, first[0].number)


@case("connections to a host are bounded for all of its domains together, and each domain gets its turn")
def _(t):
    t.wait_idle(t.host)
    t.host.forget()
    t.host.script["dot"] = lambda _session, _address: "stall 0.05|ok"
    c = t.s.smtp("submission", tls=True, login="alice")
    for i in range(40):
        t.s.submit("r%d@%s.test" % (i, PLAIN[i % 4] if i >= 20 else "alpha"), "bounded", connection=c)
    c.quit()
    seen = wait_until(lambda: t.sites().get("mx.host.test"), what="the host among the sites")
    check_equal(seen["domains"] >= 4 and 1 <= seen["window"] <= CONNECTIONS, True, seen)
    letters = t.host.wait(40)
    t.host.script.clear()
    check_equal(t.host.n_open_max <= CONNECTIONS, True, "%d connections" % t.host.n_open_max)
    first = {l.rcpts[0].split("@")[1] for l in letters[:36]}
    check_equal(first, {n + ".test" for n in PLAIN})
    t.s.wait_empty()


@case("a host that is not there is left alone for all of its domains, as queue sites shows; a retry of one letter frees all")
def _(t):
    t.s.submit("someone@down1.test", "down 1")
    wait_until(lambda: t.s.attempts("someone@down1.test"))
    t.s.submit("someone@down2.test", "down 2")
    site = wait_until(lambda: t.sites().get("mx.down.test") if t.sites().get("mx.down.test", {}).get("due") else None, what="the host among the sites")
    check_equal((site["domains"], site["failures"], site["window"], site["running"], 0 < site["pause"] <= 30), (2, 1, 1, 0, True))
    check_in("mx.down.test\tdomains 2\tdue 1\trunning 0\twindow 1\tfailures 1\tpause ", t.s.run("queue", "sites"))
    settle()
    check_equal(t.s.attempts("someone@down2.test"), [])
    t.down = t.net.with_(Remote(DOWN))
    t.s.run("queue", "retry", "--domain", "down1.test")
    t.down.wait_for("down 1")
    t.down.wait_for("down 2")
    t.s.wait_empty()
    assert "mx.down.test" not in t.sites()


@case("what DNS fails to say of one domain keeps no other from the host")
def _(t):
    t.s.submit("someone@failing.test", "no answer")
    wait_until(lambda: t.s.attempts("someone@failing.test"), 30)
    check_equal(t.s.attempts("someone@failing.test")[0]["recipients"][0]["status"], "4.4.3")
    t.deliver(t.host, "alpha", "while another fails")
    t.s.run("queue", "delete", "--domain", "failing.test")


@case("a policy that relay knows is kept to, whatever was known of the domain when its hosts were asked for")
def _(t):
    t.deliver(t.host, "beta", "before the policy")
    t.net.policy("beta.test", "enforce", "mx.host.test")
    t.net.change("beta.test", "@ MX 10 mx.host.test.\n" + Internet.sts_records())
    t.wait_idle(t.host)
    first = t.deliver(t.host, "beta", "by the policy")
    plain = t.deliver(t.host, "alpha", "another domain")
    again = t.deliver(t.host, "beta", "by the policy again")
    check_equal((first[1], plain[1], again[1]), ("mta-sts", "opportunistic", "mta-sts"))


@case("a domain that names others' hosts and then leads to what is not there pauses itself alone")
def _(t):
    t.deliver(t.host, "gamma", "as the others")
    t.net.change("gamma.test", "@ MX 10 mx.absent.test.\n")
    t.wait_idle(t.host)
    t.s.submit("someone@gamma.test", "to what is not there")
    wait_until(lambda: t.s.attempts("someone@gamma.test")[-1]["recipients"][0]["status"] == "4.4.1")
    settle()
    check_equal(t.sites().get("mx.host.test", {}).get("failures", 0), 0)
    t.net.change("gamma.test", "@ MX 10 mx.host.test.\n")
    settle(2)  # the resolver forgets
    t.s.run("queue", "retry", "--domain", "gamma.test")
    t.host.wait_for("to what is not there")


@case("when a domain moves, its next letter goes to the new host, while the site it was in is still remembered")
def _(t):
    t.deliver(t.host, "delta", "before it moves")
    t.wait_idle(t.host)
    t.net.change("delta.test", "@ MX 10 mx.other.test.\n")
    t.deliver(t.other, "delta", "after it has moved")
    t.deliver(t.host, "gamma", "and the others stay")


@case("a letter to 20 domains by one next hop goes in one transaction; each recipient has a fate of its own")
def _(t):
    fates = {"u3@": "550 5.1.1 nobody", "u4@": "451 4.2.1 later"}
    t.smart.script["rcpt"] = lambda _session, argument: next((r for a, r in fates.items() if "<" + a in argument), None)
    t.s.submit(MANY, "to many")
    got = t.smart.wait_for("to many")
    check_equal(sorted(got.rcpts), sorted(a for a in MANY if not a.startswith(("u3@", "u4@"))))
    check_equal(t.s.report_on("u3@d3.many.test")[1]["status"], "5.1.1")
    check_equal([r["to"] for e in t.s.waiting() for r in e["recipients"]], ["u4@d4.many.test"])
    check_equal({(a["attempt"], a["reused"]) for n in range(20) for a in t.s.attempts("@d%d.many.test" % n)}, {(1, False)})
    fates.clear()
    t.s.run("queue", "retry", "--domain", "d4.many.test")
    t.s.wait_empty()
    check_equal([l.rcpts for l in t.smart.find("to many")[1:]], [["u4@d4.many.test"]])


@case("all of it deferred, it comes again as one")
def _(t):
    t.smart.script["mail"] = ["451 4.3.0 not now"]
    t.s.submit(MANY, "deferred")
    wait_until(lambda: not t.smart.script["mail"])
    wait_until(lambda: len([e for e in t.s.waiting() if e["attempts"] == 1 and e["recipients"][0]["code"] == 451]) == 20, what="20 groups that wait")
    t.s.run("queue", "retry", "--all")
    t.s.wait_empty()
    check_equal(sorted(a for l in t.smart.find("deferred") for a in l.rcpts), sorted(MANY))


@case("a next hop that takes one domain in a transaction gets one after the other, over the same connection and in the same attempt")
def _(t):
    def one_domain(session, argument):
        first = session.rcpts and session.rcpts[0][0].rpartition("@")[2]
        return "451 4.3.0 multiple destination domains per transaction are not taken" if first and first not in argument else None
    n = len(t.smart.sessions)
    t.smart.script["rcpt"] = one_domain
    t.s.submit(MANY, "apart")
    t.s.wait_empty()
    t.smart.script.clear()
    got = t.smart.find("apart")
    check_equal((len(got), sorted(a for l in got for a in l.rcpts)), (20, sorted(MANY)))
    assert len({l.session.number for l in got}) == 1 and len(t.smart.sessions) <= n + 1
    check_equal({a["attempt"] for n in range(20) for a in t.s.attempts("@d%d.many.test" % n) if a["trace"] == t.s.history()[-1]["trace"]}, {1})


@case("post is killed while the next hop thinks about such a letter: relay knows each group, and nobody gets it twice")
def _(t):
    t.smart.script["dot"] = ["stall 2|accept|250 2.0.0 taken"]
    t.s.submit(MANY, "thinking")
    wait_until(lambda: not t.smart.script["dot"])
    os.kill(t.s.pids("post")[0], signal.SIGKILL)
    t.smart.wait_for("thinking")
    t.s.wait_empty()
    settle()
    check_equal(sorted(a for l in t.smart.find("thinking") for a in l.rcpts), sorted(MANY))
    check_equal({a["recipients"][0]["state"] for n in range(20) for a in t.s.attempts("@d%d.many.test" % n) if a["attempt"] == 1 and a["trace"] == t.s.history()[-1]["trace"]}, {"sent"})


@case("relay is killed there: all of the letter is tried again")
def _(t):
    t.smart.script["dot"] = ["stall"]
    t.s.submit(MANY, "killed")
    wait_until(lambda: not t.smart.script["dot"])
    os.kill(t.s.pids("relay")[0], signal.SIGKILL)
    wait_until(lambda: len([e for e in t.s.waiting() if e["attempts"] == 1 and e["recipients"][0]["status"] == "4.4.2"]) == 20, what="20 groups that wait")
    t.s.run("queue", "retry", "--all")
    t.s.wait_empty()
    check_equal(sorted(a for l in t.smart.find("killed") for a in l.rcpts), sorted(MANY))


@case("a letter that is rerouted reaches all of its recipients by the hop that was chosen, whatever their domains")
def _(t):
    t.s.submit(["a@down1.test", "b@far.nowhere.test", "c@alpha.test"], "elsewhere", mail=["HOLDFOR=1000"])
    t.s.run("queue", "reroute", "[%s]" % SMART, "--sender", "alice@demo.test")
    t.s.wait_empty()
    check_equal(sorted(a for l in t.smart.find("elsewhere") for a in l.rcpts), ["a@down1.test", "b@far.nowhere.test", "c@alpha.test"])
    t.s.verify()


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(zones, signed=SIGNED, failing=("failing.test",)) as net:
        trial = Trial(net)
        queue = {"retry_first": "30s", "retry_max": "30s", "connections_destination": CONNECTIONS}
        with Sender(net, ["route *.many.test { next_hop [%s] }" % SMART], queue=queue, timeouts={"relay_idle": "3s", "relay_end": "10s"}) as trial.s:
            sys.exit(tap.run(trial, on_failure=trial.show) > 0)
