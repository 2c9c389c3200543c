#!/usr/bin/env python3
"""test/interop/quickstart.py - from an address to a server that runs: what is made, refused, and left when it fails or is killed."""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import netns
import tap
from server import NOBODY, binary, free_base
from tap import Skip, case, check_equal, check_in
from zones import Zones

ZONES = {"demo.test": "mail A 192.0.2.1\nmail AAAA 2001:db8::1\n", "2.0.192.in-addr.arpa": "1 PTR mail.demo.test.\n",
         "8.b.d.0.1.0.0.2.ip6.arpa": "1%s PTR other.demo.test.\n" % (".0" * 23)}


class Place:
    """A directory for one quickstart, and its ports."""

    def __init__(self, resolver=None):
        self.top = tempfile.mkdtemp(prefix="qs-")
        os.chmod(self.top, 0o755)
        self.dir = os.path.join(self.top, "mail")
        self.base = free_base(7)
        self.resolver = resolver or "127.0.0.1:9"

    def words(self, *extra, address="me@demo.test"):
        user = ["--user", "nobody"] if os.getuid() == 0 else []
        return [binary(), "quickstart", address, "--dir", self.dir, "--port-base", str(self.base), "--listen", "127.0.0.1", "--resolver", self.resolver,
                *user, *extra]

    def quickstart(self, *extra, prefix=(), **more):
        return subprocess.run(list(prefix) + self.words(*extra, **more), capture_output=True, text=True, timeout=120)

    def run(self, *words, prefix=()):
        return subprocess.run(list(prefix) + [binary(), "-c", self.dir + "/sallyport.conf", *words], capture_output=True, text=True, timeout=60)

    def serve(self, prefix=()):
        self.log = open(os.path.join(self.top, "log"), "w+")
        p = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *prefix, binary(), "-c", self.dir + "/sallyport.conf", "run"], stdin=subprocess.DEVNULL,
                             stdout=self.log, stderr=self.log)
        until = time.monotonic() + 30
        while " ready " not in open(self.log.name).read():
            assert p.poll() is None and time.monotonic() < until, open(self.log.name).read()
            time.sleep(0.02)
        return p

    def close(self):
        shutil.rmtree(self.top, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def made(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def password_of(text):
    return re.search(r"^password\t(\S+)\t", text, re.M).group(1)


def log_in(place, address, password):
    import imaplib
    context = ssl.create_default_context(cafile=place.dir + "/keys/cert.pem")
    context.check_hostname = False
    c = imaplib.IMAP4_SSL("127.0.0.1", place.base + 4, ssl_context=context, timeout=20)
    c.login(address, password)
    c.logout()


def stop(p):
    p.send_signal(signal.SIGTERM)
    check_equal(p.wait(20), 0)


@case("it makes a server that starts, and an account that logs in with the password it shows")
def _(z):
    with Place() as place:
        out = made(place.quickstart())
        p = place.serve()
        log_in(place, "me@demo.test", password_of(out))
        check_in("me@demo.test", place.run("account", "list").stdout)
        check_equal(place.run("verify").returncode, 0)
        stop(p)
        check_in("next\tsallyport -c %s/sallyport.conf run" % place.dir, out)


@case("the configuration passes the check, is commented, and opens 25, 587, 465 and 993 alone")
def _(z):
    with Place() as place:
        made(place.quickstart())
        check_equal(place.run("config", "check").returncode, 0)
        text = open(place.dir + "/sallyport.conf").read()
        check_equal([w.split()[1] for w in text.splitlines() if w.startswith("listen ")], ["smtp", "submissions", "submission", "imaps"])
        check_equal([w.split()[1] for w in text.splitlines() if w.startswith("#listen ")], ["imap", "pop3s", "pop3", "lmtp"])
        for line in text.splitlines():  # what is commented out works when it is not
            text = text.replace(line, line[1:]) if line.startswith("#listen ") else text
        with open(place.dir + "/all.conf", "w") as f:
            f.write(text)
        result = subprocess.run([binary(), "-c", place.dir + "/all.conf", "config", "check"], capture_output=True, text=True)
        check_equal(result.returncode, 0, result.stderr)


@case("private keys are for their owner alone; the certificate names all names; nothing of the making is left")
def _(z):
    with Place() as place:
        made(place.quickstart("--hostname", "mx.demo.test"))
        check_equal(sorted(os.listdir(place.top)), ["mail"])
        check_equal(sorted(os.listdir(place.dir)), ["data", "keys", "sallyport.conf"])
        keys = [os.path.join(d, f) for d, _s, names in os.walk(place.dir + "/keys") for f in names]
        check_equal(len(keys), 4)
        for path in keys:
            check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o644 if path.endswith("cert.pem") else 0o600, path)
        text = subprocess.run(["openssl", "x509", "-in", place.dir + "/keys/cert.pem", "-noout", "-text"], capture_output=True, text=True).stdout
        check_in("DNS:mx.demo.test, DNS:mail.demo.test, DNS:autoconfig.demo.test, DNS:mta-sts.demo.test", text)
        check_in("prime256v1", text)


@case("it refuses to overwrite, names what is there, and changes nothing")
def _(z):
    with Place() as place:
        made(place.quickstart())
        before = sorted((os.path.join(d, f), os.stat(os.path.join(d, f)).st_mtime_ns) for d, _s, n in os.walk(place.dir) for f in n)
        result = place.quickstart()
        check_equal(result.returncode, 1)
        check_in("%s exists already and holds" % place.dir, result.stderr)
        check_equal(sorted((os.path.join(d, f), os.stat(os.path.join(d, f)).st_mtime_ns) for d, _s, n in os.walk(place.dir) for f in n), before)
        check_equal(os.listdir(place.top), ["mail"])
    with Place() as place:
        with open(place.dir, "w") as f:
            f.write("mine")
        check_in("is no directory", place.quickstart().stderr)
    with Place() as place:  # an empty one is none
        os.mkdir(place.dir)
        made(place.quickstart())


@case("the records load into a zone, say what the keys say, and --json has the same")
def _(z):
    with Place() as place:
        out = made(place.quickstart())
        zone = "$ORIGIN demo.test.\n@ 60 IN SOA ns me 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n"
        zone += "".join(l + "\n" for l in out.splitlines() if re.match(r"\S+\. 3600 IN ", l))
        with open(place.top + "/zone", "w") as f:
            f.write(zone)
        result = subprocess.run(["kzonecheck", "-o", "demo.test", place.top + "/zone"], capture_output=True, text=True)
        check_equal(result.returncode, 0, result.stdout + result.stderr)
        for want in ("demo.test. 3600 IN MX 10 mail.demo.test.", '"v=spf1 mx -all"', "_dmarc.demo.test.", "_mta-sts.demo.test.", "_smtp._tls.demo.test.",
                     "_imaps._tcp.demo.test. 3600 IN SRV", "_pop3s._tcp.demo.test. 3600 IN SRV 0 0 0 .", "demo.test. 3600 IN CAA 0 issue"):
            check_in(want, zone)
        for selector in os.listdir(place.dir + "/keys/dkim/demo.test"):
            line = [l for l in zone.splitlines() if l.startswith(selector[:-4] + "._domainkey.demo.test.")][0]
            parts = re.findall(r'"([^"]*)"', line)
            assert all(len(p) <= 255 for p in parts), line
            public = subprocess.run(["openssl", "pkey", "-in", place.dir + "/keys/dkim/demo.test/" + selector, "-pubout"], capture_output=True, text=True)
            der = "".join(public.stdout.splitlines()[1:-1])
            shown = "".join(parts).split("p=")[1]
            if selector[0] == "r":
                check_equal(shown, der)
            else:
                import base64
                check_equal(base64.b64decode(shown), base64.b64decode(der)[-32:])
    with Place() as place:
        got = json.loads(made(place.quickstart("--json")))
        check_equal(got["address"], "me@demo.test")
        assert {"MX", "SPF", "DKIM", "DMARC", "MTA-STS", "TLS-RPT", "SRV", "CAA"} <= {r["purpose"] for r in got["records"]}, got["records"]
        assert all(c["level"] in ("ok", "warning") for c in got["checks"])
        assert len(got["password"]) > 20


@case("--password-file gives the password, which is then not printed")
def _(z):
    with Place() as place:
        with open(place.top + "/pw", "w") as f:
            f.write("a secret of mine\n")
        out = made(place.quickstart("--password-file", place.top + "/pw"))
        assert "secret" not in out and "password\t" not in out, out
        p = place.serve()
        log_in(place, "me@demo.test", "a secret of mine")
        stop(p)


@case("as a user without rights")
def _(z):
    if os.getuid() != 0:
        raise Skip("not root")
    with Place() as place:
        for name in ("sallyport", "sallyport-rocks.so"):
            shutil.copy(os.path.join(os.path.dirname(binary()), name), place.top)
        os.chown(place.top, NOBODY, NOBODY)
        prefix = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        words = [place.top + "/sallyport"] + place.words()[1:]
        words = words[:words.index("--user")]
        result = subprocess.run(prefix + words, capture_output=True, text=True, timeout=60)
        out = made(result)
        assert "\nuser " not in open(place.dir + "/sallyport.conf").read()
        os.environ["SALLYPORT_BIN"], was = place.top + "/sallyport", binary()
        try:
            p = place.serve(prefix)
            log_in(place, "me@demo.test", password_of(out))
            stop(p)
        finally:
            os.environ["SALLYPORT_BIN"] = was


@case("what is wrong is refused with the reason, and nothing is left")
def _(z):
    for extra, address, why in (((), "me", "is not a mail address"), ((), "me@localhost", "is not a mail address"), ((), "me@[127.0.0.1]", "is not a mail address"),
                                (("--hostname", "mail"), "me@demo.test", "is not a full host name"), (("--port-base", "0"), "me@demo.test", "give 1 to"),
                                (("--port-base", "65530"), "me@demo.test", "give 1 to"), (("--listen", "here"), "me@demo.test", "is not an IPv4"),
                                (("--password-file", "/nowhere"), "me@demo.test", "/nowhere"), (("--bogus",), "me@demo.test", "is unknown here"),
                                (("--hostname",), "me@demo.test", "needs a value"), (("--resolver", "x"), "me@demo.test", "is not an IPv4")):
        with Place() as place:
            words = [w for w in place.words(address=address)]
            for name in extra[:1]:
                if name in words:
                    at = words.index(name)
                    del words[at:at + 2]
            result = subprocess.run(words + list(extra), capture_output=True, text=True, timeout=60)
            assert result.returncode in (1, 2), (extra, address, result)
            check_in(why, result.stderr)
            check_equal(os.listdir(place.top), [])
    with Place() as place:
        with open(place.top + "/pw", "w") as f:
            f.write("\n")
        check_in("its first line is the password", place.quickstart("--password-file", place.top + "/pw").stderr)


@case("when the server cannot start, its reason is told and nothing is left")
def _(z):
    with Place() as place:
        place.dir = os.path.join(place.top, "x" * 80)  # its control socket's path would be too long
        result = place.quickstart()
        check_equal(result.returncode, 1)
        check_in("run_dir", result.stderr)
        check_equal(os.listdir(place.top), [])


def stage_files(place):
    return sum(len(n) for _d, _s, n in os.walk(place.dir + ".quickstart"))


@case("interrupted by SIGINT or SIGTERM at any moment, nothing is left; the server of the making is gone")
def _(z):
    for i, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)):
        with Place() as place:
            p = subprocess.Popen(place.words(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
            until = time.monotonic() + 20
            while stage_files(place) < (1, 5, 6, 9)[i] and p.poll() is None and time.monotonic() < until:
                time.sleep(0.002)
            p.send_signal(number)
            _out, err = p.communicate(timeout=60)
            assert p.returncode != 0 or os.path.exists(place.dir + "/sallyport.conf"), err  # it may have been done
            if p.returncode != 0:
                check_equal(os.listdir(place.top), [])


@case("killed at any moment, nothing is half there: the next one makes it whole")
def _(z):
    for n in (1, 3, 6, 8, 12):
        with Place() as place:
            p = subprocess.Popen(place.words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            until = time.monotonic() + 20
            while stage_files(place) < n and p.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            p.kill()
            p.wait()
            if os.path.exists(place.dir):
                check_equal(place.run("config", "check").returncode, 0)
                continue
            result = place.quickstart()
            until = time.monotonic() + 10
            while result.returncode and "is in use" in result.stderr and time.monotonic() < until:
                time.sleep(0.1)  # the killed one's server holds nothing for long
                result = place.quickstart()
            out = made(result)
            check_equal(os.listdir(place.top), ["mail"])
            s = place.serve()
            log_in(place, "me@demo.test", password_of(out))
            stop(s)


@case("the host's checks: name and PTR that fit and do not, a resolver that validates, a port in use")
def _(z):
    if not z:
        raise Skip("no network of its own")
    with Place(z.resolver) as place, socket.socket() as taken:
        taken.bind(("127.0.0.1", place.base))
        taken.listen()
        out = made(place.quickstart())
        for want in ("ok\tname\tmail.demo.test has the address 192.0.2.1 of this machine", "ok\tptr\t192.0.2.1 is mail.demo.test, and that has this address",
                     "warning\tptr\t2001:db8::1 has the name other.demo.test", "warning\tport\tsmtp: another program has 127.0.0.1 port %d" % place.base,
                     "ok\tport\timaps", "ok\tdisk\t", "ok\taddress\t192.0.2.1"):
            check_in(want, out)
        check_in("mail.demo.test. 3600 IN AAAA 2001:db8::1", out)


@case("offline, everything is made and what could not be checked is a warning")
def _(z):
    with Place("127.0.0.1:9") as place:
        out = made(place.quickstart())
        check_in("warning\tresolver\t127.0.0.1 port 9 does not answer", out)


@case("at the system's places: the user is made, a crash between the two renames is repaired")
def _(z):
    if not z or not os.path.exists("/usr/sbin/useradd"):
        raise Skip("no mounts of its own")
    scratch = tempfile.mkdtemp(prefix="qs-system-")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", scratch], check=True)
    for directory in ("/etc", "/var/lib"):
        netns.overlay(directory, scratch)
    words = [binary(), "quickstart", "me@demo.test", "--port-base", str(free_base(7)), "--listen", "127.0.0.1", "--resolver", "127.0.0.1:9"]

    def run():
        return subprocess.run(words, capture_output=True, text=True, timeout=60)
    existed = "sallyport:" in open("/etc/passwd").read()
    out = made(run())
    if not existed:
        check_in("ok\tuser\tsallyport is made", out)
    check_in("sallyport:", open("/etc/passwd").read())
    check_equal(sorted(os.listdir("/etc/sallyport")), ["keys", "sallyport.conf"])
    check_in("rows", os.listdir("/var/lib/sallyport"))
    assert not os.path.exists("/etc/sallyport.quickstart") and not os.path.exists("/var/lib/sallyport.quickstart")
    check_equal(run().returncode, 1)
    os.rename("/etc/sallyport/sallyport.conf", "/etc/conf")
    shutil.rmtree("/etc/sallyport")
    check_in("/var/lib/sallyport exists already", run().stderr)
    os.makedirs("/etc/sallyport.quickstart")
    with open("/etc/sallyport.quickstart/data-moved", "w"):
        pass
    made(run())
    check_equal(sorted(os.listdir("/etc/sallyport")), ["keys", "sallyport.conf"])


if __name__ == "__main__":
    tap.need_programs("openssl", "knotd", "unbound", "kzonecheck")
    if netns.enter("192.0.2.1/32", "2001:db8::1/128", mounts=True):
        with Zones(ZONES) as zones:
            sys.exit(tap.run(zones) > 0)
    sys.exit(tap.run(None) > 0)
