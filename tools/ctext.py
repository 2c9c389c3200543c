"""tools/ctext.py - C sources as the checks read them: without comments and strings, cut into functions."""
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
# A definition begins in column 0 with its type and ends, body included, with a brace in column 0.
FUNCTION = re.compile(r'^(?P<head>[A-Za-z_][^;{}#=]*?\b(?P<name>[A-Za-z_]\w*)\s*\([^;{}]*\)[^;{}()=]*)\n\{\n(?P<body>.*?)^\}', re.S | re.M)


def files(*tops, ext=(".c", ".h")):
    for top in tops:
        for at, dirs, names in os.walk(os.path.join(ROOT, top)):
            dirs.sort()
            for name in sorted(names):
                if name.endswith(ext):
                    yield os.path.relpath(os.path.join(at, name), ROOT)


def blank(m):
    """Comments become blanks and strings empty ones; lines stay where they are."""
    text = m.group(0)
    keep = "\n" * text.count("\n")
    return '""' + keep if text[0] == '"' else "' '" if text[0] == "'" else " " + keep


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return TOKENS.sub(blank, f.read())


def functions(text):
    """(name, head, body, first line) of every definition in a text given by read()."""
    for m in FUNCTION.finditer(text):
        yield m.group("name"), m.group("head"), m.group("body"), text.count("\n", 0, m.start()) + 1


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
