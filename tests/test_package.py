"""The package's public names, and that importing it does nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

import twisted_compat
from tests.support import PEERS_REQUIRED

IMPORTING = """
import asyncio, os, selectors, signal, socket, threading

class Refused(Exception): pass
def refuse(*args, **kw): raise Refused(args)

def state():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    fds = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return handlers, threading.enumerate(), fds, signal.set_wakeup_fd(-1)

before = state()
asyncio.new_event_loop = asyncio.get_event_loop = refuse
signal.signal = socket.socket.bind = threading.Thread.start = refuse

import twisted_compat
assert state() == before

import twisted_compat.interfaces, twisted_compat.protocols.basic, twisted_compat.current
assert state() == before
assert twisted_compat.current._default is None, "no reactor is made before somebody uses one"
print("nothing")
"""


def test_importing_does_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("nothing\n", "")


def test_every_public_name_is_there() -> None:
    assert set(twisted_compat.__all__) >= {"AsyncioReactor", "current_reactor", "reactor", "run"}
    for name in twisted_compat.__all__:
        assert hasattr(twisted_compat, name)


def test_it_has_a_version() -> None:
    assert all(part.isdigit() for part in twisted_compat.__version__.split(".")[:2])


@pytest.mark.parametrize("package", ["click", "matplotlib", "redis", "rich", "twisted", "uvloop"])
def test_what_tests_can_do_without_is_there_where_nothing_may_be_missing(package: str) -> None:
    if PEERS_REQUIRED:
        assert find_spec(package) is not None
