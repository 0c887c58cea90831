"""Programs in processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import DEADLINE

__all__ = ["LOOP_FACTORIES", "REACTORS", "program", "run", "run_on", "running"]

HERE = "tests.bridge.twisted.ecosystem"
ROOT = Path(__file__).parents[4]
SLOW = 6 * DEADLINE  # a program's start on a busy machine is more than a deadline's worth of imports

REACTORS = {"asyncio": "twisted_compat", "uvloop": "twisted_compat_uvloop"}
"""What ``--reactor`` takes for each loop."""


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


LOOP_FACTORIES: dict[str, Callable[[], Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": lambda: asyncio.new_event_loop,
    "uvloop": _uvloop,
}
"""For programs: what gives them what makes each loop."""


def run_on(loop: str, main: Coroutine[Any, Any, None]) -> None:
    """For programs: run a coroutine on one of those loops."""
    running = LOOP_FACTORIES[loop]()()
    try:
        running.run_until_complete(main)
    finally:
        running.close()


def program(name: str, *arguments: object) -> list[str]:
    """The command that runs a program of this package, or trial or pytest."""
    module = {"trial": "twisted.trial", "pytest": "pytest"}.get(name, f"{HERE}.{name}")
    return [sys.executable, "-m", module, *map(str, arguments)]


def _environment() -> dict[str, str]:
    """Ours, with the tests importable, and with warnings as they are by default."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *sys.path]))
    environment.pop("PYTHONWARNINGS", None)
    return environment


def run(command: list[str], directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command,
        cwd=directory or ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SLOW,
    )


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A command that runs during the block, and ends when its standard input does."""
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(SLOW) == 0
        finally:
            process.kill()
