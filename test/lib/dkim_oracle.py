"""test/lib/dkim_oracle.py - what python3-dkim of Debian says of a letter's signatures; run by Debian's own Python, whose package it is.

Standard input is {"letter": base64, "records": {name: text}}, standard output a JSON list with a word for each signature, from the top: "ok" or why not."""
import base64
import json
import sys

import dkim


def main():
    asked = json.load(sys.stdin)
    letter = base64.b64decode(asked["letter"])
    records = {name.lower(): text for name, text in asked["records"].items()}

    def lookup(name, timeout=5):
        text = records.get(name.decode().rstrip(".").lower())
        return text.encode() if text else None

    said = []
    for i in range(sum(1 for f in dkim.DKIM(letter).headers if f[0].lower() == b"dkim-signature")):
        try:
            said.append("ok" if dkim.DKIM(letter).verify(idx=i, dnsfunc=lookup) else "invalid")
        except dkim.DKIMException as e:
            said.append(repr(e))
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
