#!/usr/bin/env python3
"""test/interop/with_pop_clients.py - programs that read by POP, over implicit TLS and STLS, by rules of several folders and each way of
deleting; POP2 by sockets; one copy of what was sent with programs that append it themselves."""
import os
import poplib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import Raw, deliver, empty, expect, letter
from server import Server
from tap import case, check_equal, check_in

LOGIN = "alice@demo.test"
MAILBOXES = ("INBOX", "Archive", "Trash", "Sent", "Drafts")
SUBJECT = re.compile(r"^Subject: (pop \w+)\r?$", re.M)


# ---- the clients: each fetches all there is, deletes it on the server, and gives the text of what it got

def tool(*words, **kw):
    try:
        p = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=30, **kw)
    except subprocess.TimeoutExpired as e:
        raise AssertionError("%s does not end: %s" % (words[0], e.stdout)) from e
    return p.returncode, p.stdout + p.stderr


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def by_poplib(s, home, implicit):
    c = s.pop("alice", "pop3s" if implicit else "pop3", not implicit)
    text = ""
    for i in range(1, c.stat()[0] + 1):
        text += "\n".join(line.decode("utf-8", "replace") for line in c.retr(i)[1]) + "\n"
        c.dele(i)
    c.quit()
    return text


PERL = r"""
use strict; use Net::POP3;
my ($port, $ca, $implicit) = @ARGV;
my %tls = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost');
my $c = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 20, $implicit ? (SSL => 1, %tls) : ()) or die "connect $@";
unless ($implicit) { $c->starttls(%tls) or die "stls"; }
my $n = $c->login('alice@demo.test', 'demo');
die "login" unless defined $n;
my $list = $c->list;
for my $i (sort { $a <=> $b } keys %$list) { print @{$c->get($i)}; $c->delete($i); }
$c->quit or die "quit";
"""


def by_perl(s, home, implicit):
    status, out = tool("perl", "-e", PERL, str(s.port["pop3s" if implicit else "pop3"]), s.ca, "1" if implicit else "")
    check_equal(status, 0, out)
    return out


def by_fetchmail(s, home, implicit):
    box = os.path.join(home, "box")
    rc = write(os.path.join(home, "fetchmailrc"), 'poll 127.0.0.1 protocol POP3 port %d uidl user "%s" password "demo" %s sslcertck '
               'sslcertfile "%s" sslcommonname "localhost" fetchall nokeep mda "cat >>%s; echo >>%s"\n' % (
                   s.port["pop3s" if implicit else "pop3"], LOGIN, "ssl" if implicit else 'sslproto "TLS1.2+"', s.ca, box, box))
    status, out = tool("fetchmail", "-f", rc, "--idfile", os.path.join(home, "ids"), "--pidfile", os.path.join(home, "pid"), "-N",
                       env=dict(os.environ, FETCHMAILHOME=home, HOME=home))
    assert status in (0, 1), out  # 1: there was no mail
    return read(box)


def by_getmail(s, home, implicit):
    box = os.path.join(home, "box")
    write(box, "")
    write(os.path.join(home, "getmailrc"), "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = %d\nusername = %s\n"
          "password = demo\nca_certs = %s\n[destination]\ntype = Mboxrd\npath = %s\n[options]\ndelete = true\n" % (
              s.port["pop3s"], LOGIN, s.ca, box))
    # It delivers to files only as another user than root.
    os.chmod(home, 0o755)
    for name in ("", "box", "getmailrc"):
        os.chown(os.path.join(home, name), 65534, 65534)
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    status, out = tool(*drop, "getmail", "--getmaildir", home, "--rcfile", "getmailrc", env=dict(os.environ, HOME=home))
    check_equal(status, 0, out)
    return read(box)


def by_mpop(s, home, implicit):
    box = os.path.join(home, "box")
    rc = write(os.path.join(home, "mpoprc"), "account default\nhost localhost\nport %d\nuser %s\npassword demo\ntls on\ntls_starttls %s\n"
               "tls_trust_file %s\nkeep off\ndelivery mbox %s\nuidls_file %s\n" % (
                   s.port["pop3s" if implicit else "pop3"], LOGIN, "off" if implicit else "on", s.ca, box, os.path.join(home, "uidls")))
    status, out = tool("mpop", "-C", rc, env=dict(os.environ, HOME=home))
    check_equal(status, 0, out)
    return read(box)


def by_neomutt(s, home, implicit):
    box = write(os.path.join(home, "box"), "")
    rc = write(os.path.join(home, "rc"), 'set pop_host="%s://%s:%d"\nset pop_user="%s"\nset pop_pass="demo"\nset pop_delete=yes\n'
               'set ssl_ca_certificates_file="%s"\nset certificate_file="%s"\nset ssl_starttls=yes\nset ssl_force_tls=yes\nset spool_file="%s"\n'
               'set mbox_type=mbox\nset folder="%s"\nset quit=yes\nset move=no\nset wait_key=no\npush "<fetch-mail><exit>"\n' % ("pops" if implicit else "pop", "localhost",
                                                s.port["pop3s" if implicit else "pop3"], LOGIN, s.ca, s.ca, box, home))
    status, out = tool("script", "-qec", "neomutt -n -F %s -f %s" % (rc, box), "/dev/null",
                       env=dict(os.environ, HOME=home, TERM="vt100", LC_ALL="C"), stdin=subprocess.DEVNULL)
    assert read(box) or status == 0, out
    return read(box)


CLIENTS = (("poplib", by_poplib, (True, False)), ("Net::POP3", by_perl, (True, False)), ("fetchmail", by_fetchmail, (True, False)),
           ("getmail6", by_getmail, (True,)),  # its POP3 and IMAP are under TLS from the start or not at all: getmailcore has no word of STLS or STARTTLS
           ("mpop", by_mpop, (True, False)), ("neomutt", by_neomutt, (True, False)))


# ---- maildrops

def count(s, mailbox):
    c = s.imap("alice")
    n = int(c.select('"%s"' % mailbox, readonly=True)[1][0])
    c.logout()
    return n


def rules(s, **values):
    for name, value in values.items():
        s.run("account", "set", LOGIN, name.replace("_", "-"), value)


def clear(s):
    for name in MAILBOXES:
        c = s.imap("alice")
        empty(c, name)


def fill(s):
    """Two letters in INBOX, of which one is in Archive, too; another in Archive; one where the rules do not look."""
    clear(s)
    for name in ("a", "b"):
        expect(deliver(s, "alice", letter("pop " + name, "text of %s\r\n.dot\r\n" % name)), 250)
    c = s.imap("alice", select="INBOX")
    c.copy("1", "Archive")
    for name, mailbox in (("c", "Archive"), ("d", "Drafts")):
        c.append(mailbox, None, None, letter("pop " + name, "text\r\n"))
    c.logout()


def fetch(s, client, implicit):
    home = tempfile.mkdtemp(prefix="pop-")
    try:
        return sorted(SUBJECT.findall(client(s, home, implicit)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


AFTER = {  # what is in INBOX, Archive and Trash when all was deleted, and what the next session is shown
    "delete": (0, 0, 0),
    "trash": (0, 0, 3),
    "keep": (2, 2, 0),
}


def reads_by_rules(name, client, implicit):
    @case("%s over %s: several folders, each letter once; delete, trash and keep" % (name, "implicit TLS" if implicit else "STLS"))
    def _(s):
        rules(s, pop_folders="INBOX,Archive")
        for mode, left in AFTER.items():
            rules(s, pop_dele=mode)
            fill(s)
            check_equal(fetch(s, client, implicit), ["pop a", "pop b", "pop c"], mode)
            check_equal((count(s, "INBOX"), count(s, "Archive"), count(s, "Trash")), left, mode)
            check_equal(fetch(s, client, implicit), [], mode + ", once more")
            check_equal(count(s, "Drafts"), 1)


for _name, _client, _doors in CLIENTS:
    for _implicit in _doors:
        reads_by_rules(_name, _client, _implicit)


@case("LOGIN-DELAY is announced and holds between sessions; a switch that is off is a wrong password")
def _(s):
    rules(s, pop_dele="delete", pop_folders="INBOX")
    s.set("limits", pop_login_delay="30s")
    assert s.reload()
    try:
        c = s.pop("alice", "pop3s")
        check_equal(c.capa()["LOGIN-DELAY"], ["30"])
        c.quit()
        try:
            s.pop("alice", "pop3s")
            raise AssertionError("a second login at once")
        except poplib.error_proto as e:
            check_in(b"[LOGIN-DELAY]", e.args[0])
    finally:
        s.set("limits", pop_login_delay="0s")
        assert s.reload()
    rules(s, pop="off")
    try:
        s.pop("alice", "pop3s")
        raise AssertionError("POP is off")
    except poplib.error_proto as e:
        check_in(b"[AUTH]", e.args[0])
    finally:
        rules(s, pop="on")


# ---- POP2

class Pop2(Raw):
    def ask(self, text):
        self.say(text)
        return self.line()

    def length(self, text):
        reply = self.ask(text)
        assert reply.startswith("="), reply
        return int(re.match(r"=(\d+)", reply).group(1))


@case("POP2: greeting, HELO, READ, RETR of exactly the announced octets, acknowledgments, FOLD, QUIT")
def _(s):
    rules(s, pop_folders="INBOX,Archive", pop_dele="delete")
    fill(s)
    c = Pop2(s, "pop2")
    check_in("+ POP2 " + s.hostname, c.greeting)
    check_in("#3", c.ask("HELO alice@demo.test demo"))
    n = c.length("READ")
    seen = []
    while n:
        c.say("RETR")
        text = c.read(n).decode()
        seen += SUBJECT.findall(text)
        assert "\r\n..dot" not in text
        n = c.length("ACKD" if len(seen) == 1 else "ACKS")
    check_equal(seen, ["pop a", "pop b", "pop c"])
    check_equal(count(s, "INBOX"), 2, "before the mailbox is released")
    check_in("#1", c.ask("FOLD Archive"))  # the copy of the first goes with it
    check_equal(count(s, "INBOX"), 1)
    check_in("#0", c.ask("FOLD Drafts"))  # the rules do not name it
    check_in("#1", c.ask("FOLD INBOX"))
    check_in("+ OK", c.ask("QUIT"))
    check_equal(c.rest(), b"")


@case("POP2: wrong password, garbage and a lost connection; the switch is POP's")
def _(s):
    fill(s)
    c = Pop2(s, "pop2")
    wrong = c.ask("HELO alice@demo.test wrong")
    check_equal(wrong[:2], "- ")
    check_equal(c.rest(), b"")
    c = Pop2(s, "pop2")
    check_equal(c.ask("NOOP")[:2], "- ")
    check_equal(c.rest(), b"")
    c = Pop2(s, "pop2")
    c.ask("HELO alice@demo.test demo")
    check_equal(c.length("READ 99"), 0)
    c.say("RETR")
    check_equal(c.rest(), b"", "RETR of nothing")
    c = Pop2(s, "pop2")
    c.ask("HELO alice@demo.test demo")
    n = c.length("READ 1")
    c.say("RETR")
    c.read(n)
    c.length("ACKD")
    c.sock.close()
    time.sleep(0.3)
    check_equal(count(s, "INBOX"), 2)
    rules(s, pop="off")
    check_equal(Pop2(s, "pop2").ask("HELO alice@demo.test demo"), wrong)
    rules(s, pop="on")


# ---- one copy of what was sent

def submit(s, text, rcpt="bob@demo.test"):
    c = s.smtp("submissions", login="alice")
    c.sendmail(LOGIN, [rcpt], text)
    c.quit()


def sent(s):
    c = s.imap("alice", select="Sent")
    status, data = c.uid("fetch", "1:*", "(FLAGS BODY.PEEK[])")
    c.logout()
    return [(d[0].decode(), d[1].decode()) for d in data if isinstance(d, tuple)] if data != [None] else []


def append(s, text, flags=r"(\Seen)"):
    c = s.imap("alice")
    status, data = c.append("Sent", flags, None, text.encode())
    check_equal(status, "OK", data)
    uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1))
    c.logout()
    return uid


def text_of(n, bcc=True):
    return "From: <%s>\r\nTo: <bob@demo.test>\r\n%sSubject: sent %d\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <sent-%d@demo.test>\r\n" \
           "\r\nBody %d\r\n" % (LOGIN, "Bcc: <hidden@demo.test>\r\n" if bcc else "", n, n, n)


@case("sent copy: filed at submission with Bcc and \\Seen; APPEND of it gets its UID, before or after")
def _(s):
    clear(s)
    rules(s, sent_copy="on")
    submit(s, text_of(1))
    (head, body), = sent(s)
    check_in("\\Seen", head)
    check_in("Bcc: <hidden@demo.test>", body)
    uid = int(re.search(r"UID (\d+)", head).group(1))
    check_equal(append(s, text_of(1), r"(\Seen \Flagged)"), uid)
    (head, _), = sent(s)
    check_in("\\Flagged", head)
    uid = append(s, text_of(2))
    submit(s, text_of(2, bcc=False))
    check_equal(len(sent(s)), 2)
    check_equal(append(s, text_of(2)), uid)
    assert append(s, text_of(2).replace("Body", "Another")) != uid
    check_equal(len(sent(s)), 3)


@case("sent copy: a letter without Date and Message-ID is kept with those that it got")
def _(s):
    clear(s)
    submit(s, "From: <%s>\r\nTo: <bob@demo.test>\r\nSubject: bare\r\n\r\nx\r\n" % LOGIN)
    (_, body), = sent(s)
    check_in("Message-ID: <", body)
    check_in("Date: ", body)


@case("sent copy: it is there after a kill at 250, and a full account refuses no letter")
def _(s):
    clear(s)
    c = s.smtp("submissions", login="alice")
    c.mail(LOGIN)
    c.rcpt("bob@demo.test")
    code, _ = c.data(text_of(5).encode())
    s.kill_all()
    check_equal(code, 250)
    s.start()
    check_equal(len(sent(s)), 1)
    rules(s, quota_messages="1")
    try:
        at = s.log_size()
        submit(s, text_of(6))
        s.wait_log("sent-copy-failed", at=at)
        check_equal(len(sent(s)), 1)
    finally:
        rules(s, quota_messages="0")


def neomutt_sends(s, home, subject, first):
    """With record= on the IMAP server; first: it appends before it submits."""
    text = write(os.path.join(home, "text"), "text of %s\n" % subject)
    rc = write(os.path.join(home, "rc"), 'set smtp_url="smtps://%s@localhost:%d"\nset smtp_pass="demo"\nset from="%s"\nset ssl_ca_certificates_file="%s"\n'
               'set imap_user="%s"\nset imap_pass="demo"\nset record="imaps://localhost:%d/Sent"\nset certificate_file="%s"\nset copy=yes\n'
               'set wait_key=no\nset ssl_force_tls=yes\nset smtp_authenticators="plain"\nset imap_authenticators="login"\nset folder="%s"\n'
               'set editor="true"\nset abort_unmodified=no\nset autoedit=yes\nset edit_headers=yes\nset fcc_before_send=%s\nset spool_file="%s/spool"\n'
               % (LOGIN, s.port["submissions"], LOGIN, s.ca, LOGIN, s.port["imaps"], s.ca, home,
                                            "yes" if first else "no", home))
    # "y" sends in the compose menu; what is typed before and behind it does no harm.
    types = "(for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.5; printf y; done) 2>/dev/null"
    return tool("sh", "-c", "%s | script -qec \"neomutt -n -F %s -s '%s' -i %s bob@demo.test\" /dev/null" % (types, rc, subject, text),
                env=dict(os.environ, HOME=home, TERM="vt100", LC_ALL="C"))


def joined(s):
    return int(re.search(r"^sent_joined\t(\d+)", s.run("status"), re.M).group(1))


@case("sent copy: neomutt with record= and msmtp with a later APPEND leave one copy each")
def _(s):
    clear(s)
    rules(s, sent_copy="on")
    home = tempfile.mkdtemp(prefix="pop-")
    try:
        for n, first in enumerate((False, True), 1):
            before = joined(s)
            status, out = neomutt_sends(s, home, "neomutt %d" % n, first)
            check_equal(status, 0, out)
            check_equal((len(sent(s)), joined(s) - before), (n, 1), "copies, and those that joined another\n" + out)
        rc = write(os.path.join(home, "msmtprc"), "account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\nauth on\n"
                   "user %s\npassword demo\nfrom %s\n" % (s.port["submission"], s.ca, LOGIN, LOGIN))
        text = text_of(7, bcc=False)
        status, out = tool("msmtp", "-C", rc, "bob@demo.test", input=text.replace("\r\n", "\n"))
        check_equal(status, 0, out)
        check_equal(len(sent(s)), 3, "after msmtp")
        append(s, text)
        check_equal(len(sent(s)), 3, "after the APPEND")
        rules(s, sent_copy="off")
        submit(s, text_of(8))
        check_equal(len(sent(s)), 3, "switched off")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main():
    s = Server(settings={"limits": {"connections_per_address_users": 1000}})
    s.port["pop2"] = free_port()
    s.extra_listeners.append("listen pop2 { address 127.0.0.1; port %d }" % s.port["pop2"])
    s.write_conf()
    with s:
        os.environ["TMPDIR"] = s.dir  # neomutt leaves there what it took for the moment
        return 1 if tap.run(s, on_failure=s.show_log) else 0


def free_port():
    with socket.socket() as x:
        x.bind(("127.0.0.1", 0))
        return x.getsockname()[1]


sys.exit(main())
