#!/usr/bin/env python3
"""test/interop/routes_reload.py - routes that are exchanged while letters are on their way: none of them goes by the way of another's domain."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import internet
import tap
from client import wait_until
from internet import Internet
from remote import Remote
from sending import Sender
from tap import case, check_equal

ONE, TWO, DEAF = "20.0.1.35", "20.0.1.36", "20.0.250.9"


def exchange(s, routes):
    s.extra_listeners[-1] = routes
    s.write_conf()


@case("a connection that an attempt of the configuration before has opened serves no route that has its number now")
def _(t):
    with Sender(t.net, ["route one.test { next_hop [%s] [%s] }" % (DEAF, ONE)], timeouts={"relay_connect": "4s", "relay_idle": "5s"}) as s:
        s.submit("a@one.test", "first")
        time.sleep(0.5)  # it is connecting to what does not answer
        exchange(s, "route two.test { next_hop [%s] }" % TWO)
        assert s.reload()
        t.one.wait_for("first")
        s.submit("b@two.test", "second")
        t.two.wait_for("second")
        check_equal(t.one.find("second"), [])


@case("groups of a letter that went together to a next hop, and whose routes are parted meanwhile, go each by its own")
def _(t):
    with Sender(t.net, ["route one.test two.test { next_hop [%s] }" % ONE]) as s:
        relay = s.pids("relay")[0]
        s.submit("x@one.test", "warm")
        s.wait_empty()
        os.kill(s.process.pid, signal.SIGSTOP)  # so that relay comes back a little later, as it does when it dies often
        os.kill(relay, signal.SIGKILL)
        time.sleep(0.3)
        s.submit(["a@one.test", "b@two.test"], "together")
        time.sleep(1)
        exchange(s, "route two.test { next_hop [%s] }" % ONE)
        os.kill(s.process.pid, signal.SIGHUP)
        os.kill(s.process.pid, signal.SIGCONT)
        s.wait_empty()
        wait_until(lambda: t.two.find("together") and t.one.find("together"))
        check_equal([[a for l in r.find("together") for a in l.rcpts] for r in (t.one, t.two)], [["b@two.test"], ["a@one.test"]])


class Trial:
    def __init__(self, net):
        self.net, self.one, self.two = net, net.with_(Remote(ONE)), net.with_(Remote(TWO))


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    tap.need_programs("openssl", "knotd", "unbound", "ip", "nft")
    if not internet.enter():
        tap.skip_all("a network of its own needs root")
    with Internet(lambda ca: {"one.test": "@ MX 10 mx.one.test.\nmx A %s\n" % TWO}) as net:
        sys.exit(tap.run(Trial(net)) > 0)
