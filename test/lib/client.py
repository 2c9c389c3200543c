"""test/lib/client.py - what clients of several suites share: a bare line connection, letters, counting what has arrived."""
import os
import re
import socket
import subprocess
import time

LETTERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "letters")


class Raw:
    """Lines and bytes on a socket, for what no library would send."""

    def __init__(self, server, service, tls=False, timeout=20, greeting=True):
        self.sock = socket.create_connection((server.host, server.port[service]), timeout=timeout)
        self.server = server
        self.data = b""
        if tls:
            self.start_tls()
        self.greeting = self.line() if greeting else None

    def start_tls(self):
        assert not self.data, "plain bytes before the handshake: %r" % self.data
        self.sock = self.server.tls_context().wrap_socket(self.sock, server_hostname=self.server.hostname)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def say(self, text):
        self.send(text + "\r\n")

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError("closed; unread before: %r" % self.data)
        self.data += got

    def line_bytes(self):
        while b"\n" not in self.data:
            self.more()
        line, self.data = self.data.split(b"\n", 1)
        return line.rstrip(b"\r")

    def line(self):
        return self.line_bytes().decode("utf-8", "replace")

    def read(self, n):
        while len(self.data) < n:
            self.more()
        out, self.data = self.data[:n], self.data[n:]
        return out

    def rest(self):
        """Everything up to the end of the connection."""
        out, self.data = self.data, b""
        try:
            while True:
                got = self.sock.recv(65536)
                if not got:
                    return out
                out += got
        except ConnectionResetError:
            return out

    def smtp(self, text=None):
        """A command and its whole reply, as (code, text)."""
        if text is not None:
            self.say(text)
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return int(lines[-1][:3]), "\n".join(lines)

    def imap(self, text, tag="x"):
        """A command and all answers up to its own; literals stay in the lines after them."""
        self.say("%s %s" % (tag, text))
        return self.imap_until(tag)

    def imap_until(self, tag="x"):
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1].startswith(tag + " "):
                return lines

    def imap_login(self, name="alice", select=None):
        answer = self.imap("LOGIN %s %s" % (self.server.address(name), self.server.password))[-1]
        assert answer.startswith("x OK"), answer
        if select:
            answer = self.imap("SELECT " + select)[-1]
            assert answer.startswith("x OK"), answer
        return self

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def letter(subject, body="Hello\r\n", sender="sender@far.test", to="alice@demo.test", extra=""):
    """A plain letter as bytes with CRLF."""
    text = "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 15:00:00 +0000\r\nMessage-ID: <%s@far.test>\r\n%s\r\n%s" % (
        sender, to, subject, re.sub(r"[^A-Za-z0-9]", "-", subject), extra, body)
    return text.encode()


def letter_files():
    """(name, bytes) of the unusual letters in test/data/letters, as they go over the wire."""
    for name in sorted(os.listdir(LETTERS)):
        with open(os.path.join(LETTERS, name), "rb") as f:
            yield name, f.read()


def dot_stuff(data):
    return re.sub(rb"(?m)^\.", b"..", data) + b".\r\n"


def deliver(server, to, data, sender="sender@far.test", service="smtp"):
    """One letter as it is, byte by byte, over a connection of its own; the reply to its text."""
    to = [to] if isinstance(to, str) else to
    with Raw(server, service) as c:
        expect(c.smtp("EHLO client.test"), 250)
        expect(c.smtp("MAIL FROM:<%s>" % sender), 250)
        for address in to:
            expect(c.smtp("RCPT TO:<%s>" % server.address(address)), 250)
        expect(c.smtp("DATA"), 354)
        c.send(dot_stuff(data))
        reply = c.smtp()
        c.say("QUIT")
        return reply


def expect(reply, code):
    assert reply[0] == code, "wanted %d, got %r" % (code, reply[1])
    return reply


def uids(imap, *criteria):
    status, data = imap.uid("SEARCH", *(criteria or ("ALL",)))
    assert status == "OK", data
    return (data[0] or b"").split()


def subjects(imap, mailbox="INBOX"):
    """The subjects of a mailbox, in order."""
    status, data = imap.select('"%s"' % mailbox, readonly=True)
    assert status == "OK", data
    if data[0] == b"0":
        return []
    status, data = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert status == "OK", data
    return [re.sub(rb"(?is)^subject:\s*", b"", part[1]).strip().decode("utf-8", "replace") for part in data if isinstance(part, tuple)]


def empty(imap, mailbox="INBOX"):
    if imap.select(mailbox)[1][0] == b"0":
        return
    imap.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
    status, data = imap.expunge()
    assert status == "OK", data


def expunged(numbers, n):
    """Which of n letters go when these EXPUNGE answers come one after the other."""
    left = list(range(1, n + 1))
    return sorted(left.pop(int(k) - 1) for k in numbers)


def wait_until(ask, seconds=10, what="it"):
    """Asks until the answer is true; that answer."""
    until = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < until, "%s did not happen within %s s" % (what, seconds)
        time.sleep(0.05)


def client_certificate(s, name):
    """A certificate that nobody but the account knows: signed by itself."""
    crt, key = (os.path.join(s.dir, "%s.%s" % (name, end)) for end in ("crt", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-keyout", key, "-out", crt], check=True, capture_output=True)
    return crt, key
