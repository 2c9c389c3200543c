#!/usr/bin/env python3
"""test/interop/certificates.py - certificates by name with openssl s_client: chosen, exchanged under running sessions, kept when a file is broken."""
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, wait_until
from server import Server
from tap import case, check_equal, check_in

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
RSA = ("-newkey", "rsa:2048")


def make(s, name, kind=EC, days=100, cn=None):
    """name.pem and name.key, signed by themselves; the SHA-256 of the certificate."""
    pem, key = os.path.join(s.dir, name + ".pem"), os.path.join(s.dir, name + ".key")
    subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-keyout", key + ".new", "-out", pem + ".new", "-days", str(days),
                    "-subj", "/CN=" + (cn or name)], check=True, capture_output=True)
    os.rename(key + ".new", key)
    os.rename(pem + ".new", pem)
    return digest(pem)


def digest(pem):
    with open(pem) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def shown(s, name=None, service="imaps", *more):
    """The SHA-256 of the certificate that openssl s_client is shown."""
    line = ["openssl", "s_client", "-connect", "%s:%d" % (s.host, s.port[service]), *(["-servername", name] if name else ["-noservername"]), *more]
    p = subprocess.run(line, input="", capture_output=True, text=True, timeout=30)
    at = p.stdout.find("-----BEGIN CERTIFICATE-----")
    assert at >= 0, p.stdout + p.stderr
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(p.stdout[at:p.stdout.index("-----END CERTIFICATE-----") + 25])).hexdigest()


@case("each name is shown its certificate, EC or RSA, exact before wildcard; others and nameless clients the default; by STARTTLS too")
def _(s):
    for version in ("-tls1_3", "-tls1_2"):
        for name, want in ((None, "default"), ("unknown.test", "default"), ("mail.two.test", "two"), ("MAIL.TWO.TEST", "two"), ("x.two.test", "wild"),
                           ("y.x.two.test", "default"), ("two.test", "default")):
            check_equal(shown(s, name, "imaps", version), s.digests[want], "%s %s" % (name, version))
    check_equal(shown(s, "mail.two.test", "smtp", "-starttls", "smtp"), s.digests["two"])
    check_equal(shown(s, "x.two.test", "imap", "-starttls", "imap"), s.digests["wild"])


@case("SIGHUP brings new certificates; a session from before stays up and goes on")
def _(s):
    held = Raw(s, "imaps", tls=True)
    for name, kind in (("two", RSA), ("wild", EC)):
        old = s.digests[name]
        s.digests[name] = make(s, name, kind, cn=name)
        assert s.digests[name] != old
    assert s.reload()
    wait_until(lambda: shown(s, "mail.two.test") == s.digests["two"], what="the new certificate")
    check_equal(shown(s, "x.two.test"), s.digests["wild"])
    check_equal(shown(s), s.digests["default"])
    held.say("a NOOP")
    check_in("a OK", held.line())
    held.say("b LOGOUT")


@case("a file that is broken, missing or does not fit at a reload: the certificate in use stays, the log says why, the rest is exchanged")
def _(s):
    pem, key = os.path.join(s.dir, "two.pem"), os.path.join(s.dir, "two.key")
    for breaking, why in ((lambda: open(pem, "w").close(), "two.pem: no certificate in the PEM file"), (lambda: os.remove(pem), "two.pem"),
                          (lambda: os.remove(key), "two.key: cannot be opened"), (lambda: open(key, "w").close(), "two.key: no private key in the PEM file"),
                          (lambda: shutil.copy(os.path.join(s.dir, "wild.key"), key), "two.key: the key does not belong to the certificate")):
        with tempfile.TemporaryDirectory() as kept:
            for f in (pem, key):
                shutil.copy(f, kept)
            breaking()
            s.digests["wild"] = make(s, "wild", EC)
            if "belong" in why:
                shutil.copy(os.path.join(s.dir, "wild.key"), key)
            at = s.log_size()
            assert s.reload()
            line = s.wait_log("certificate-refused", at=at)
            check_in(why, line)
            check_in("the one in use stays", line)
            wait_until(lambda: shown(s, "x.two.test") == s.digests["wild"], what="the other new certificate")
            check_equal(shown(s, "mail.two.test"), s.digests["two"])
            for f in (pem, key):
                shutil.copy(os.path.join(kept, os.path.basename(f)), f)
    # A role that is started anew has them all.
    lives = s.lives()
    os.kill(s.pids("keys")[0], 9)
    for pid in s.pids("edge-user"):
        os.kill(pid, 9)
    wait_until(lambda: all(r["state"] == "ready" for r in s.roles()) and s.lives() != lives, what="new processes")
    wait_until(lambda: shown(s, "mail.two.test") == s.digests["two"], what="the certificate from a new process")


@case("a certificate that ends within 14 days is warned about, at the start, at a reload, and in status")
def _(s):
    at = s.log_size()
    s.digests["wild"] = make(s, "wild", EC, days=10)
    assert s.reload()
    check_in("certificate-ends", s.wait_log("the certificate for *.two.test,three.test ends in ", at=at))
    status = [x for x in s.run("status").splitlines() if x.startswith("certificate\t")]
    check_equal(len(status), 3, "\n".join(status))
    check_in("certificate\tdefault\tends 20", status[0])
    check_in("certificate\t*.two.test,three.test\tends 20", status[2])
    check_in("\tSOON: ", status[2])
    check_in("\tSOON: ", status[0])  # the tests' own lasts two days
    assert "SOON" not in status[1]
    s.digests["wild"] = make(s, "wild", EC)
    at = s.log_size()
    assert s.reload()
    assert "*.two.test" not in s.log_text(at)


@case("a start with a key that does not fit is refused, with the file and the reason")
def _(unused):
    s = Server()
    try:
        make(s, "other")
        shutil.copy(os.path.join(s.dir, "other.key"), os.path.join(s.dir, "key.pem"))
        p = subprocess.run(s.command_line("run"), capture_output=True, text=True, timeout=20)
        check_equal(p.returncode, 1)
        check_in("key.pem: the key does not belong to the certificate", p.stderr)
    finally:
        s.close()


if __name__ == "__main__":
    tap.need_programs("openssl")
    server = Server(settings={"pools": {"strangers": 1, "users": 1}})
    server.digests = {"default": digest(os.path.join(server.dir, "cert.pem")), "two": make(server, "two", RSA), "wild": make(server, "wild", EC)}
    for names, file in (("mail.two.test", "two"), ("*.two.test three.test", "wild")):
        server.extra_listeners.append("certificate %s { certificate %s/%s.pem; key %s/%s.key }" % (names, server.dir, file, server.dir, file))
    server.write_conf()
    with server as s:
        failures = tap.run(s, on_failure=s.show_log)
    sys.exit(1 if failures else 0)
