#!/usr/bin/env python3
"""test/interop/logins.py - logging in: every mechanism on every service, real clients, imported hashes, what an attacker between sees."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import letter
from sasl import Client, Failed
from server import Server
from tap import case, check_equal, check_in

ALICE = "alice@demo.test"
SERVICES = ("submission", "submissions", "imap", "imaps", "pop3", "pop3s")
ALL = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]


BOUND = [m for m in ALL if m.endswith("-PLUS")]


@case("every mechanism works on every service, those that bind to TLS also where only IMAP announces them; with and without an initial response, "
      "TLS 1.3 and 1.2")
def _(s):
    for service in SERVICES:
        for tls12 in (False, True):
            with Client(s, service, tls12=tls12) as c:
                check_equal(c.mechanisms(), ALL if service.startswith("imap") else [m for m in ALL if m not in BOUND], service)
            for mechanism in ALL:
                for ir in (True, False):
                    with Client(s, service, tls12=tls12) as c:
                        ok, line = c.login(mechanism, ALICE, "demo", ir=ir)
                        assert ok, (service, mechanism, ir, tls12, line)


@case("scram_plus: a listener announces -PLUS or not; a client that was shown none may say that it knows of it, one that was shown it may not")
def _(s):
    for how in ("yes", "no", "by_service"):
        s.listener_options = "scram_plus " + how
        s.write_conf()
        assert s.reload()
        for service in SERVICES:
            announced = how == "yes" or (how == "by_service" and service.startswith("imap"))
            with Client(s, service) as c:
                check_equal(c.mechanisms(), ALL if announced else [m for m in ALL if m not in BOUND], "%s, %s" % (service, how))
                check_equal(c.login("SCRAM-SHA-256", ALICE, "demo", flag="y")[0], not announced, "y on %s, %s" % (service, how))
            with Client(s, service) as c:
                assert c.login("SCRAM-SHA-256-PLUS", ALICE, "demo")[0], (service, how)
    s.listener_options = ""
    s.write_conf()
    assert s.reload()


@case("without TLS no binding is announced; what is announced works")
def _(s):
    with Client(s, "imap", tls=False) as c:
        check_equal(c.mechanisms(), [m for m in ALL if "PLUS" not in m])
        assert not c.login("SCRAM-SHA-256-PLUS", ALICE, "demo", binding=("tls-unique", b"x"))[0]
        assert c.login("SCRAM-SHA-256", ALICE, "demo")[0]


@case("somebody between client and server: bindings of another connection, a hidden -PLUS, a cut nonce, another's name: refused")
def _(s):
    def refused(mechanism, **how):
        with Client(s, "imaps") as c:
            assert not c.login(mechanism, ALICE, "demo", **how)[0], how
    refused("SCRAM-SHA-256-PLUS", binding=("tls-server-end-point", b"\1" * 32))
    refused("SCRAM-SHA-256-PLUS", binding=("tls-unique", b"\1" * 12))
    refused("SCRAM-SHA-256-PLUS", binding=("tls-nonsense", b""))
    refused("SCRAM-SHA-256", flag="y")
    refused("SCRAM-SHA-256", cut_nonce=True)
    refused("SCRAM-SHA-256", authzid="bob@demo.test")
    with Client(s, "imaps") as c:
        assert c.login("SCRAM-SHA-256", ALICE, "demo", authzid="Alice@Demo.test")[0]
    with Client(s, "imap", tls=False) as c:  # nobody hid it: there is none
        assert c.login("SCRAM-SHA-256", ALICE, "demo", flag="y")[0]


@case("a name that does not exist has a salt, the same one every time, as one that does; and the same iterations")
def _(s):
    def salt(user):
        with Client(s, "imaps") as c:
            assert not c.login("SCRAM-SHA-256", user, "wrong")[0]
            return c.scram.salt, c.scram.iterations
    check_equal(salt("ghost@demo.test"), salt("GHOST@demo.test"))
    assert salt("ghost@demo.test")[0] != salt("other@demo.test")[0]
    check_equal(len(salt("ghost@demo.test")[0]), len(salt(ALICE)[0]))
    check_equal(salt("ghost@demo.test")[1], salt(ALICE)[1])
    before = salt("fresh@demo.test")
    s.add_account("fresh")
    check_equal(salt("fresh@demo.test"), before)
    s.restart()
    check_equal(salt("ghost@demo.test"), salt("ghost@demo.test"))
    check_equal(salt("fresh@demo.test"), before)


@case("passwords beyond ASCII, however they are composed")
def _(s):
    s.add_account("umlaut", password="p\u00e4ss\u2168")
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1"):
        with Client(s, "imaps") as c:
            assert c.login(mechanism, "umlaut@demo.test", "p\u00e4ss\u2168" if mechanism == "PLAIN" else "p\u00e4ssIX")[0], mechanism


HASHES = {  # of "pass word"
    "doveadm": ["ARGON2ID", "SHA512-CRYPT", "BLF-CRYPT", "SSHA256", "SSHA512", "PBKDF2", "SCRAM-SHA-256", "MD5-CRYPT", "CLEARTEXT"],
    "mkpasswd": ["yescrypt", "bcrypt", "sha512crypt"],
}


def imported(s, name, text):
    s.run("account", "add", name + "@demo.test", "--hash", stdin=text + "\n")
    who = name + "@demo.test"

    def login(mechanism, password):
        with Client(s, "imaps") as c:
            return c.login(mechanism, who, password)[0]
    if text.startswith("{SCRAM-SHA-256}"):
        assert login("SCRAM-SHA-256", "pass word"), text
    assert not login("PLAIN", "pass wurd") and login("PLAIN", "pass word"), text
    until = time.monotonic() + 10
    while not login("SCRAM-SHA-1", "pass word"):  # made of the password, now that it was seen
        assert time.monotonic() < until, text
        time.sleep(0.1)
    assert login("PLAIN", "pass word") and login("SCRAM-SHA-256", "pass word") and not login("PLAIN", "pass wurd"), text


@case("hashes of doveadm: taken, known, and renewed with the first login")
def _(s):
    for i, scheme in enumerate(HASHES["doveadm"]):
        text = subprocess.run(["doveadm", "-o", "stats_writer_socket_path=", "pw", "-s", scheme, "-p", "pass word"], capture_output=True, text=True,
                              check=True).stdout.strip()
        imported(s, "dove%d" % i, text)


@case("hashes of mkpasswd and openssl: likewise; others are refused with a list of those that are not")
def _(s):
    for i, method in enumerate(HASHES["mkpasswd"]):
        imported(s, "mk%d" % i, subprocess.run(["mkpasswd", "-m", method, "pass word"], capture_output=True, text=True, check=True).stdout.strip())
    imported(s, "ossl", subprocess.run(["openssl", "passwd", "-5", "pass word"], capture_output=True, text=True, check=True).stdout.strip())
    status, _out, err = s.run("passwd", ALICE, "--hash", stdin="{CRAM-MD5}00\n", check=False)
    check_equal(status, 1)
    check_in("{SCRAM-SHA-256}", err)
    status, _out, err = s.run("passwd", ALICE, "--hash", stdin="{SSHA}AAAA\n", check=False)
    check_equal(status, 1)
    check_in("not whole", err)


@case("swaks: PLAIN and LOGIN, of all that it has")
def _(s):
    for kind in ("PLAIN", "LOGIN"):
        p = subprocess.run(["swaks", "--server", "127.0.0.1:%d" % s.port["submissions"], "--tls-on-connect", "--auth", kind, "--auth-user", ALICE,
                            "--auth-password", "demo", "--from", ALICE, "--to", "bob@demo.test"], capture_output=True, text=True, timeout=40)
        check_equal(p.returncode, 0, p.stdout + p.stderr)


@case("curl: PLAIN and LOGIN by name, in SMTP, IMAP and POP")
def _(s):
    for url in ("imaps://127.0.0.1:%d/INBOX" % s.port["imaps"], "pop3s://127.0.0.1:%d/" % s.port["pop3s"], "smtps://127.0.0.1:%d/" % s.port["submissions"]):
        for kind in ("PLAIN", "LOGIN"):
            more = {"imap": ["-X", "SEARCH ALL"], "smtp": ["-X", "NOOP"]}.get(url[:4], [])
            p = subprocess.run(["curl", "-sS", "--cacert", s.ca, "--login-options", "AUTH=" + kind, "--user", ALICE + ":demo", url] + more,
                               capture_output=True, text=True, timeout=40)
            check_equal(p.returncode, 0, "%s %s: %s" % (url, kind, p.stderr))


@case("msmtp sends with each mechanism that GNU SASL gives it")
def _(s):
    for auth in ("plain", "login", "scram-sha-1", "scram-sha-256"):
        conf = os.path.join(s.dir, "msmtprc")
        with open(conf, "w") as f:
            f.write("account default\nhost 127.0.0.1\nport %d\ntls on\ntls_starttls off\ntls_certcheck off\nauth %s\nuser %s\npassword demo\nfrom %s\n" % (
                s.port["submissions"], auth, ALICE, ALICE))
        os.chmod(conf, 0o600)
        p = subprocess.run(["msmtp", "-C", conf, "bob@demo.test"], input=letter("msmtp " + auth).replace(b"\r\n", b"\n"), capture_output=True, timeout=40)
        check_equal(p.returncode, 0, "%s: %s" % (auth, p.stderr))


@case("mpop reads with each mechanism that GNU SASL gives it")
def _(s):
    for auth in ("user", "plain", "login", "scram-sha-1", "scram-sha-256"):
        conf, box = os.path.join(s.dir, "mpoprc"), os.path.join(s.dir, "mbox-" + auth)
        with open(conf, "w") as f:
            f.write("account default\nhost 127.0.0.1\nport %d\ntls on\ntls_starttls off\ntls_certcheck off\nauth %s\nuser %s\npassword demo\n"
                    "delivery mbox %s\nkeep on\nuidls_file %s.uidls\n" % (s.port["pop3s"], auth, "bob@demo.test", box, box))
        os.chmod(conf, 0o600)
        p = subprocess.run(["mpop", "-C", conf, "-q"], capture_output=True, timeout=40)
        check_equal(p.returncode, 0, "%s: %s" % (auth, p.stderr))
        with open(box, "rb") as f:
            check_in(b"Subject: msmtp scram-sha-256", f.read())


@case("a login that is answered too late leaves no handle behind")
def _(s):
    s.set("timeouts", call="10ms")
    assert s.reload()
    time.sleep(0.3)
    try:
        for i in range(6):
            s.add_account("late%d" % i) if i == 0 else None
            with Client(s, "imaps") as c:
                c.login("PLAIN", "late0@demo.test", "wrong%d" % i)
                c.login("PLAIN", "late0@demo.test", "demo")
    finally:
        s.settings["timeouts"].pop("call")
        s.write_conf()
        assert s.reload()
    until = time.monotonic() + 10
    while "handles\t0" not in s.run("status"):
        assert time.monotonic() < until, s.run("status")
        time.sleep(0.1)


def main():
    tap.need_programs("doveadm", "mkpasswd", "swaks", "curl", "msmtp", "mpop", "openssl")
    with Server({"limits": {"login_failures": 0, "login_failures_login": 0}, "timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}}) as s:
        failed = tap.run(s)
        s.verify()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
