"""test/lib/marionette.py - Thunderbird in a display that nobody sees, driven through Marionette, the automation it brings.

    with Thunderbird(directory, library) as t:
        t.ask("return folders(a.key)", key="account1")

A script is the body of an async JavaScript function of one argument, an object `a`, with the privileges of the program itself; the
functions of `library` (JavaScript, too) are its. What it returns comes back as JSON would carry it.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

STARTS_WITHIN_S = 60
SAYS_MAX = 1 << 26  # bytes of one answer
# No network but the server's, no questions, no windows that come by themselves.
PREFS = {
    "marionette.port": 0,  # chosen by the program, told in MarionetteActivePort
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "browser.cache.disk.enable": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "datareporting.healthreport.uploadEnabled": False,
    "extensions.update.enabled": False,
    "mail.biff.show_alert": False,
    "mail.biff.play_sound": False,
    "mail.chat.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.instrumentation.askUser": False,
    "mail.provider.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.startup.enabledMailCheckOnce": True,
    "mailnews.auto_config_url": "",
    "mailnews.database.global.indexer.enabled": False,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "network.connectivity-service.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,#none",
    "toolkit.telemetry.enabled": False,
}


class MarionetteError(Exception):
    pass


class Wire:
    """Packets "LENGTH:JSON"; a command [0, id, name, parameters], its answer [1, id, error, result]."""

    def __init__(self, port, timeout):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.data = b""
        self.id = 0
        self.hello = self.read()

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise MarionetteError("the program closed the connection")
        self.data += got

    def read(self):
        while b":" not in self.data:
            self.more()
        length, self.data = self.data.split(b":", 1)
        n = int(length)
        if n > SAYS_MAX:
            raise MarionetteError("an answer of %d bytes" % n)
        while len(self.data) < n:
            self.more()
        packet, self.data = self.data[:n], self.data[n:]
        return json.loads(packet)

    def call(self, name, **parameters):
        self.id += 1
        packet = json.dumps([0, self.id, name, parameters]).encode()
        self.sock.sendall(b"%d:%s" % (len(packet), packet))
        kind, number, error, result = self.read()
        while number < self.id:  # of a command that was given up
            kind, number, error, result = self.read()
        if (kind, number) != (1, self.id):
            raise MarionetteError("an answer to something else: %r" % ([kind, number, error],))
        if error:
            raise MarionetteError("%s: %s: %s" % (name, error.get("error"), error.get("message")))
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def close(self):
        self.sock.close()


def prefs_text(prefs):
    return "".join("user_pref(%s, %s);\n" % (json.dumps(k), json.dumps(v)) for k, v in sorted(prefs.items()))


def end(process, seconds=10):
    """Ends a process that was started as the leader of its group, with its children."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    process.wait()


class Thunderbird:
    """prefs are added to PREFS, environment to that of the program; timeout in seconds is that of a script. Everything it writes is below
    directory."""

    def __init__(self, directory, library="", prefs=None, environment=None, timeout=30):
        self.dir, self.library, self.timeout = directory, library, timeout
        self.profile, self.log = os.path.join(directory, "profile"), os.path.join(directory, "log")
        self.prefs, self.environment = dict(PREFS, **(prefs or {})), environment or {}
        self.display = self.process = self.wire = None

    def spawn(self, words, **options):
        """In a group of its own, which ends with this program."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    start_new_session=True, **options)

    def start_display(self):
        told, tells = os.pipe()
        self.display = self.spawn(["Xvfb", "-displayfd", str(tells), "-screen", "0", "1280x900x24", "-nolisten", "tcp"], pass_fds=(tells,))
        os.close(tells)
        with os.fdopen(told) as f:
            number = f.readline().strip()
        if not number:
            raise MarionetteError("no display")
        return ":" + number

    def start(self):
        os.makedirs(self.profile)
        with open(os.path.join(self.profile, "user.js"), "w") as f:
            f.write(prefs_text(self.prefs))
        home = os.path.join(self.dir, "home")
        os.makedirs(os.path.join(home, "run"), mode=0o700)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("DBUS_", "WAYLAND_", "XDG_", "MOZ_"))}
        environment.update(DISPLAY=self.start_display(), HOME=home, TMPDIR=home, XDG_RUNTIME_DIR=os.path.join(home, "run"), GDK_BACKEND="x11",
                           LC_ALL="C.UTF-8", MOZ_CRASHREPORTER_DISABLE="1", NO_AT_BRIDGE="1", LIBGL_ALWAYS_SOFTWARE="1", **self.environment)
        self.process = self.spawn(["thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "--new-instance", "--profile",
                                   self.profile], env=environment, cwd=home)
        self.wire = Wire(self.port(), 2 * self.timeout)
        self.wire.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"unhandledPromptBehavior": "ignore"}})
        self.wire.call("Marionette:SetContext", value="chrome")
        self.wire.call("WebDriver:SetTimeouts", script=self.timeout * 1000)
        return self

    def port(self):
        """Where it listens, which it writes into a file in its profile."""
        path = os.path.join(self.profile, "MarionetteActivePort")
        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError), open(path) as f:
                return int(f.read())
            if self.process.poll() is not None:
                raise MarionetteError("thunderbird ended with status %d" % self.process.returncode)
            time.sleep(0.05)
        raise MarionetteError("thunderbird did not open its automation within %d s" % STARTS_WITHIN_S)

    def ask(self, script, **values):
        text = """
            const done = arguments[arguments.length - 1];
            %s
            (async function (a) { %s })(arguments[0]).then((v) => done({ value: v === undefined ? null : v }),
                (e) => done({ error: String(e) + "\\n" + ((e && e.stack) || "") }));
            """ % (self.library, script)
        answer = self.wire.call("WebDriver:ExecuteAsyncScript", script=text, args=[values], sandbox="system", newSandbox=False)
        if "error" in answer:
            raise MarionetteError(answer["error"])
        return answer["value"]

    def show_log(self, n=40):
        if os.path.exists(self.log):
            print("# ---- the last %d lines of Thunderbird's output" % n)
            with open(self.log, encoding="utf-8", errors="replace") as f:
                for line in f.readlines()[-n:]:
                    print("# " + line.rstrip()[:400], flush=True)

    def close(self):
        if self.wire:
            self.wire.close()
        for process in (self.process, self.display):
            if process:
                end(process)
        if not os.environ.get("TEST_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.show_log()
            self.close()
            raise

    def __exit__(self, *unused):
        self.close()
