#!/usr/bin/env python3
"""test/interop/with_imapfilter.py - imapfilter lists, searches, marks, copies, moves and appends, over implicit TLS and STARTTLS."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from client import deliver, expect, letter
from server import Server
from tap import case, check_equal, check_in

LOGIN = """
options.timeout = 20
options.subscribe = true
options.create = true
options.info = false
me = IMAP { server = 'localhost', port = %d, username = '%s@demo.test', password = 'demo'%s }
"""


def filter_(s, tls, account, script):
    """Runs a script; what it prints, by lines."""
    path = os.path.join(s.dir, "filter.lua")
    port = s.port["imaps" if tls == "imaps" else "imap"]
    with open(path, "w") as f:
        f.write(LOGIN % (port, account, ", ssl = 'auto'" if tls == "imaps" else "") + script)
    home = os.path.join(s.dir, "home")
    os.makedirs(home, exist_ok=True)
    p = subprocess.run(["imapfilter", "-t", s.ca, "-c", path], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, HOME=home))
    check_equal(p.returncode, 0, "imapfilter: %s%s" % (p.stdout, p.stderr))
    return p.stdout.splitlines()


def subjects(s, account, mailbox):
    c = s.imap(account, select='"%s"' % mailbox)
    answer = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    found = {part[1].decode().strip()[8:].strip(): part[0].decode().split("FLAGS (")[1].split(")")[0]
             for part in answer if isinstance(part, tuple)}
    c.logout()
    return found


def walk(s, tls, account):
    for i in range(6):
        expect(deliver(s, account, letter("news %d" % i)), 250)
    expect(deliver(s, account, letter("for work")), 250)
    lines = filter_(s, tls, account, """
        print('create', me:create_mailbox('work/papers'))
        print('umlaut', me:create_mailbox('Entw\\195\\188rfe'))
        exist, recent, unseen, uidnext = me.INBOX:check_status()
        print('status', exist, unseen, uidnext)
        news = me.INBOX:contain_subject('news')
        print('news', #news)
        some = me.INBOX:contain_subject('news 1') + me.INBOX:contain_subject('news 2')
        some:mark_seen()
        some:mark_flagged()
        print('unseen', #me.INBOX:is_unseen())
        print('both', #(news * me.INBOX:is_flagged()))
        print('copy', me.INBOX:contain_subject('news 3'):copy_messages(me['work/papers']))
        print('move', me.INBOX:contain_subject('for work'):move_messages(me['work/papers']))
        print('delete', me.INBOX:contain_subject('news 5'):delete_messages())
        print('append', me['work/papers']:append_message('Subject: made here\\r\\n\\r\\nbody\\r\\n', {'\\\\Seen'}, '17-Jul-1996 02:44:25 -0700'))
        boxes, folders = me:list_all('', '*')
        table.sort(boxes)
        print('list', table.concat(boxes, '|'))
        print('rename', me:rename_mailbox('work/papers', 'work/done'))
        print('subscribe', me:subscribe_mailbox('work/done'))
        subscribed = me:list_subscribed('', 'work/*')
        print('subscribed', table.concat(subscribed, '|'))
        for _, m in ipairs(me['work/done']:contain_subject('made here')) do
            mailbox, uid = table.unpack(m)
            print('size', mailbox[uid]:fetch_size(), mailbox[uid]:fetch_date())
            print('body', (mailbox[uid]:fetch_body():gsub('%s+$', '')))
        end
        print('old', #me['work/done']:arrived_before('01-Jan-2000'), #me['work/done']:is_smaller(60))
    """)
    said = dict(line.split("\t", 1) for line in lines if "\t" in line)
    check_equal(said["create"], "true")
    check_equal(said["status"].split(), ["7", "7", "8"])
    check_equal(said["news"], "6")
    check_equal(said["unseen"], "5")
    check_equal(said["both"], "2")
    for name in ("copy", "move", "delete", "append", "rename", "subscribe"):
        check_equal(said[name], "true", name)
    boxes = said["list"].split("|")
    for name in ("INBOX", "Drafts", "work/papers"):
        check_in(name, boxes)
    check_equal(said["subscribed"], "work/done")
    check_equal(said["size"].split()[0], "28")
    check_equal(said["body"], "body")
    check_equal(said["old"].split(), ["1", "1"])
    check_equal(sorted(subjects(s, account, "INBOX")), ["news %d" % i for i in range(5)])
    check_equal(sorted(subjects(s, account, "work/done")), ["for work", "made here", "news 3"])
    check_in("\\Flagged", subjects(s, account, "INBOX")["news 1"])
    check_in("Entw&APw-rfe", "|".join(x.decode() for x in s.imap(account).list()[1]))


@case("over STARTTLS: mailboxes, searches, flags, copies, moves, appends")
def _(s):
    walk(s, "starttls", "alice")


@case("over implicit TLS: the same")
def _(s):
    walk(s, "imaps", "bob")


@case("with a wrong name nothing is done")
def _(s):
    at = s.log_size()
    try:
        lines = filter_(s, "imaps", "nobody", "print('made', me:create_mailbox('nowhere'))")
    except AssertionError:
        lines = []
    assert "made\ttrue" not in lines, lines
    check_in("login-refused", s.log_text(at))


@case("what is stored obeys its invariants")
def _(s):
    s.verify()


if __name__ == "__main__":
    tap.need_programs("imapfilter")
    with Server() as server:
        sys.exit(tap.run(server, on_failure=server.show_log) > 0)
