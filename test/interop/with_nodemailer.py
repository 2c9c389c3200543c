#!/usr/bin/env python3
"""test/interop/with_nodemailer.py - Node's nodemailer, on 587 with STARTTLS and on 465. Its packages are installed as node/package-lock.json says."""
import email
import email.policy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import node
import tap
from client import empty
from server import Server
from tap import case, check_equal, check_in


def send(s, tls, password="demo", method=""):
    return node.run("nodemailer.mjs", s.port["submissions" if tls == "tls" else "submission"], tls, s.ca, password, method)


def letters(s, who):
    c = s.imap(who, select="INBOX")
    data = c.fetch("1:*", "(BODY.PEEK[])")[1]
    c.logout()
    return [email.message_from_bytes(d[1], policy=email.policy.default) for d in data if isinstance(d, tuple)]


def sends(tls, method):
    @case("%s, %s: names, text, attachment and Bcc come through; of two recipients the unknown one is told" % (
        "implicit TLS" if tls == "tls" else "STARTTLS", method or "the way it takes by itself"))
    def _(s):
        for who in ("alice", "bob"):
            empty(s.imap(who))
        said = send(s, tls, method=method)
        assert "error" not in said, said
        check_equal(said["verified"], True)
        check_equal(sorted(said["accepted"]), ["alice@demo.test", "bob@demo.test"])
        check_equal(said["rejected"], [])
        check_in("250 2.0.0", said["response"])
        check_equal(said["some"], [["bob@demo.test"], ["nobody@demo.test"]])
        first, second = letters(s, "bob")
        check_equal(first["Subject"], "Gr\u00fc\u00dfe von nodemailer")
        check_equal(first["From"].addresses[0].display_name, "Al\u00efce")
        check_equal(first["Bcc"], None)
        check_equal(first.get_body(("plain",)).get_content().replace("\r\n", "\n"), "Text mit Uml\u00e4uten\n.ein Punkt\n")
        attachment, = first.iter_attachments()
        check_equal((attachment.get_filename(), attachment.get_content()), ("zw\u00f6lf.bin", bytes(range(256))))
        check_equal(second["Subject"], "some")
        check_equal([m["Subject"] for m in letters(s, "alice")], ["Gr\u00fc\u00dfe von nodemailer"])  # by Bcc


for _tls in ("tls", "starttls"):
    for _method in ("", "PLAIN", "LOGIN"):
        sends(_tls, _method)


@case("a wrong password is told as one")
def _(s):
    for tls in ("tls", "starttls"):
        check_equal(send(s, tls, password="wrong")["error"][:2], ["EAUTH", 535])


if __name__ == "__main__":
    node.install()
    with Server({"timeouts": {"login_delay": "10ms", "login_delay_max": "10ms"}}) as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
