"""test/lib/server.py - one Sallyport in a temporary directory, for tests: started, filled, asked, killed and removed.

    with Server() as s:          # domain demo.test, accounts alice and bob, password demo
        smtplib.SMTP(s.host, s.port["smtp"])

The binary is the environment's SALLYPORT_BIN or build/sallyport of this tree.
"""
import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOSTNAME = "mail.demo.test"
DOMAIN = "demo.test"
PASSWORD = "demo"
SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
PLAIN = ("submission", "imap", "pop3")  # where a password without TLS is a choice
NOBODY = 65534
READY_WITHIN_S = 30  # below any suite's time, so that its log is shown


class ServerError(Exception):
    pass


def binary():
    return os.path.abspath(os.environ.get("SALLYPORT_BIN") or os.path.join(ROOT, "build", "sallyport"))


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base(n):
    """The first of n ports in a row that nobody has, below those the kernel gives to clients."""
    while True:
        base = random.randrange(10000, 32000 - n)
        if all(is_free(base + i) for i in range(n)):
            return base


def make_certificate(directory):
    """A certification authority and a server certificate signed by it: ca.pem, cert.pem, key.pem."""
    def openssl(*words):
        subprocess.run(("openssl",) + words, cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(directory, "san.cnf"), "w") as f:
        f.write("subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n" % HOSTNAME)
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *ec, "-keyout", "key.pem", "-out", "cert.csr", "-subj", "/CN=" + HOSTNAME)
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem",
            "-days", "2", "-extfile", "san.cnf")


def group_of(leader):
    """The pids of a process group, without those that have ended and wait to be asked for their status."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open("/proc/%s/stat" % pid) as f:
                state, _parent, group = f.read().rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                found.append(int(pid))
    return found


class Server:
    """settings: {"limits": {"letter_rate": 5}, "": {"disk_reserve": "1M"}} is added to the configuration, "" being its top level.
    embedded: all roles in one process (-X). unprivileged: as a user without rights, also when the test is root's.
    without_tls_login: passwords are taken without TLS where a service has a choice. listener_options: statements for each listener of users."""

    def __init__(self, settings=None, embedded=False, unprivileged=False, without_tls_login=True, accounts=("alice", "bob"), level="info",
                 listener_options=""):
        self.settings = {b: dict(v) for b, v in (settings or {}).items()}
        self.embedded, self.unprivileged = embedded, unprivileged and os.getuid() == 0
        self.without_tls_login, self.accounts, self.level = without_tls_login, accounts, level
        self.listener_options = listener_options
        self.host, self.hostname, self.domain, self.password = "127.0.0.1", HOSTNAME, DOMAIN, PASSWORD
        self.dir = tempfile.mkdtemp(prefix="sp-")
        os.chmod(self.dir, 0o755)
        self.conf, self.log = os.path.join(self.dir, "conf"), os.path.join(self.dir, "log")
        self.ca = os.path.join(self.dir, "ca.pem")
        self.extra_listeners = []
        self.process = None
        self.bin = binary()
        make_certificate(self.dir)
        self.choose_ports()
        self.write_conf()
        if self.unprivileged:
            for name in ("sallyport", "sallyport-rocks.so"):  # the checkout may be where only root looks
                shutil.copy(os.path.join(os.path.dirname(self.bin), name), self.dir)
            self.bin = os.path.join(self.dir, "sallyport")
            for name in [""] + os.listdir(self.dir):
                os.chown(os.path.join(self.dir, name), NOBODY, NOBODY)

    # ---- configuration

    def choose_ports(self):
        base = free_base(len(SERVICES))
        self.port = {name: base + i for i, name in enumerate(SERVICES)}

    def conf_text(self):
        top = {"hostname": HOSTNAME, "data_dir": self.dir + "/data", "run_dir": self.dir + "/run", "disk_reserve": "1M"}
        if os.getuid() == 0:
            top["user"] = "nobody"
        top.update(self.settings.get("", {}))
        blocks = {"log": {"level": self.level}, "tls": {"certificate": self.dir + "/cert.pem", "key": self.dir + "/key.pem"}}
        for name, values in self.settings.items():
            if name:
                blocks.setdefault(name, {}).update(values)
        lines = ["%s %s" % kv for kv in top.items()]
        lines += ["%s { %s }" % (name, "; ".join("%s %s" % kv for kv in values.items())) for name, values in blocks.items()]
        for name in SERVICES:
            plain = "; auth_without_tls yes" if self.without_tls_login and name in PLAIN else ""
            plain += "; " + self.listener_options if self.listener_options and name != "smtp" else ""
            lines.append("listen %s { address 127.0.0.1; port %d%s }" % (name, self.port[name], plain))
        return "\n".join(lines + self.extra_listeners) + "\n"

    def write_conf(self, text=None):
        with open(self.conf + ".new", "w") as f:
            f.write(text if text is not None else self.conf_text())
        os.rename(self.conf + ".new", self.conf)

    def set(self, block, **values):
        """Changes settings in the file; reload() or restart() makes them count."""
        self.settings.setdefault(block, {}).update(values)
        self.write_conf()

    # ---- life

    def command_line(self, *words):
        drop = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"] if self.unprivileged else []
        # Last, since a change of user forgets it.
        return drop + ["setpriv", "--pdeathsig", "KILL", self.bin, "-c", self.conf] + list(words)

    def start(self, fill=False):
        """Starts the binary and waits for its "ready"; fill: the domain and the accounts are made."""
        for attempt in range(5):
            at = self.log_size()
            words = (["-X"] if self.embedded else []) + ["run"]
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(self.command_line(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                start_new_session=True, cwd=self.dir)
            try:
                self.wait_log(" ready ", at=at, seconds=READY_WITHIN_S, exits=True)
                break
            except ServerError:
                self.kill_all()
                if attempt < 4 and fill and "cannot bind" in self.log_text(at):  # somebody was faster
                    self.choose_ports()
                    self.write_conf()
                    continue
                raise
        if fill:
            self.fill()
        return self

    def fill(self):
        self.run("domain", "add", DOMAIN)
        for name in self.accounts:
            self.add_account(name)

    def add_account(self, name, password=PASSWORD, pop=True):
        """pop: its POP is switched on, which accounts do not have by themselves."""
        self.run("account", "add", "%s@%s" % (name, DOMAIN), stdin=password + "\n")
        if pop:
            self.run("account", "set", "%s@%s" % (name, DOMAIN), "pop", "on")

    def run(self, *words, stdin="", check=True):
        """A command of the binary; its standard output. Not check: (status, stdout, stderr)."""
        p = subprocess.run(self.command_line(*words), input=stdin, text=True, capture_output=True, timeout=120)
        if not check:
            return p.returncode, p.stdout, p.stderr
        if p.returncode != 0:
            raise ServerError("sallyport %s: status %d: %s%s" % (" ".join(words), p.returncode, p.stdout, p.stderr))
        return p.stdout

    def verify(self):
        """Fails unless everything stored obeys its invariants."""
        status, out, err = self.run("verify", check=False)
        if status != 0:
            raise ServerError("verify found: %s%s" % (out, err))
        return out

    def roles(self):
        """[{"role", "index", "state", "pid", "life"}] of `status`."""
        found = []
        for line in self.run("status", check=False)[1].splitlines():
            f = line.split("\t")
            if f[0] == "role" and f[1] != "master":  # master is self.process
                found.append({"role": f[1], "index": int(f[2]), "state": f[3], "pid": int(f[4].split()[1]), "life": int(f[5].split()[1])})
        return found

    def pids(self, role):
        return [r["pid"] for r in self.roles() if r["role"] == role and r["pid"] > 0]

    def lives(self):
        return {(r["role"], r["index"]): (r["life"], r["pid"]) for r in self.roles()}

    def reload(self):
        """SIGHUP, and waits until the log says how it went; True when the new configuration is in use."""
        at = self.log_size()
        os.kill(self.process.pid, signal.SIGHUP)
        return "reload-refused" not in self.wait_log((" reloaded ", " reload-refused "), at=at)

    def stop(self, seconds=20):
        """SIGTERM; the exit status and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise ServerError("the server did not stop within %d s" % seconds)
        return status, time.monotonic() - began

    def kill_all(self):
        """The whole process group at once, as when the power of one machine fails."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        until = time.monotonic() + 5
        while group_of(self.process.pid) and time.monotonic() < until:
            time.sleep(0.002)

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except ServerError:
                pass
        if os.environ.get("TEST_KEEP"):
            print("# kept: " + self.dir, flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start(fill=True)
        except BaseException:
            self.show_log()
            self.close()
            raise

    def __exit__(self, kind, value, trace):
        if kind and kind is not SystemExit:
            self.show_log()
        self.close()

    # ---- the log

    def log_size(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def log_text(self, at=0):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, "rb") as f:
            f.seek(at)
            return f.read().decode("utf-8", "replace")

    def wait_log(self, words, at=0, seconds=10, exits=False):
        """Waits for a line with one of words behind byte at; that line."""
        words = (words,) if isinstance(words, str) else words
        until = time.monotonic() + seconds
        while True:
            gone = self.process.poll() is not None
            for line in self.log_text(at).splitlines():
                if any(w in line + " " for w in words):
                    return line
            if gone and exits:
                raise ServerError("the server ended with status %d" % self.process.returncode)
            if time.monotonic() > until:
                raise ServerError("the log never said %r" % (words,))
            time.sleep(0.01)

    def show_log(self, n=40):
        lines = self.log_text().splitlines()[-n:]
        print("# ---- the last %d lines of the server's log" % len(lines))
        for line in lines:
            print("# " + line)
        sys.stdout.flush()

    # ---- clients

    def tls_context(self):
        return ssl.create_default_context(cafile=self.ca)

    def address(self, name):
        return name if "@" in name else "%s@%s" % (name, DOMAIN)

    def smtp(self, service="smtp", tls=None, login=None, timeout=20):
        """smtplib: tls None takes what the service is made for, login is an account's name."""
        import smtplib
        if service == "submissions":
            c = smtplib.SMTP_SSL(self.host, self.port[service], context=self.tls_context(), timeout=timeout)
        else:
            c = smtplib.SMTP(self.host, self.port[service], timeout=timeout)
            if tls:
                c.starttls(context=self.tls_context())
        c.ehlo()
        if login:
            c.login(self.address(login), self.password)
        return c

    def imap(self, login="alice", service="imap", tls=None, select=None, timeout=20):
        import imaplib
        if service == "imaps":
            c = imaplib.IMAP4_SSL(self.host, self.port[service], ssl_context=self.tls_context(), timeout=timeout)
        else:
            c = imaplib.IMAP4(self.host, self.port[service], timeout=timeout)
            if tls:
                c.starttls(self.tls_context())
        if login:
            c.login(self.address(login), self.password)
        if select:
            status, data = c.select(select)
            if status != "OK":
                raise ServerError("SELECT %s: %r" % (select, data))
        return c

    def pop(self, login="alice", service="pop3", tls=None, timeout=20):
        import poplib
        poplib._MAXLINE = 1 << 26  # its default refuses lines that letters may have
        if service == "pop3s":
            c = poplib.POP3_SSL(self.host, self.port[service], context=self.tls_context(), timeout=timeout)
        else:
            c = poplib.POP3(self.host, self.port[service], timeout=timeout)
            if tls:
                c.stls(self.tls_context())
        if login:
            c.user(self.address(login))
            c.pass_(self.password)
        return c
