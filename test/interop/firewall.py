#!/usr/bin/env python3
"""test/interop/firewall.py - the rules that `sallyport firewall` prints, loaded into a network of the test's own and tried from another."""
import os
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import netns
import tap
from server import binary
from tap import case, check_equal, check_in

CONF = """hostname mail.demo.test
listen smtp { }
listen submission { address 10.9.0.1 127.0.0.1; auth_without_tls yes }
listen imap { networks 10.9.0.0/16 10.9.0.0/24 10.9.0.2 2001:db8::/32; auth_without_tls yes }
listen pop3 { networks 192.0.2.0/24; auth_without_tls yes }
limits { connections_per_address_strangers 5; connections_per_address_users 5; connection_rate 20 }
"""
TRY = """
import socket, sys
for word in sys.argv[2:]:
    host, port = word.rsplit("|", 1)
    try:
        socket.create_connection((host, int(port)), timeout=float(sys.argv[1])).close()
        print("open")
    except ConnectionResetError:
        print("reset")
    except ConnectionRefusedError:
        print("refused")
    except OSError:
        print("silent")
"""
HOLD = """
import socket, sys, time
found, held = [], []
for i in range(int(sys.argv[3])):
    try:
        held.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1))
        found.append("open")
    except ConnectionError:
        found.append("reset")
    except OSError:
        found.append("silent")
print(" ".join(found))
"""


class Net:
    """This process's network with 10.9.0.1 and 2001:db8:9::1, and another's with .2 and ::2."""

    def __enter__(self):
        self.other = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        self.other.stdout.readline()
        run = lambda *w: subprocess.run(w, check=True)
        run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(self.other.pid))
        for words in (("link", "set", "here", "up"), ("address", "add", "10.9.0.1/24", "dev", "here"),
                      ("address", "add", "2001:db8:9::1/64", "dev", "here", "nodad")):
            run("ip", *words)
        for words in (("link", "set", "there", "up"), ("address", "add", "10.9.0.2/24", "dev", "there"),
                      ("address", "add", "10.9.0.3/24", "dev", "there"), ("address", "add", "2001:db8:9::2/64", "dev", "there", "nodad")):
            run(*self.there("ip", *words))
        time.sleep(0.2)
        self.listeners = []
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for port in (22, 25, 110, 143, 587, 993):
                s = socket.socket(family)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((host, port))
                s.listen(200)
                self.listeners.append(s)
        return self

    def __exit__(self, *unused):
        self.other.kill()
        self.other.wait()

    def there(self, *words):
        return ["nsenter", "-t", str(self.other.pid), "-n"] + list(words)

    def ask(self, *doors):
        out = subprocess.run(self.there(sys.executable, "-c", TRY, "0.7", *doors), capture_output=True, text=True, check=True).stdout
        return out.split()

    def hold(self, host, port, n):
        return subprocess.run(self.there(sys.executable, "-c", HOLD, host, str(port), str(n)), capture_output=True, text=True, check=True).stdout.split()


def rules(conf=CONF, *words):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(conf)
        f.flush()
        p = subprocess.run([binary(), "-c", f.name, "firewall", *words], capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr


def load(text, check=False):
    p = subprocess.run(["nft", "-c", "-f", "-"] if check else ["nft", "-f", "-"], input=text, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr


@case("nft takes the rules, twice, and for a configuration of every kind of listener")
def _(n):
    status, text, err = rules()
    check_equal(status, 0, err)
    load(text, check=True)
    load(text)
    load(text)
    tls = "tls { certificate /c.pem; key /k.pem }\n"
    every = "hostname a.test\n" + tls + "".join("listen %s { }\n" % s for s in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"))
    every += "listen smtp { port 26; proxy_protocol yes; proxy_networks 10.0.0.0/8 10.1.0.0/16 ::1 }\nlisten imap { address ::1 2001:db8::5 192.0.2.9; port 1143 }\n"
    status, text, err = rules(every)
    check_equal(status, 0, err)
    load(text, check=True)


@case("other tables stay when the rules are loaded again")
def _(n):
    load("table ip mine {\n chain c {\n }\n}\n")
    load(rules()[1])
    check_in("table ip mine", subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout)


@case("open doors are open, by IPv4 and IPv6, to whom they are; all else is silent; loopback is free")
def _(n):
    load(rules()[1])
    check_equal(n.ask("10.9.0.1|25", "2001:db8:9::1|25", "10.9.0.1|587", "10.9.0.1|143", "2001:db8:9::1|143", "10.9.0.1|22"), ["open"] * 6)
    check_equal(n.ask("2001:db8:9::1|587", "10.9.0.1|110", "10.9.0.1|993"), ["silent"] * 3)
    socket.create_connection(("127.0.0.1", 993), timeout=2).close()


@case("a ping is answered")
def _(n):
    load(rules()[1])
    for words in (("ping", "-c1", "-W2", "10.9.0.1"), ("ping", "-6", "-c1", "-W2", "2001:db8:9::1")):
        check_equal(subprocess.run(n.there(*words), stdout=subprocess.DEVNULL).returncode, 0)


@case("--ssh moves or closes the shell's door; a bad one is refused")
def _(n):
    load(rules(CONF, "--ssh", "993")[1])
    check_equal(n.ask("10.9.0.1|22", "10.9.0.1|993"), ["silent", "open"])
    load(rules(CONF, "--ssh", "0")[1])
    check_equal(n.ask("10.9.0.1|22", "10.9.0.1|993"), ["silent", "silent"])
    for bad in ("70000", "x", ""):
        status, _out, err = rules(CONF, "--ssh", bad)
        check_equal(status, 2)
        check_in("--ssh", err)


@case("one source has so many connections at once, the next is reset; another source is not hindered")
def _(n):
    load(rules()[1])
    check_equal(n.hold("10.9.0.1", 25, 7), ["open"] * 5 + ["reset"] * 2)
    check_equal(n.hold("2001:db8:9::1", 25, 7), ["open"] * 5 + ["reset"] * 2)


@case("one source makes so many new connections a minute, then there is silence")
def _(n):
    load(rules(CONF.replace("connections_per_address_users 5", "connections_per_address_users 500"))[1])
    found = n.hold("10.9.0.1", 587, 24)
    check_equal(found[:20], ["open"] * 20)
    check_in("silent", found[20:])


if __name__ == "__main__":
    tap.need_programs("nft", "ip", "ping", "nsenter", "unshare")
    if not netns.enter():
        tap.skip_all("a network of its own needs root")
    with Net() as net:
        sys.exit(tap.run(net) > 0)
