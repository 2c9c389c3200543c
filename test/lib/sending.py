"""test/lib/sending.py - a server that sends into the test internet (internet.py), with what a test asks of its queue.

    with Sender(net) as s:
        s.submit("a@far.test", "one")           # from alice@demo.test, by submission under TLS
        s.wait_empty()                          # nothing waits any more
        s.reports("alice")                      # the delivery status notifications in her INBOX
"""
import email
import email.policy
import json
import time

from client import letter, wait_until
from server import Server

# Waits in seconds, not in minutes: a test's remotes are as slow as real ones, but never as long.
TIMEOUTS = {"relay_connect": "1s", "relay_greeting": "2s", "relay_reply": "2s", "relay_data": "2s", "relay_part": "2s", "relay_end": "3s", "relay_idle": "1s", "dns": "2s"}
QUEUE = {"retry_first": "1s", "retry_max": "2s", "lifetime": "1h", "account_rate": 0, "suppress_after": 0}
LIMITS = {"letter_rate": 0, "connection_rate": 0, "connections_per_address_users": 500, "connections_per_address_strangers": 500}


class Report:
    """A delivery status notification: what it says of each recipient, {address: {field: value}}, by fields in lower case."""

    def __init__(self, data):
        self.data, self.message = data, email.message_from_bytes(data, policy=email.policy.default)
        self.subject, self.recipients = self.message["Subject"], {}
        self.parts = [p.get_content_type() for p in self.message.walk()]
        for part in self.message.walk():
            if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
                self.about, *each = self.blocks(part)
                self.recipients = {b["final-recipient"].partition(";")[2].strip(): b for b in each}

    @staticmethod
    def blocks(part):
        """Its groups of fields (RFC 3464 2.1), which Python takes for letters of some kind, depending on the type."""
        text = part.as_bytes().decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[2]
        for block in text.strip("\n").split("\n\n"):
            lines = block.replace("\n ", " ").replace("\n\t", " ").split("\n")
            yield {k.strip().lower(): v.strip() for k, _c, v in (l.partition(":") for l in lines if l)}


class Sender(Server):
    """routes: lines of the configuration, as routes and sources."""

    def __init__(self, net, routes=(), queue=(), timeouts=(), settings=(), **more):
        every = {"dns": {"resolver": net.resolver}, "queue": dict(QUEUE, **dict(queue)), "timeouts": dict(TIMEOUTS, **dict(timeouts)), "limits": dict(LIMITS)}
        for block, values in dict(settings).items():
            every.setdefault(block, {}).update(values)
        super().__init__(every, **more)
        self.net = net
        self.extra_listeners += list(routes)
        self.write_conf()

    # ---- in

    def submit(self, to, subject, body="Hello\r\n", sender="alice", extra="", mail=(), rcpt=(), connection=None, data=None):
        """One letter by submission; mail, rcpt: parameters of those commands."""
        to = [to] if isinstance(to, str) else list(to)
        c = connection or self.smtp("submission", tls=True, login=sender or "alice")
        who = self.address(sender) if sender else ""
        refused = c.sendmail(who, to, data or letter(subject, body, sender=self.address(sender or "alice"), to=to[0], extra=extra), mail_options=list(mail), rcpt_options=list(rcpt))
        assert not refused, refused
        if not connection:
            c.quit()

    # ---- the queue

    def command(self, *words):
        """What a command of the queue says as JSON: one object a line, or a list of them."""
        text = self.run("queue", *words, "--json").strip()
        if text.startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines()]

    def waiting(self, *words):
        return self.command("list", *words)

    def history(self, *words):
        """Attempts and ends, the oldest first."""
        return sorted(self.command("history", *words), key=lambda e: (e["at"] or 0, e["id"], e["attempt"]))

    def attempts(self, to):
        """Those of one recipient."""
        return [e for e in self.history("--to", to) if e["kind"] == "attempt"]

    def wait_empty(self, seconds=30):
        try:
            wait_until(lambda: not self.waiting(), seconds, "an empty queue")
        except AssertionError:
            raise AssertionError("an empty queue did not come within %s s: %s" % (seconds, self.run("queue", "list"))) from None

    # ---- what came back

    def letters_of(self, who="alice", mailbox="INBOX"):
        c = self.imap(who)
        try:
            if c.select('"%s"' % mailbox, readonly=True)[1][0] == b"0":
                return []
            return [part[1] for part in c.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]
        finally:
            c.logout()

    def reports(self, who="alice"):
        return [Report(d) for d in self.letters_of(who) if b"multipart/report" in d[:4000].lower()]

    def report_on(self, address, who="alice", seconds=20, action=None):
        """The report that speaks of an address, and what it says of it."""
        def look():
            for r in self.reports(who):
                for name, fields in r.recipients.items():
                    if name.lower() == address.lower() and action in (None, fields.get("action")):
                        return r, fields
            return None
        return wait_until(look, seconds, "a report on " + address)

    def clean(self, who="alice"):
        from client import empty
        c = self.imap(who)
        empty(c)
        c.logout()


def settle(seconds=0.3):
    """For what must not happen to have had its time."""
    time.sleep(seconds)
