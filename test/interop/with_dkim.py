#!/usr/bin/env python3
"""test/interop/with_dkim.py - signatures of what users send, from keys made by commands and published in a real zone: python3-dkim and OpenDKIM find
them valid for letters of every shape."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import empty, wait_until
from remote import Remote
from server import Server
from signing import FROM, HEAD, SHAPES, Site, algorithms, hand_in, oracle, records_of, results, signed_part
from tap import case, check_equal, check_in
from zones import Zones


def submit(s, data, options=(), sender=FROM):
    """A letter to bob; his copy of it, without the three fields that delivery puts on top."""
    c = s.imap("bob")
    empty(c)
    hand_in(s, data, options, sender, "bob@demo.test")
    c.select("INBOX")
    text = c.fetch("1", "(BODY.PEEK[])")[1][0][1]
    c.logout()
    head = re.match(rb"Return-Path: .*\r\nDelivered-To: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*", text)
    return text[head.end():]


def verify(site, text, n=2, by=("python3-dkim", "opendkim")):
    """Each signature is valid for both; what there is of them."""
    found = algorithms(text)
    check_equal(len(found), n, "signatures")
    if "python3-dkim" in by:
        check_equal(oracle(site, text), ["ok"] * n, "python3-dkim")
    if "opendkim" in by:
        said = opendkim(site, text)
        check_equal(results(said), sorted(("pass", a, s) for a, s, _ in found), "opendkim: " + said)
    return found


def opendkim(site, text):
    """The Authentication-Results field that OpenDKIM would add."""
    with tempfile.TemporaryDirectory(prefix="opendkim-") as d:
        with open(d + "/letter", "wb") as f:
            f.write(text)
        with open(d + "/keys", "w") as f:
            for record in site.texts().items():
                f.write("%s %s\n" % record)
        with open(d + "/conf", "w") as f:
            f.write("Mode v\nSocket local:%s/socket\nTestDNSData file:%s/keys\nUserID root\nFixCRLF no\nSyslog no\n" % (d, d))
        p = subprocess.run(["opendkim", "-x", d + "/conf", "-t", d + "/letter", "-vv"], capture_output=True, text=True, timeout=60)
        return re.sub(r"\s+", " ", "".join(re.findall(r"hvalue='([^']*)'", p.stdout + p.stderr)))


# ---- keys and their publication


@case("a domain without keys sends unsigned letters; dkim add makes two keys and prints what to publish; until then letters are unsigned")
def _(site):
    check_equal(algorithms(submit(site.server, HEAD.encode() + b"\r\nx\r\n")), [])
    site.first = records_of(site.dkim("add", "demo.test"))
    check_equal(len(site.first), 2)
    wait_until(lambda: len(site.keys()) == 2, what="the keys")
    check_equal(sorted(f[0] for f in site.keys().values()), ["ed25519-sha256", "rsa-sha256"])
    check_equal(set(site.roles().values()), {"waits"})
    at = site.server.log_size()
    for _ in range(2):
        check_equal(algorithms(submit(site.server, HEAD.encode() + b"\r\nx\r\n")), [])
    check_equal(site.server.log_text(at).count("dkim-unsigned"), 1, "warnings in a day")
    check_in("already", site.dkim("add", "demo.test", check=False)[2])


@case("once the records are in DNS letters have both signatures, and two verifiers find them valid")
def _(site):
    site.publish(site.first)
    wait_until(lambda: set(site.roles().values()) == {"signs"}, what="the keys to be seen")
    found = verify(site, submit(site.server, HEAD.encode() + b"\r\nHello\r\n"))
    check_equal(sorted(a for a, _, _ in found), ["ed25519-sha256", "rsa-sha256"])
    check_equal({d for _, _, d in found}, {"demo.test"})


# ---- letters of every shape


@case("letters of %d shapes have signatures that are valid" % len(SHAPES))
def _(site):
    for name, (text, options) in SHAPES.items():
        try:
            verify(site, submit(site.server, text.encode(), options))
        except AssertionError as e:
            raise AssertionError("%s: %s" % (name, e)) from e


@case("BINARYMIME, with every byte there is")
def _(site):
    body = bytes(b for b in range(256) if b not in b"\r\n") * 40
    head = HEAD + "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    # opendkim -t reads lines of text from its file, up to their first NUL.
    verify(site, submit(site.server, head.encode() + body + b"\r\n", ["BODY=BINARYMIME"]), by=("python3-dkim",))


@case("what is changed on the way, or added, makes the signatures invalid; a field that lists add does not")
def _(site):
    text = submit(site.server, HEAD.encode() + b"\r\nHello\r\nyou\r\n")
    check_equal(oracle(site, b"List-Id: <l.demo.test>\r\nReceived: by x\r\n" + text), ["ok", "ok"])
    for changed in (text.replace(b"Hello", b"Hallo"), text + b"more\r\n", b"Subject: other\r\n" + text, b"Reply-To: x@far.test\r\n" + text,
                    b"To: victim@far.test\r\n" + text, b"Cc: victim@far.test\r\n" + text, b"Content-Type: text/html\r\n" + text,
                    text.replace(b"Subject: s", b"Subject: t"), b"From: x@far.test\r\n" + text, re.sub(rb"Message-ID: .*", b"Message-ID: <x@y>", text)):
        assert "ok" not in oracle(site, changed), changed


@case("a letter without an author, or with more fields than are signed, goes unsigned")
def _(site):
    check_equal(algorithms(submit(site.server, b"To: bob@demo.test\r\n\r\nx\r\n")), [])
    # From and the two fields that submission adds are three more.
    verify(site, submit(site.server, (HEAD[:HEAD.index("To")] + "To: bob@demo.test\r\n" * 61 + "\r\nx\r\n").encode()))
    check_equal(algorithms(submit(site.server, (HEAD[:HEAD.index("To")] + "To: bob@demo.test\r\n" * 62 + "\r\nx\r\n").encode())), [])


@case("a stranger's letter is not signed, whatever it says; the sender's own copy is as it was written")
def _(site):
    s = site.server
    c = s.imap("bob")
    empty(c)
    with s.smtp() as x:
        x.sendmail(FROM, ["bob@demo.test"], HEAD.encode() + b"\r\nx\r\n")
    c.select("INBOX")
    assert b"DKIM" not in c.fetch("1", "(BODY.PEEK[])")[1][0][1]
    c.logout()


@case("letters of every shape leave with signatures that are valid where they arrive")
def _(site):
    for name, (text, options) in SHAPES.items():
        n = len(site.far.letters)
        hand_in(site.server, text.encode(), options, FROM, "you@far.test")
        site.far.wait(n + 1)
        data = site.far.letters[n].data
        try:
            verify(site, signed_part(data))
            check_equal(oracle(site, data), ["ok", "ok"], "with what stands on top")
        except AssertionError as e:
            raise AssertionError("%s: %s" % (name, e)) from e


@case("a report that leaves is signed by the domain above the server's name")
def _(site):
    site.server.run("alias", "add", "away@demo.test", "nobody@far.test")
    site.far.script["rcpt"] = lambda session, argument: "550 5.1.1 nobody of that name" if "nobody@" in argument else None
    n = len(site.far.letters)
    with site.server.smtp() as c:
        c.sendmail("writer@far.test", ["away@demo.test"], b"From: writer@far.test\r\nSubject: x\r\n\r\nx\r\n")
    site.far.wait(n + 1)
    data = site.far.letters[n].data
    check_in(b"From: Mail delivery <MAILER-DAEMON@mail.demo.test>", data)
    check_equal({d for _, _, d in verify(site, signed_part(data))}, {"demo.test"})


# ---- whose domain


@case("the author's domain signs where the account may write as the author, else the sender's domain does")
def _(site):
    s = site.server
    s.run("domain", "add", "other.test")
    s.run("alias", "add", "ally@other.test", "alice@demo.test")
    site.make_keys("other.test")

    def domains(author, sender):
        text = "From: %s\r\n\r\nx\r\n" % author
        return {d for _, _, d in verify(site, submit(s, text.encode(), sender=sender))}

    check_equal(domains("ally@other.test", "ally@other.test"), {"other.test"})
    check_equal(domains("Ally <ally@OTHER.test>", FROM), {"other.test"})
    check_equal(domains(FROM, "ally@other.test"), {"demo.test"})
    check_equal(domains("boss@other.test", FROM), {"demo.test"}, )
    check_equal(domains("x@far.test", FROM), {"demo.test"})
    check_equal(domains(FROM, ""), {"demo.test"})


# ---- exchange of keys


@case("rotate makes keys beside the old, which go on signing until the new ones are published; then those sign, and the old can be retired")
def _(site):
    old = set(site.roles())
    lines = records_of(site.dkim("rotate", "demo.test"))
    wait_until(lambda: len(site.keys()) == 4, what="the new keys")
    new = set(site.roles()) - old
    check_equal({site.roles()[k] for k in new}, {"waits"})
    check_equal({k for _, k, _ in verify(site, submit(site.server, HEAD.encode() + b"\r\nx\r\n"))}, old)
    site.publish(lines)
    check_equal({site.roles()[k] for k in new}, {"signs"})
    check_equal({site.roles()[k] for k in old}, {"ready"})
    check_equal({k for _, k, _ in verify(site, submit(site.server, HEAD.encode() + b"\r\nx\r\n"))}, new)
    for k in old:
        check_in("for 7 days", site.dkim("retire", "demo.test", k))
    wait_until(lambda: set(site.keys()) == new, what="the old keys to go")
    verify(site, submit(site.server, HEAD.encode() + b"\r\nx\r\n"))


@case("the one key of its kind is retired only with --force; a key whose record is gone signs no more")
def _(site):
    rsa = next(k for k, f in site.keys().items() if f[0] == "rsa-sha256")
    status, _out, err = site.dkim("retire", "demo.test", rsa, check=False)
    check_equal(status, 1)
    check_in("only key", err)
    record = site.records["%s._domainkey.demo.test" % rsa]
    site.withdraw(rsa)
    check_equal(site.keys()[rsa][1:3], ["waits", "not published"])
    check_equal([a for a, _, _ in verify(site, submit(site.server, HEAD.encode() + b"\r\nx\r\n"), n=1)], ["ed25519-sha256"])
    for text, state in (('"v=DKIM1; k=rsa; p="', "revoked in DNS"), ('"v=DKIM1; p=AAAA"', "another key is published under this name")):
        site.records["%s._domainkey.demo.test" % rsa] = text
        site.write()
        check_equal(site.keys()[rsa][1:3], ["waits", state])
    site.records["%s._domainkey.demo.test" % rsa] = record
    site.write()
    check_equal(site.roles()[rsa], "signs")
    check_equal(site.dkim("retire", "demo.test", "nosuch", "--force", check=False)[0], 1)
    check_equal(site.dkim("retire", "demo.test", "../x", "--force", check=False)[0], 1)
    check_equal(site.dkim("retire", "demo.test", rsa, "--forced", check=False)[0], 2)
    site.dkim("retire", "demo.test", rsa, "--force")
    wait_until(lambda: rsa not in site.keys(), what="the key to go")


@case("keys and post may die, and DNS may be away: what was seen published goes on signing")
def _(site):
    s = site.server
    for role in ("keys", "post"):
        lives = s.lives()
        os.kill(s.pids(role)[0], 9)
        wait_until(lambda: s.lives()[(role, 0)][0] > lives[(role, 0)][0] and all(r["state"] == "ready" for r in s.roles()), what=role)
        verify(site, submit(s, HEAD.encode() + b"\r\nx\r\n"), n=1)
    site.zones.end(site.zones.unbound)
    check_equal(set(site.roles().values()), {"signs"})
    verify(site, submit(s, HEAD.encode() + b"\r\nx\r\n"), n=1)
    site.write()


@case("sign no signs nothing; published_only no signs at once; expire 0 sets no end")
def _(site):
    s = site.server
    s.set("dkim", sign="no")
    assert s.reload()
    check_equal(algorithms(submit(s, HEAD.encode() + b"\r\nx\r\n")), [])
    s.set("dkim", sign="yes", published_only="no", expire="0s")
    site.records.clear()
    site.write()
    assert s.reload()
    text = submit(s, HEAD.encode() + b"\r\nx\r\n")
    check_equal(len(algorithms(text)), 1)
    assert b" x=" not in text.split(b"From:")[0], text


@case("a file that is no key is told, and those beside it sign")
def _(site):
    s = site.server
    at = s.log_size()
    with open(s.dir + "/keys/dkim/demo.test/bad.pem", "w") as f:
        f.write("nothing\n")
    assert s.reload()
    check_in("no private key", s.wait_log("dkim-key-refused", at=at))
    check_equal(len(algorithms(submit(s, HEAD.encode() + b"\r\nx\r\n"))), 1)


@case("a domain has 16 keys at most; of all there are 4,096 are used, and more are told")
def _(site):
    s = site.server
    s.set("dkim", sign="no")  # so that nothing depends on which of them sign
    assert s.reload()
    site.dkim("add", "sub.demo.test")
    for _ in range(7):
        site.dkim("rotate", "sub.demo.test")
    check_in("16 at most", site.dkim("rotate", "sub.demo.test", check=False)[2])
    top = s.dir + "/keys/dkim"
    check_equal(len(os.listdir(top + "/sub.demo.test")), 16)
    os.unlink(top + "/demo.test/bad.pem")
    n = sum(len(files) for _dir, _dirs, files in os.walk(top))
    with open(top + "/sub.demo.test/" + sorted(f for f in os.listdir(top + "/sub.demo.test") if f[0] == "e")[0]) as f:
        pem = f.read()
    os.mkdir(top + "/zz.demo.test")
    for i in range(n, 4096):
        with open(top + "/zz.demo.test/k%d.pem" % i, "w") as f:
            f.write(pem)
    at = s.log_size()
    assert s.reload()
    wait_until(lambda: len(site.dkim("list").splitlines()) == 4096, seconds=30, what="all keys")
    assert "dkim-keys-many" not in s.log_text(at)
    with open(top + "/zz.demo.test/z.pem", "w") as f:
        f.write(pem)
    assert s.reload()
    check_in("4097 keys", s.wait_log("dkim-keys-many", at=at))
    wait_until(lambda: len(site.dkim("list").splitlines()) == 4096, seconds=30, what="all keys but one")


if __name__ == "__main__":
    with Zones({"demo.test": "@ MX 10 mail.demo.test.\n", "other.test": "@ MX 10 mail.demo.test.\n"}) as z:
        server = Server(settings={"dns": {"resolver": z.resolver}})
        server.set("", keys_dir=server.dir + "/keys")
        far = Remote("127.0.0.1", 0)
        server.extra_listeners.append("route far.test { next_hop [127.0.0.1]:%d; tls none }" % far.port)
        server.write_conf()
        with server as s:
            failed = tap.run(Site(z, s, far), on_failure=s.show_log)
        far.close()
        sys.exit(failed > 0)
