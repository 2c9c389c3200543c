"""test/lib/dovecot.py - a Dovecot of a test's own: its configuration, mail and port in a directory that goes with it. Needs root."""
import os
import shutil
import subprocess
import tempfile
import time

from server import free_base, is_free

CONF = """protocols = imap
instance_name = oracle
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = sdbox:{dir}/mail/%n
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 65534
first_valid_gid = 65534
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password=demo
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={dir}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class Dovecot:
    def __init__(self):
        self.host = "127.0.0.1"
        self.dir = tempfile.mkdtemp(prefix="sp-dovecot-")
        os.chmod(self.dir, 0o755)
        os.mkdir(self.dir + "/mail")
        os.chown(self.dir + "/mail", 65534, 65534)
        self.port = {"imap": free_base(1)}
        self.conf = self.dir + "/dovecot.conf"
        with open(self.conf, "w") as f:
            f.write(CONF.format(dir=self.dir, port=self.port["imap"]))
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "dovecot", "-F", "-c", self.conf],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until = time.monotonic() + 20
        while is_free(self.port["imap"]):
            if self.process.poll() is not None or time.monotonic() > until:
                error = self.process.stderr.read().decode() if self.process.poll() is not None else "it does not answer"
                self.close()
                raise RuntimeError("dovecot: " + error)
            time.sleep(0.05)
        return self

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __exit__(self, *unused):
        self.close()
