"""test/lib/tap.py - cases of a suite and their results as TAP.

A suite is functions marked @case("what is promised"), in the order of the file, each given what run() was given. A case passes when it
returns; an AssertionError or any other exception is a failure with its traceback as comment lines; Skip leaves it out.
"""
import os
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; its text says why."""


_cases = []


def case(name):
    def mark(fn):
        _cases.append((name, fn))
        return fn
    return mark


def comment(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def check_equal(got, want, what=""):
    assert got == want, "%s: got %r, wanted %r" % (what or "value", got, want)


def check_in(part, whole, what=""):
    assert part in whole, "%s: %r is not in %r" % (what or "value", part, whole)


def run(*args, on_failure=None, only=None):
    """Runs all cases with args and prints TAP; returns the number of failures. Words on the command line choose cases by a part of
    their name."""
    only = only if only is not None else [w for w in sys.argv[1:] if not w.startswith("-")]
    chosen = [(n, f) for n, f in _cases if not only or any(w in n for w in only)]
    failed = 0
    print("1..%d" % len(chosen), flush=True)
    for number, (name, fn) in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            fn(*args)
            result = "ok %d - %s" % (number, name)
        except Skip as why:
            result = "ok %d - %s # SKIP %s" % (number, name, why)
        except Exception:
            failed += 1
            result = "not ok %d - %s" % (number, name)
            comment(traceback.format_exc())
            if on_failure:
                on_failure()
        print(result, flush=True)
        if os.environ.get("TEST_TIMES"):
            comment("%.2f s" % (time.monotonic() - began))
    return failed


def skip_all(why):
    print("1..0 # SKIP " + why, flush=True)
    sys.exit(0)


def fail_all(why):
    """What the suite is about is not there: nothing was shown."""
    print("1..1\nnot ok 1 - %s" % why, flush=True)
    sys.exit(1)


def need_programs(*names):
    import shutil
    missing = [n for n in names if not shutil.which(n)]
    if missing:
        fail_all("not installed: %s; tools/install-deps check installs them" % " ".join(missing))
