"""test/lib/sasl.py - a SASL client for tests, written from the RFCs: SCRAM (5802, 7677) with channel bindings (5929, 9266), PLAIN, LOGIN, EXTERNAL,
over SMTP, IMAP and POP3.

    with Client(server, "imaps") as c:
        ok, reply = c.login("SCRAM-SHA-256-PLUS", "alice@demo.test", "demo")
"""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl

PORT_OF = {"submission": "smtp", "submissions": "smtp", "smtp": "smtp", "imap": "imap", "imaps": "imap", "pop3": "pop", "pop3s": "pop"}
IMPLICIT = ("submissions", "imaps", "pop3s")


class Failed(Exception):
    pass


def b64(data):
    return base64.b64encode(data)


class Scram:
    """One exchange: messages as a generator would want them, each taking the server's message before."""

    def __init__(self, hash_name, user, password, binding=None, flag=None, authzid="", cut_nonce=False):
        self.h, self.password, self.binding = hash_name, password.encode(), binding
        flag = flag or ("p=" + binding[0] if binding else "n")
        self.gs2 = ("%s,%s," % (flag, authzid and "a=" + authzid)).encode()
        self.bare = b"n=" + user.replace("=", "=3D").replace(",", "=2C").encode() + b",r=" + b64(os.urandom(15))
        self.cut_nonce = cut_nonce

    def first(self):
        return self.gs2 + self.bare

    def hm(self, key, text):
        return hmac.new(key, text, self.h).digest()

    def final(self, server_first):
        attrs = dict(a.split(b"=", 1) for a in server_first.split(b","))
        if not attrs[b"r"].startswith(self.bare.split(b",r=")[1]):
            raise Failed("the server's nonce does not begin with ours")
        self.salt, self.iterations = base64.b64decode(attrs[b"s"]), int(attrs[b"i"])
        nonce = attrs[b"r"][:-1] if self.cut_nonce else attrs[b"r"]
        salted = hashlib.pbkdf2_hmac(self.h, self.password, self.salt, self.iterations)
        client = self.hm(salted, b"Client Key")
        without = b"c=" + b64(self.gs2 + (self.binding[1] if self.binding else b"")) + b",r=" + nonce
        message = self.bare + b"," + server_first + b"," + without
        signature = self.hm(hashlib.new(self.h, client).digest(), message)
        self.server = b"v=" + b64(self.hm(self.hm(salted, b"Server Key"), message))
        return without + b",p=" + b64(bytes(a ^ b for a, b in zip(client, signature)))

    def check(self, server_final):
        if server_final != self.server:
            raise Failed("the server's signature is wrong: %r" % server_final)


class Client:
    """One connection; TLS from the start, by STARTTLS, or with tls=False not at all. certificate: (cert, key) files of the client."""

    def __init__(self, server, service, tls=True, certificate=None, source=None, tls12=False):
        self.kind = PORT_OF[service]
        self.tls12 = tls12
        self.s, self.certificate = server, certificate
        self.sock = socket.create_connection((server.host, server.port[service]), timeout=20, source_address=(source, 0) if source else None)
        self.input = b""
        self.greeting = None
        self.secured = False
        if service in IMPLICIT:
            self.start_tls()
        self.greeting = self.line()
        if self.kind == "smtp":
            self.ehlo()
        if tls and service not in IMPLICIT:
            self.send({"smtp": b"STARTTLS", "imap": b"t STARTTLS", "pop": b"STLS"}[self.kind])
            self.line()
            self.start_tls()
            if self.kind == "smtp":
                self.ehlo()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def start_tls(self):
        c = self.s.tls_context()
        c.check_hostname = False
        if self.tls12:
            c.maximum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            c.load_cert_chain(*self.certificate)
        self.sock = c.wrap_socket(self.sock)
        self.secured = True

    def send(self, data):
        self.sock.sendall(data + b"\r\n")

    def line(self):
        while b"\n" not in self.input:
            got = self.sock.recv(65536)
            if not got:
                raise Failed("closed, after %r" % self.input)
            self.input += got
        line, self.input = self.input.split(b"\n", 1)
        return line.rstrip(b"\r")

    def lines_to(self, end):
        lines = [self.line()]
        while not re.match(end, lines[-1]):
            lines.append(self.line())
        return lines

    def ehlo(self):
        self.send(b"EHLO client.test")
        self.capabilities = self.lines_to(rb"\d\d\d ")

    def mechanisms(self):
        if self.kind == "smtp":
            return [w.decode() for line in self.capabilities if line[4:8] == b"AUTH" for w in line[9:].split()]
        if self.kind == "imap":
            self.send(b"c CAPABILITY")
            return [w[5:].decode() for line in self.lines_to(rb"c ")[:-1] for w in line.split() if w.startswith(b"AUTH=")]
        self.send(b"CAPA")
        return [w.decode() for line in self.lines_to(rb"\.$") if line.startswith(b"SASL") for w in line.split()[1:]]

    def end_point(self):
        """tls-server-end-point of a certificate signed with SHA-256."""
        return "tls-server-end-point", hashlib.sha256(self.sock.getpeercert(True)).digest()

    def unique(self):
        return "tls-unique", self.sock.get_channel_binding("tls-unique")

    # ---- an exchange

    def begin(self, mechanism, initial):
        """initial None: the server is to ask for it."""
        word = {"smtp": b"AUTH ", "imap": b"a AUTHENTICATE ", "pop": b"AUTH "}[self.kind] + mechanism.encode()
        self.send(word + (b"" if initial is None else b" " + (b64(initial) or b"=")))

    def answer(self):
        """(True, challenge) or (False, the last line)"""
        line = self.line()
        while self.kind == "imap" and line.startswith(b"* ") and not line.startswith(b"* BYE"):
            line = self.line()
        mark = b"334" if self.kind == "smtp" else b"+"
        if line[:len(mark) + 1].rstrip() == mark:
            return True, base64.b64decode(line[len(mark):].strip())
        return False, line

    def is_ok(self, line):
        return line.startswith({"smtp": b"235 ", "imap": b"a OK", "pop": b"+OK"}[self.kind])

    def run(self, mechanism, steps, ir=True):
        """steps: functions of the server's message, the first of b"". (logged in, the last line)"""
        steps = list(steps)
        self.begin(mechanism, steps.pop(0)(b"") if ir else None)
        while True:
            goes_on, data = self.answer()
            if not goes_on:
                return self.is_ok(data), data
            if not steps:
                raise Failed("the server asks for more: %r" % data)
            self.send(b64(steps.pop(0)(data)))

    def login(self, mechanism, user, password, ir=True, **how):
        if mechanism == "PLAIN":
            return self.run(mechanism, [lambda _: b"\0" + user.encode() + b"\0" + password.encode()], ir)
        if mechanism == "LOGIN":
            return self.run(mechanism, [lambda _: user.encode(), lambda _: password.encode()], ir)
        if mechanism == "EXTERNAL":
            return self.run(mechanism, [lambda _: user.encode()], ir)
        if mechanism == "USER":  # POP's own, and IMAP's LOGIN
            return self.own_login(user, password)
        hash_name = "sha256" if "256" in mechanism else "sha1"
        if mechanism.endswith("-PLUS") and "binding" not in how:
            how["binding"] = self.unique() if self.tls12 else self.end_point()
        x = self.scram = Scram(hash_name, user, password, **how)

        def last(data):
            x.check(data)
            return b""
        return self.run(mechanism, [lambda _: x.first(), x.final, last], ir)

    def own_login(self, user, password):
        if self.kind == "pop":
            self.send(b"USER " + user.encode())
            self.line()
            self.send(b"PASS " + password.encode())
        else:
            self.send(b"a LOGIN \"%s\" \"%s\"" % (user.encode(), password.encode()))
        line = self.answer()[1]
        return self.is_ok(line), line
