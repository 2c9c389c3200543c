"""test/lib/dovecot_host.py - a real Dovecot host with Maildirs, TLS and POP in a temporary directory: accounts moved from and to it in tests. Needs root, as Dovecot does.

    with Dovecot(users=("alice@demo.test",)) as d:
        d.imap("alice@demo.test"); d.maildir("alice@demo.test"); d.port["imap"], d.port["imaps"], d.port["pop3"]
"""
import imaplib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from server import free_base, make_certificate

UID = 5000
CONF = """
protocols = imap pop3
instance_name = {dir}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir{layout}
mail_fsync = never
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = {uid}
first_valid_gid = {uid}
mail_max_userip_connections = 100
{more}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={dir}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap {{
  vsz_limit = 1G
}}
"""


class Dovecot:
    def __init__(self, users=("alice@demo.test",), password="demo", layout="", more=""):
        self.users, self.password, self.layout, self.more = users, password, layout, more
        self.dir = tempfile.mkdtemp(prefix="sp-dovecot-")
        os.chmod(self.dir, 0o755)
        make_certificate(self.dir)
        self.ca = os.path.join(self.dir, "ca.pem")
        base = free_base(3)
        self.port = {"imap": base, "imaps": base + 1, "pop3": base + 2}
        self.host, self.process = "localhost", None
        for u in users:
            os.makedirs(self.home(u))
        self.write_conf()
        self.give()

    def home(self, user):
        return os.path.join(self.dir, "mail", user)

    def maildir(self, user):
        return os.path.join(self.home(user), "Maildir")

    def give(self):
        """What was written into the homes becomes Dovecot's."""
        for top, dirs, files in os.walk(os.path.join(self.dir, "mail")):
            for name in [""] + files:
                os.chown(os.path.join(top, name), UID, UID)

    def write_conf(self):
        with open(os.path.join(self.dir, "users"), "w") as f:
            f.write("".join("%s:{PLAIN}%s::::::\n" % (u, self.password) for u in self.users))
        os.chmod(os.path.join(self.dir, "users"), 0o644)
        with open(os.path.join(self.dir, "conf"), "w") as f:
            f.write(CONF.format(dir=self.dir, uid=UID, layout=self.layout, more=self.more, **self.port))

    def start(self):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "dovecot", "-F", "-c", os.path.join(self.dir, "conf")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port["imap"]), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("Dovecot did not start: " + self.log())
                time.sleep(0.02)

    def log(self):
        path = os.path.join(self.dir, "dovecot.log")
        return open(path, encoding="utf-8", errors="replace").read()[-3000:] if os.path.exists(path) else ""

    def imap(self, user=None):
        c = imaplib.IMAP4("127.0.0.1", self.port["imap"], timeout=60)
        c.login(user or self.users[0], self.password)
        return c

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        if os.environ.get("TEST_KEEP"):
            print("# kept: " + self.dir, flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()
