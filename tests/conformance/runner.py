"""Runs one module's tests in a child process, and goes on after one that hangs or brings the process down.

The child says what it does through a pipe (see :mod:`~tests.conformance.child`). When it says nothing for
too long it is asked for its threads' tracebacks and killed, and another child runs the tests that are left.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.conformance.isolation import isolated

__all__ = ["OUTSIDE", "Outcome", "Run", "is_wanted", "run_module"]

REPOSITORY = Path(__file__).resolve().parents[2]
OUTSIDE = "<outside of a test>"
"""Stands for a test's name where something goes wrong while none runs: as they are loaded, or at the end."""

MOST_OUTPUT = 8000  # bytes of a child's output to show when it died
DUMP_TIME = 0.5  # seconds that a hung child has to write its tracebacks


@dataclass
class Outcome:
    """How one test ended: ``passed``, ``failed``, ``skipped`` or ``hung``; and its traceback or reason."""

    kind: str
    detail: str = ""


@dataclass
class Run:
    """One module of a family on one loop.

    :ivar planned: the ids of all tests in the module, also of those that were not asked for.
    :ivar missing: the public names of Twisted's that our modules lack.
    """

    family: str
    module: str
    loop: str
    planned: list[str] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_module(
    family: str, module: str, loop: str, only: Sequence[str] | None = None, deadline: float = 60.0
) -> Run:
    """Run the tests of a module as those of a family.

    :param only: patterns of the ids to run; None for all.
    :param deadline: seconds for a single test, after which it counts as hung.
    """
    run, began = Run(family, module, loop), time.monotonic()
    while True:
        already = len(run.outcomes)
        _run_child(run, only, deadline)
        left = [test for test in run.planned if is_wanted(test, only) and test not in run.outcomes]
        if not left or len(run.outcomes) == already:
            break
    for test in left:
        run.outcomes[test] = Outcome("failed", "not run: the process ended before it")
    run.seconds = time.monotonic() - began
    return run


def is_wanted(test: str, only: Sequence[str] | None) -> bool:
    """Whether an id fits one of the patterns; None stands for all."""
    return only is None or any(fnmatchcase(test, pattern) for pattern in only)


def _run_child(run: Run, only: Sequence[str] | None, deadline: float) -> None:
    """Run the tests that have no outcome yet, until the end or until one hangs."""
    reading, writing = os.pipe()
    spec = {
        "family": run.family,
        "module": run.module,
        "loop": run.loop,
        "without": list(run.outcomes),
        "only": only,
        "pipe": writing,
        "lifetime": 2 * deadline,  # of a test, where this process has been killed and can't end the child
    }
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = isolated([sys.executable, "-m", "tests.conformance.child", json.dumps(spec)])
    # A short name: the paths of UNIX sockets are limited, and what is beneath has the names of tests.
    with tempfile.TemporaryDirectory(prefix="tc") as scratch, open(reading, "rb", 0) as events:
        work = Path(scratch, "work")
        work.mkdir()
        output = Path(scratch, "output")
        with output.open("wb") as out:
            child = subprocess.Popen(
                command,
                cwd=work,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=[writing],
                start_new_session=True,
            )
        os.close(writing)
        try:
            running, hung = _follow(events.fileno(), run, deadline)
            if hung:
                os.kill(child.pid, signal.SIGUSR1)  # see faulthandler in child.main
                time.sleep(DUMP_TIME)
            elif child.wait() == 0 and running is None:
                return
            how = f"silent for {deadline} s" if hung else f"the process ended with {child.returncode}"
            said = output.read_bytes()[-MOST_OUTPUT:].decode(errors="replace")
            run.outcomes[running or f"{run.module}.{OUTSIDE}"] = Outcome(
                "hung" if hung else "failed", f"{how}\n{said}"
            )
        finally:
            _kill_group(child)


def _follow(events: int, run: Run, deadline: float) -> tuple[str | None, bool]:
    """Read what the child says, until it ends or is silent for longer than the deadline.

    :returns: the id of the test that began and did not end, and whether the child was silent for too long.
    """
    running, unread = None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(events, selectors.EVENT_READ)
        while selector.select(deadline):
            if not (chunk := os.read(events, 65536)):
                return running, False
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                kind, *said = json.loads(line)
                if kind == "start":
                    running = said[0]
                elif kind == "end":
                    running = None
                    run.outcomes[said[0]] = Outcome(said[1], said[2])
                elif kind == "plan":
                    run.planned = said[0]
                else:
                    run.missing = said[0]
    return running, True


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End the child, and what its tests started and left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
