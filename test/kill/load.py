"""test/kill/load.py - clients under which a server can be killed: each letter has a number, and what became of each try is remembered.

A try ends acknowledged (250, OK), refused (any other reply), unsent (the connection ended before the text was complete) or unknown (the text was
complete and no reply came). A letter is tried until it is acknowledged, or until the load ends. What must hold afterwards, per account:
    acknowledged: at least once; never more often than 1 + its unknown tries.    not acknowledged: never more often than its unknown tries.
"""
import hashlib
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client import Raw

ACCOUNTS = ["load%d" % i for i in range(5)]
POPPER = "popper"
SIZES = [300] * 10 + [3000] * 8 + [30000] * 3 + [100000] * 2 + [700000]
TIMEOUT = 30


def body_of(number):
    """Lines that only this letter can have."""
    rng = random.Random(number)
    seed = hashlib.sha256(b"letter %d" % number).hexdigest().encode()
    return b"".join(seed + b" %d\r\n" % i for i in range(rng.choice(SIZES) // 70 + 1))


def text_of(number):
    return b"From: <load@far.test>\r\nSubject: load %d\r\nMessage-ID: <load-%d@far.test>\r\n\r\n" % (number, number) + body_of(number)


class Letter:
    def __init__(self, number, accounts, mailbox="INBOX"):
        self.number, self.accounts, self.mailbox = number, accounts, mailbox
        self.acknowledged, self.unknown, self.refused, self.unsent = 0, 0, 0, 0
        self.replies = []


class Load:
    def __init__(self, server):
        self.server = server
        self.lock = threading.Lock()
        self.letters, self.stopping, self.errors = [], False, []
        self.popped = {}       # number: times it was retrieved and its removal was acknowledged
        self.pop_unknown = {}  # number: times it was retrieved and QUIT was not answered
        self.seen = {}         # (account, mailbox, uidvalidity, uid): number, as readers saw them
        self.n_reads = 0
        self.threads = []

    # ---- letters

    def new_letter(self, accounts, mailbox="INBOX"):
        with self.lock:
            letter = Letter(len(self.letters) + 1, accounts, mailbox)
            self.letters.append(letter)
            return letter

    def count(self, what):
        return sum(getattr(l, what) for l in self.letters)

    def n_acknowledged(self):
        return sum(1 for l in self.letters if l.acknowledged)

    # ---- one try each; True: acknowledged

    def try_smtp(self, c, letter):
        complete = False
        try:
            for text, want in (["MAIL FROM:<load@far.test>", 250], *(["RCPT TO:<%s@demo.test>" % a, 250] for a in letter.accounts), ["DATA", 354]):
                code, reply = c.smtp(text)
                if code != want:
                    letter.refused += 1
                    letter.replies.append(reply)
                    c.smtp("RSET")
                    return False
            data = text_of(letter.number)
            c.send(data)
            complete = True
            c.send(b".\r\n")
            code, reply = c.smtp()
            letter.replies.append(reply)
            if code == 250:
                letter.acknowledged += 1
            else:
                letter.refused += 1
            return code == 250
        except (OSError, EOFError, ValueError):
            if complete:
                letter.unknown += 1
            else:
                letter.unsent += 1
            raise

    def try_append(self, c, letter):
        data, complete = text_of(letter.number), False
        try:
            c.send(b"a APPEND %s (\\Flagged number%d) {%d+}\r\n" % (letter.mailbox.encode(), letter.number % 10, len(data)))
            c.send(data)
            complete = True
            c.send(b"\r\n")
            answer = c.imap_until("a")[-1]
            letter.replies.append(answer)
            if answer.startswith("a OK"):
                letter.acknowledged += 1
            else:
                letter.refused += 1
            return answer.startswith("a OK")
        except (OSError, EOFError):
            if complete:
                letter.unknown += 1
            else:
                letter.unsent += 1
            raise

    # ---- the threads' work

    def persist(self, letter, connect, attempt, holder):
        """Tries until the letter is acknowledged; holder[0] keeps the connection between letters."""
        while not self.stopping:
            try:
                if not holder[0]:
                    holder[0] = connect()
                if attempt(holder[0], letter):
                    return
                time.sleep(0.05)
            except (OSError, EOFError, ValueError, AssertionError):
                if holder[0]:
                    holder[0].close()
                holder[0] = None
                time.sleep(0.02)

    def connect_smtp(self):
        c = Raw(self.server, "smtp", timeout=TIMEOUT)
        assert c.smtp("EHLO load.test")[0] == 250
        return c

    def connect_imap(self, who):
        return Raw(self.server, "imap", timeout=TIMEOUT).imap_login(who)

    def renew_at(self, holder, n, limit):
        """Before the server's bound of letters a session."""
        if n % limit == 0 and holder[0]:
            holder[0].close()
            holder[0] = None

    def deliver_to_one(self, k):
        holder, n = [None], 0
        while not self.stopping:
            n += 1
            self.renew_at(holder, n, 40)
            self.persist(self.new_letter([ACCOUNTS[(k + n) % len(ACCOUNTS)]]), self.connect_smtp, self.try_smtp, holder)

    def deliver_to_many(self, k):
        holder, n = [None], 0
        while not self.stopping:
            n += 1
            self.renew_at(holder, n, 40)
            chosen = random.sample(ACCOUNTS, random.randrange(2, len(ACCOUNTS) + 1))
            self.persist(self.new_letter(chosen), self.connect_smtp, self.try_smtp, holder)

    def deliver_to_popper(self, k):
        holder, n = [None], 0
        while not self.stopping:
            n += 1
            self.renew_at(holder, n, 40)
            self.persist(self.new_letter([POPPER]), self.connect_smtp, self.try_smtp, holder)
            time.sleep(0.02)

    def append(self, k):
        who, holder = ACCOUNTS[k % len(ACCOUNTS)], [None]
        while not self.stopping:
            self.persist(self.new_letter([who], "appended"), lambda: self.connect_imap(who), self.try_append, holder)

    def pop(self, k):
        while not self.stopping:
            got = []
            try:
                c = Raw(self.server, "pop3", timeout=TIMEOUT)
                for text in ("USER %s@demo.test" % POPPER, "PASS demo", "STAT"):
                    c.say(text)
                    answer = c.line()
                    assert answer.startswith("+OK"), answer
                for i in range(1, min(int(answer.split()[1]), 20) + 1):
                    c.say("RETR %d" % i)
                    assert c.line().startswith("+OK")
                    lines = []
                    while not lines or lines[-1] != ".":
                        lines.append(c.line())
                    got.append(self.check_letter("\r\n".join(lines[:-1]).encode() + b"\r\n"))
                    c.say("DELE %d" % i)
                    assert c.line().startswith("+OK")
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)
                continue
            try:
                c.say("QUIT")
                done = self.popped if c.line().startswith("+OK") else self.pop_unknown
            except (OSError, EOFError):
                done = self.pop_unknown
            for number in got:
                done[number] = done.get(number, 0) + 1
            c.close()
            time.sleep(0.1)

    def read(self, k):
        """Lists and reads what is new; what was seen once must stay."""
        who, box = ACCOUNTS[k % len(ACCOUNTS)], ("INBOX", "appended")[k % 2]
        after = 0
        while not self.stopping:
            try:
                with self.connect_imap(who) as c:
                    answer = c.imap("SELECT " + box)
                    validity = int(re.search(r"UIDVALIDITY (\d+)", "\n".join(answer)).group(1))
                    for _ in range(20):
                        after = max(after, self.read_new(c, who, box, validity, after))
                        if self.stopping:
                            return
                        time.sleep(0.1)
            except (OSError, EOFError, AssertionError, AttributeError):
                time.sleep(0.05)

    def read_new(self, c, who, box, validity, after):
        found = [int(u) for l in c.imap("UID SEARCH UID %d:*" % (after + 1)) if l.startswith("* SEARCH") for u in l.split()[2:]]
        for uid in sorted(u for u in found if u > after)[:20]:
            c.say("r UID FETCH %d (BODY.PEEK[])" % uid)
            line = c.line()
            while not line.endswith("}"):
                if line.startswith("r "):
                    return after
                line = c.line()
            data = c.read(int(line[line.rindex("{") + 1:-1]))
            number = self.check_letter(data)
            if not c.imap_until("r")[-1].startswith("r OK"):
                return after
            self.seen[who, box, validity, uid] = number
            self.n_reads += 1
            after = uid
        return after

    def check_letter(self, data):
        """The number of a letter, whose every byte is checked."""
        number = int(re.search(rb"Subject: load (\d+)", data).group(1))
        if not data.endswith(text_of(number)):
            self.errors.append("letter %d was read in another form: %r ... %r" % (number, data[:300], data[-100:]))
        return number

    # ---- all of it

    def guard(self, fn, k):
        try:
            fn(k)
        except Exception as e:
            if not self.stopping:
                import traceback
                self.errors.append("%s: %r\n%s" % (fn.__name__, e, traceback.format_exc()))

    def start(self):
        for fn, n in ((self.deliver_to_one, 3), (self.deliver_to_many, 2), (self.deliver_to_popper, 1), (self.append, 2), (self.pop, 1), (self.read, 3)):
            for k in range(n):
                t = threading.Thread(target=self.guard, args=(fn, k), daemon=True)
                t.start()
                self.threads.append(t)

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(TIMEOUT + 10)
        assert not any(t.is_alive() for t in self.threads), "a client hangs"
