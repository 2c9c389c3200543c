"""test/lib/remote.py - SMTP and LMTP servers that do what a script says, and count what they take.

    r = Remote("20.0.1.1", script={"rcpt": ["451 4.2.0 later", None], "dot": "accept|close"})
    r.wait(3)                  # until 3 letters were taken
    r.letters[0].data          # as they came, dots taken off
    r.close()

script: step -> what happens there: a text, a list of texts (one for each time, then what is usual), or a function of the session and
the step's argument that gives a text. Steps: connect greeting ehlo helo lhlo starttls tls auth mail rcpt data text dot rset noop quit,
and bdat; at "tls" the handshake follows, at "text" the letter's text, at "dot" its end is there. A text is parts with "|" between:
    ok             what is usual (so does None)
    250 2.0.0 yes  a reply; "\\n" in it begins another of its lines
    raw TEXT       these characters; \\r and \\n stand for themselves
    drip TEXT      the same, a byte each 50 ms
    accept         the letter is taken and counted, nothing said
    read 1000      as many bytes of the letter's text are read
    stall, stall 2 nothing for ever, or for 2 seconds
    close, reset   the connection ends, by FIN or RST
What was answered decides what follows, whatever the script's mind was: a letter's text comes after 354, a handshake after 220.
"""
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
import time

FEATURES = ("PIPELINING", "SIZE 50000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING")


class Gone(Exception):
    pass


class Letter:
    """One that was taken. sender, rcpts: addresses; params, rcpt_params: what stood behind them, in upper case as keys."""

    def __init__(self, session, data):
        self.session, self.data, self.at = session, data, time.monotonic()
        self.sender, self.params = session.sender
        self.rcpts, self.rcpt_params = [a for a, _p in session.rcpts], {a: p for a, p in session.rcpts}
        self.chunked = session.chunked
        self.told = False  # the reply to its end was sent
        self.after = False  # and something came after that, so it was read
        self.answers = {}  # of LMTP: recipient -> code
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.header = head + b"\r\n"
        self.digest = hashlib.sha256(self.body).hexdigest()

    def field(self, name):
        """The first field of this name, unfolded; None without one."""
        m = re.search(rb"(?ims)^%s:[ \t]*(.*?)\r\n(?![ \t])" % re.escape(name.encode()), self.header)
        return m and re.sub(rb"\r\n(?=[ \t])", b"", m.group(1)).decode("utf-8", "surrogateescape")

    @property
    def subject(self):
        return self.field("Subject") or ""


def parameters(text):
    return {k.upper(): v for k, _, v in (w.partition("=") for w in text.split())}


class Session(threading.Thread):
    def __init__(self, remote, sock, peer, number):
        super().__init__(daemon=True)
        self.remote, self.sock, self.peer, self.number = remote, sock, peer[0], number
        self.raw, self.data, self.code = sock, b"", 0
        self.helo = self.sni = self.login = self.cipher = self.last = None
        self.extended = self.ended = self.early = False
        self.lines, self.taken = [], 0
        self.forget()

    def forget(self):
        self.sender, self.rcpts, self.chunks, self.chunked = None, [], b"", False

    # ---- bytes

    def more(self):
        try:
            got = self.sock.recv(1 << 18)
        except OSError:
            got = b""
        if not got:
            raise Gone
        self.data += got
        if self.last:
            self.last.after, self.last = True, None

    def line(self):
        while b"\n" not in self.data:
            self.more()
        line, self.data = self.data.split(b"\n", 1)
        line = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        self.lines.append(line)
        return line

    def read(self, n):
        while len(self.data) < n:
            self.more()
        out, self.data = self.data[:n], self.data[n:]
        return out

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None

    def reply(self, text):
        lines = text.split("\\n" if "\\n" in text else "\n")
        self.code = int(lines[-1][:3])
        self.send("".join(l + "\r\n" for l in lines).encode())

    # ---- scripts

    def step(self, name, argument="", usual="250 2.0.0 yes"):
        """What the script wants here; the code that was answered, 0: none."""
        self.code = 0
        for part in (self.remote.next(name, self, argument) or "ok").split("|"):
            word, _, rest = part.strip().partition(" ")
            if word == "ok":
                if usual:
                    self.reply(usual)
            elif word.isdigit():
                self.reply(part.strip())
            else:
                getattr(self, "do_" + word)(rest)
        return self.code

    def do_raw(self, text):
        data = text.replace("\\r", "\r").replace("\\n", "\n").encode("latin-1")
        if data[:3].isdigit():
            self.code = int(data[:3])
        self.send(data)

    def do_drip(self, text):
        data = text.replace("\\r", "\r").replace("\\n", "\n").encode()
        self.code = int(data[:3])
        for i in range(len(data)):
            self.send(data[i:i + 1])
            time.sleep(0.05)

    def do_accept(self, _rest):
        self.take()

    def do_read(self, n):
        self.read(int(n))

    def do_stall(self, seconds):
        if not self.remote.ending.wait(float(seconds or 100000)):
            return
        raise Gone

    def do_close(self, _rest):
        raise Gone

    def do_reset(self, _rest):
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    # ---- the protocol

    def run(self):
        with contextlib.suppress(Gone):
            self.talk()
        with contextlib.suppress(OSError):
            self.sock.close()
        self.ended = True
        self.remote.left(self)

    def talk(self):
        self.step("connect", usual=None)
        if self.remote.implicit_tls:
            self.handshake()
        if self.step("greeting", usual="220 %s ESMTP ready" % self.remote.name) not in (220, 0):
            while True:  # RFC 5321 3.1: only QUIT is of use now
                self.reply("221 2.0.0 bye" if self.line().upper().startswith("QUIT") else "503 5.5.1 no service")
        while True:
            verb, _, rest = self.line().partition(" ")
            handler = getattr(self, "on_" + verb.lower(), None) if verb.isalpha() else None
            if handler:
                handler(rest)
            else:
                self.reply("500 5.5.1 unknown")

    def hello(self, verb, rest):
        features = list(self.remote.features)
        if self.remote.tls and not self.cipher:
            features.append("STARTTLS")
        if self.remote.users and (self.cipher or not self.remote.tls):
            features.append("AUTH " + " ".join(self.remote.mechanisms))
        lines = [self.remote.name] + features if verb != "helo" else [self.remote.name]
        usual = "\n".join("250%s%s" % (" " if i == len(lines) - 1 else "-", l) for i, l in enumerate(lines))
        if self.step(verb, rest, usual) == 250:
            self.helo, self.extended = rest, verb != "helo"
            self.forget()

    def on_ehlo(self, rest):
        self.hello("ehlo", rest)

    def on_helo(self, rest):
        self.hello("helo", rest)

    def on_lhlo(self, rest):
        self.hello("lhlo", rest)

    def on_starttls(self, _rest):
        usual = "220 2.0.0 go" if self.remote.tls and not self.cipher else "502 5.5.1 no"
        self.early = bool(self.data)  # said before the handshake: nobody may
        if self.step("starttls", usual=usual) == 220:
            self.handshake()
            self.helo = None
            self.forget()

    def handshake(self):
        self.step("tls", usual=None)
        try:
            self.sock = self.remote.tls.wrap_socket(self.sock, server_side=True)
        except (OSError, ValueError) as e:
            self.remote.tls_errors.append(str(e))
            raise Gone from None
        self.cipher, self.sni = self.sock.cipher(), getattr(self.sock, "sp_sni", None)

    def on_auth(self, rest):
        words = rest.split()
        usual = "235 2.7.0 welcome" if self.check_login(words) else "535 5.7.8 no"
        if self.step("auth", rest, usual) != 235:
            self.login = None

    def ask(self, challenge):
        self.reply("334 " + base64.b64encode(challenge).decode())
        return base64.b64decode(self.line())

    def check_login(self, words):
        name = words[0].upper() if words else ""
        if name not in self.remote.mechanisms:
            return False
        try:
            if name == "PLAIN":
                _z, login, password = (base64.b64decode(words[1]) if len(words) > 1 else self.ask(b"")).split(b"\0")
            else:
                login = base64.b64decode(words[1]) if len(words) > 1 else self.ask(b"Username:")
                password = self.ask(b"Password:")
        except ValueError:
            return False
        self.login = login.decode()
        return self.remote.users.get(self.login) == password.decode()

    def on_mail(self, rest):
        m = re.match(r"(?i)FROM:<([^>]*)>(.*)$", rest)
        usual = "250 2.1.0 yes" if m else "501 5.5.4 FROM:<path>"
        if self.helo is None:
            usual = "503 5.5.1 who are you"
        if self.remote.need_login and not self.login:
            usual = "530 5.7.0 log in"
        if self.step("mail", rest, usual) // 100 == 2 and m:
            self.forget()
            self.sender = (m.group(1), parameters(m.group(2)))

    def on_rcpt(self, rest):
        m = re.match(r"(?i)TO:<([^>]*)>(.*)$", rest)
        usual = "250 2.1.5 yes" if m and self.sender else "503 5.5.1 MAIL first"
        if self.step("rcpt", rest, usual) // 100 == 2 and m and self.sender:
            self.rcpts.append((m.group(1), parameters(m.group(2))))

    def on_data(self, _rest):
        if self.step("data", usual="354 go" if self.rcpts else "554 5.5.1 no valid recipients") != 354:
            return
        self.step("text", usual=None)
        while not self.data.startswith(b".\r\n") and b"\r\n.\r\n" not in self.data:
            self.more()
        end = 0 if self.data.startswith(b".\r\n") else self.data.index(b"\r\n.\r\n") + 2
        text, self.data = self.data[:end], self.data[end + 3:]
        self.end(re.sub(rb"(?m)^\.", b"", text))

    def on_bdat(self, rest):
        words = rest.split()
        first = not self.chunked
        self.chunked = True
        if first:
            self.step("text", usual=None)
        self.chunks += self.read(int(words[0]))
        if len(words) > 1 and words[1].upper() == "LAST":
            self.end(self.chunks)
        else:
            self.step("bdat", rest, "250 2.0.0 %s octets" % words[0] if self.rcpts else "503 5.5.1 RCPT first")

    def end(self, text):
        """A letter is there whole. LMTP answers for each recipient."""
        self.letter, self.text = None, text
        if not self.rcpts:
            self.reply("554 5.5.1 no valid recipients")
            return
        self.remote.pace()
        for address, _params in self.rcpts if self.remote.protocol == "lmtp" else self.rcpts[:1]:
            self.answer_end(address)
        self.last = self.letter
        self.forget()

    def answer_end(self, address):
        for part in (self.remote.next("dot", self, address) or "ok").split("|"):
            word, _, rest = part.strip().partition(" ")
            part = "250 2.0.0 taken" if word == "ok" else part.strip()
            if not part[:3].isdigit():
                getattr(self, "do_" + word)(rest)
                continue
            if part[0] == "2":
                self.take()
            self.reply(part)
            if self.letter:
                self.letter.told = True
                self.letter.answers[address] = self.code

    def take(self):
        if not self.letter:
            self.letter = Letter(self, self.text)
            self.taken += 1
            self.remote.took(self.letter)

    def on_rset(self, _rest):
        if self.step("rset") == 250:
            self.forget()

    def on_noop(self, _rest):
        self.step("noop")

    def on_quit(self, _rest):
        self.step("quit", usual="221 2.0.0 bye")
        raise Gone


def listening(host, port, backlog):
    """A listening socket, also at an address that comes here and is on no interface."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(*((socket.IPPROTO_IPV6, 78, 1) if ":" in host else (socket.IPPROTO_IP, 15, 1)))  # IPV6_FREEBIND, IP_FREEBIND
    sock.bind((host, port))
    sock.listen(backlog)
    return sock


class Remote(threading.Thread):
    """tls: a Certificate (certs.py) or an ssl.SSLContext; None: STARTTLS is not offered. users: {login: password}. per_second: letters
    that it takes in a second, all connections together; 0: any."""

    def __init__(self, host, port=25, script=None, tls=None, features=FEATURES, name="mx.remote.test", users=None, need_login=False,
                 mechanisms=("PLAIN", "LOGIN"), protocol="smtp", implicit_tls=False, per_second=0):
        super().__init__(daemon=True)
        self.host, self.name, self.features, self.protocol = host, name, features, protocol
        self.script, self.users, self.need_login, self.mechanisms = dict(script or {}), users, need_login, mechanisms
        self.tls = self.prepared(tls)
        self.implicit_tls, self.per_second, self.next_at = implicit_tls, per_second, 0.0
        self.lock, self.ending, self.changed = threading.RLock(), threading.Event(), threading.Condition()
        self.letters, self.sessions, self.tls_errors = [], [], []
        self.n_open = self.n_open_max = 0
        self.sock = listening(host, port, 500)
        self.port = self.sock.getsockname()[1]
        self.start()

    @staticmethod
    def prepared(tls):
        if tls is None:
            return None
        context = tls if isinstance(tls, ssl.SSLContext) else tls.context()

        def named(sock, name, _context):
            sock.sp_sni = name
        context.sni_callback = named
        return context

    def run(self):
        while True:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                session = Session(self, sock, peer, len(self.sessions))
                self.sessions.append(session)
                self.n_open += 1
                self.n_open_max = max(self.n_open, self.n_open_max)
            session.start()

    def left(self, _session):
        with self.lock:
            self.n_open -= 1

    def next(self, step, session, argument):
        with self.lock:
            entry = self.script.get(step)
            if isinstance(entry, list):
                return entry.pop(0) if entry else None
        return entry(session, argument) if callable(entry) else entry

    def pace(self):
        if not self.per_second:
            return
        with self.lock:
            at = max(self.next_at, time.monotonic())
            self.next_at = at + 1.0 / self.per_second
        self.ending.wait(max(0.0, at - time.monotonic()))

    def took(self, letter):
        with self.changed:
            self.letters.append(letter)
            self.changed.notify_all()

    # ---- for the test

    def wait(self, n, seconds=20):
        """Until n letters were taken; them."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.letters) >= n, seconds)
        assert there, "%d of %d letters came to %s within %s s; sessions said %r" % (
            len(self.letters), n, self.host, seconds, [s.lines[-4:] for s in self.sessions[-4:]])
        return list(self.letters)

    def find(self, subject):
        return [l for l in list(self.letters) if l.subject == subject]

    def wait_for(self, subject, seconds=20):
        """Until a letter of this subject was taken; it."""
        with self.changed:
            there = self.changed.wait_for(lambda: self.find(subject), seconds)
        assert there, "no %r came to %s within %s s, but %r; sessions said %r" % (
            subject, self.host, seconds, [l.subject for l in self.letters[-8:]], [s.lines[-4:] for s in self.sessions[-4:]])
        return self.find(subject)[0]

    def said(self, verb):
        """All lines of all sessions that begin with verb."""
        return [l for s in list(self.sessions) for l in list(s.lines) if l.upper().startswith(verb)]

    def forget(self):
        with self.lock:
            self.letters, self.sessions, self.tls_errors = [], [s for s in self.sessions if not s.ended], []
            self.n_open_max = self.n_open

    def close(self):
        self.ending.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for s in self.sessions:
            with contextlib.suppress(OSError):
                s.raw.shutdown(socket.SHUT_RDWR)
        self.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Deaf:
    """A port where connections are never taken up: what knocks waits for its own time-out."""

    def __init__(self, host, port=25):
        self.sock = listening(host, port, 0)
        self.full = []
        for _ in range(2):  # the queue of those that wait is full with these
            s = socket.socket(self.sock.family)
            s.setblocking(False)
            s.connect_ex(self.sock.getsockname())
            self.full.append(s)

    def close(self):
        for s in self.full + [self.sock]:
            s.close()
