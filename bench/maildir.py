#!/usr/bin/env python3
"""bench/maildir.py DIR [LETTERS [BYTES]] - makes a Maildir as Dovecot keeps it, for measuring imports: 100,000 letters of 10 GB by default.

Letters are text with attachments in base64 of random bytes, of many sizes (most small, some large), so that nothing compresses.
"""
import base64
import os
import random
import sys

UIDVALIDITY = 1700000000


def sizes(n, total, rng):
    """n sizes that add up to about total: half of them small, the rest growing, as mailboxes are."""
    raw = [rng.lognormvariate(0, 1.6) for _ in range(n)]
    factor = total / sum(raw)
    return [max(600, min(int(x * factor), 30_000_000)) for x in raw]


def letter(i, size, noise, rng):
    head = ("Return-Path: <sender%d@example.test>\nFrom: Sender %d <sender%d@example.test>\nTo: user@demo.test\n"
            "Subject: letter %d of the measurement\nDate: Thu, 0%d Feb 2024 10:%02d:00 +0000\nMessage-ID: <%d.bench@example.test>\n"
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=cut\n\n"
            "--cut\nContent-Type: text/plain\n\nThe quick brown fox jumps over the lazy dog.\n"
            "--cut\nContent-Type: application/octet-stream; name=a.bin\nContent-Transfer-Encoding: base64\n\n"
            % (i % 900, i % 900, i % 900, i, i % 9 + 1, i % 60, i)).encode()
    n = max(0, size - len(head) - 10)
    at = rng.randrange(0, len(noise) // 2) // 77 * 77
    body = bytearray()
    while len(body) < n:
        body += noise[at:at + n - len(body)]
        at = 0
    return head + bytes(body) + b"\n--cut--\n"


def main():
    top, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    total = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000_000_000
    rng = random.Random(1)
    noise = base64.encodebytes(os.urandom(8_000_000))
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(top, sub))
    made = 0
    with open(os.path.join(top, "dovecot-uidlist"), "w") as uids:
        uids.write("3 V%d N%d G00000000000000000000000000000000\n" % (UIDVALIDITY, n + 1))
        for i, size in enumerate(sizes(n, total, rng), 1):
            data = letter(i, size, noise, rng)
            base = "%d.M%06dP1.bench,S=%d" % (UIDVALIDITY + i, i % 1000000, len(data))
            uids.write("%d :%s\n" % (i, base))
            with open(os.path.join(top, "cur", base + ":2,S"), "wb") as f:
                f.write(data)
            made += len(data)
    print("%d letters, %d bytes" % (n, made))


main()
