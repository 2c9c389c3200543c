"""test/lib/peers.py - real mail servers as others run them: Postfix, Exim and OpenSMTPD, private to the test.

Each takes mail for some domains at an address of the test's internet and hands it on to a sink (remote.py), which counts. Postfix is
Debian's, installed. The other two conflict with it: their packages are unpacked, not installed (tools/install-deps check), and find users
and directories of their own by mounts that this process alone sees (internet.enter()).
"""
import os
import shutil
import signal
import socket
import subprocess
import time

from internet import see

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.join(ROOT, "build", "peers")
USERS = "Debian-exim:x:64101:64101::/:/bin/false\nopensmtpd:x:64102:64102::/:/bin/false\nopensmtpq:x:64103:64103::/:/bin/false\n"
GROUPS = "Debian-exim:x:64101:\nopensmtpd:x:64102:\nopensmtpq:x:64103:\n"

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/maillog
maillog_file_prefixes = {dir}
inet_interfaces = 127.0.0.1 20.0.0.1
inet_protocols = all
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8 {networks}
alias_maps =
alias_database =
local_transport = error:none here
local_recipient_maps =
relay_domains = {domains}
smtputf8_enable = yes
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {certificate}
notify_classes =
smtpd_tls_security_level = {smtpd_tls}
smtp_dns_support_level = dnssec
smtp_tls_security_level = {smtp_tls}
smtp_tls_CApath = /etc/ssl/certs
smtp_tls_loglevel = 1
message_size_limit = 0
minimal_backoff_time = 2s
maximal_backoff_time = 3s
queue_run_delay = 2s
smtpd_client_connection_count_limit = 500
"""

POSTFIX_MASTER = """
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

EXIM = """
exim_path = {binary}
primary_hostname = {name}
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
pid_file_path = {dir}/pid
local_interfaces = {address}
daemon_smtp_ports = {port}
tls_certificate = {certificate}
tls_privatekey = {certificate}
tls_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
acl_smtp_rcpt = rcpt
acl_smtp_data = data
log_selector = +smtp_connection +tls_cipher +subject
queue_run_max = 5
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
host_lookup =
{options}
begin acl
rcpt:
  require authenticated = {logins}
  accept
data:
  accept
begin routers
sink:
  driver = manualroute
  route_list = * {sink_host}::{sink_port}
  self = send
  transport = sink
begin transports
sink:
  driver = smtp
  hosts_avoid_tls = *
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{ {{eq{{$auth2}}{{{login}}}}} {{eq{{$auth3}}{{{password}}}}} }}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher }}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{ {{eq{{$auth1}}{{{login}}}}} {{eq{{$auth2}}{{{password}}}}} }}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if def:tls_in_cipher }}
"""

OPENSMTPD = """
pki {name} cert "{dir}/cert"
pki {name} key "{dir}/key"
smtp max-message-size "100M"
listen on {address} port {port} {tls} hostname {name}
action "sink" relay host smtp://{sink_host}:{sink_port}
match from any for domain {{ {quoted} }} action "sink"
"""

# Its directories have fixed names; what this shell mounts there is seen by it and its children alone.
OPENSMTPD_START = """set -e
for d in /var/spool /var/lib /run; do mount -t tmpfs tmpfs $d; done
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
for d in offline purge temporary incoming corrupt queue; do mkdir /var/spool/smtpd/$d; done
chown root:opensmtpq /var/spool/smtpd/offline && chmod 0770 /var/spool/smtpd/offline
for d in purge temporary incoming corrupt queue; do chown opensmtpq /var/spool/smtpd/$d && chmod 0700 /var/spool/smtpd/$d; done
chmod 0711 /var/spool/smtpd
exec "$@"
"""


def unpacked(*names):
    """The binary of a package that is not installed."""
    path = os.path.join(UNPACKED, *names)
    if not os.path.exists(path):
        raise RuntimeError("%s is missing; tools/install-deps check fetches it" % path)
    return path


def add_users(directory):
    """The users of the packages that are not installed."""
    for file, more in (("passwd", USERS), ("group", GROUPS)):
        with open("/etc/" + file) as f:
            text = f.read()
        path = os.path.join(directory, file)
        if more.split(":")[0] not in text:
            with open(path, "w") as f:
                f.write(text + more)
            see(path, "/etc/" + file)


class Peer:
    """sink: a Remote that gets all it takes. domains: those it takes mail for."""
    log_name = "maillog"

    def __init__(self, net, name, address, domains=(), sink=None, port=25, certificate=None, **more):
        self.net, self.name, self.address, self.port, self.domains, self.sink = net, name, address, port, tuple(domains), sink
        self.dir = net.path("peer-" + name)
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o755)
        self.certificate = certificate or net.ca.issue(name, *domains)
        self.words = {"dir": self.dir, "name": name, "address": address, "port": port, "domains": " ".join(domains),
                      "sink_host": sink.host if sink else "", "sink_port": sink.port if sink else 0, "certificate": self.certificate.path}
        self.words.update(more)
        self.process = None
        self.start()
        net.with_(self)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def run(self, *words, end="TERM"):
        self.process = subprocess.Popen(("setpriv", "--pdeathsig", end) + words, stdin=subprocess.DEVNULL, stdout=open(self.dir + "/out", "ab"),
                                        stderr=subprocess.STDOUT, start_new_session=True, cwd=self.dir)
        until = time.monotonic() + 20
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < until, "%s does not start: %s" % (self.name, self.log())
            time.sleep(0.02)

    def answers(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=5) as s:
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def log(self):
        text = ""
        for name in ("out", self.log_name):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class Postfix(Peer):
    """options: lines of main.cf; lines: of master.cf. smtp_tls: how it sends itself."""

    def __init__(self, net, name, address, domains=(), sink=None, smtpd_tls="may", smtp_tls="may", networks="", options="", lines="", **more):
        self.options, self.lines = options, lines
        if sink:
            self.options += "\nrelay_transport = smtp:[%s]:%d\n" % (sink.host, sink.port)
        super().__init__(net, name, address, domains, sink, smtpd_tls=smtpd_tls, smtp_tls=smtp_tls, networks=networks, **more)

    def start(self):
        for sub in ("queue", "data", "etc"):
            os.mkdir(os.path.join(self.dir, sub))
        shutil.chown(self.dir + "/data", "postfix", "postfix")
        self.write("etc/main.cf", (POSTFIX_MAIN.format(**self.words) + self.options).lstrip())
        self.write("etc/master.cf", (POSTFIX_MASTER.format(**self.words) + self.lines).lstrip())
        p = subprocess.run(["postfix", "-c", self.dir + "/etc", "check"], capture_output=True, text=True, timeout=60)  # makes the queue's directories
        assert p.returncode == 0, p.stdout + p.stderr + self.log()
        master = subprocess.run(["postconf", "-d", "-h", "daemon_directory"], check=True, capture_output=True, text=True).stdout.strip() + "/master"
        self.run(master, "-c", self.dir + "/etc", "-d")

    def queue(self):
        return subprocess.run(["postqueue", "-c", self.dir + "/etc", "-j"], capture_output=True, text=True, timeout=30).stdout.splitlines()


class Exim(Peer):
    """login, password: asked for before it takes a recipient, when given."""
    log_name = "mainlog"

    def __init__(self, net, name, address, domains=(), sink=None, login="", password="", options="", **more):
        super().__init__(net, name, address, domains, sink, login=login or "nobody", password=password or "-", options=options,
                         logins="*" if login else ": *", **more)

    def start(self):
        add_users(self.net.dir)
        os.mkdir(self.dir + "/spool")
        for path in (self.dir, self.dir + "/spool"):
            shutil.chown(path, 64101, 64101)
        own = self.write("cert", open(self.certificate.path).read(), 0o640)
        shutil.chown(own, 0, 64101)
        binary = shutil.copy(unpacked("exim4", "usr", "sbin", "exim4"), self.dir)  # where its own user can start it again, whosoever directory this is
        os.chmod(binary, 0o4755)
        text = EXIM.format(binary=binary, **dict(self.words, certificate=own))
        if self.words["logins"] != "*":
            text = text.replace("  require authenticated = : *\n", "")
        self.write("conf", text)
        self.run(binary, "-C", self.dir + "/conf", "-bdf", "-q2s")


class OpenSMTPD(Peer):
    """Debian 12's offers STARTTLS with a certificate, and every handshake fails (its issue 1171, OpenSSL 3): a server like that has to be met,
    too. tls False: it offers none."""

    def __init__(self, net, name, address, domains=(), sink=None, tls=True, options="", **more):
        self.options = options
        super().__init__(net, name, address, domains, sink, quoted=", ".join('"%s"' % d for d in domains), tls="tls pki " + name if tls else "", **more)

    def start(self):
        add_users(self.net.dir)
        pem = open(self.certificate.path).read()
        key = pem[pem.index("-----BEGIN PRIVATE KEY"):]
        self.write("cert", pem[:-len(key)])
        self.write("key", key, 0o600)
        conf = self.write("conf", OPENSMTPD.format(**self.words).lstrip() + self.options)
        self.run("unshare", "-m", "sh", "-c", OPENSMTPD_START, "sh", unpacked("opensmtpd", "usr", "sbin", "smtpd"), "-d", "-f", conf)
