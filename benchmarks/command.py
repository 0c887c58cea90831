"""What the commands share: numbers on the command line, cores, and processes for what is measured.

``__main__`` and ``deferreds`` are the commands.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

__all__ = [
    "ROOT",
    "BenchmarkError",
    "cores",
    "duration",
    "module",
    "names_among",
    "output_of",
    "whole_number",
]

ROOT = Path(__file__).resolve().parent.parent


class BenchmarkError(Exception):
    """A process that measures or is measured failed; the text says which, and what it said."""


def whole_number(text: str, most: int) -> int:
    """A whole number from 1 to ``most``, for argparse."""
    value = int(text)
    if not 1 <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not between 1 and {most}")
    return value


def names_among(known: Collection[str], text: str, what: str) -> tuple[str, ...]:
    """Names with commas between them, each of them ``known``, for argparse.

    :param what: what they are the names of, for the error.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        asked = ", ".join(unknown) or "(none named)"
        raise argparse.ArgumentTypeError(f"no such {what}: {asked}. Choose from {', '.join(known)}")
    return names


def duration(text: str) -> float:
    """A number of seconds, up to an hour, for argparse."""
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds between 0 and 3600")
    return seconds


def cores() -> tuple[int | None, int | None]:
    """A core for what is measured and one for the client; no pinning where there aren't two."""
    allowed = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def module(name: str, core: int | None, *arguments: str) -> list[str]:
    """The command that runs a module of this package, pinned to a core."""
    pinned = [] if core is None else ["--core", str(core)]
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments, *pinned]


def output_of(command: list[str], limit: float, what: str) -> str:
    """Run a process to its end, and return what it printed.

    :param limit: seconds that it may take; it is killed then, and also if this process is interrupted.
    :param what: its name in the error.
    :raises BenchmarkError: if it fails.
    """
    try:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the other quietly.
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=limit,
            check=True,
            start_new_session=True,
        )
    except subprocess.SubprocessError as error:
        raise BenchmarkError(f"{what} failed: {error}") from error
    return done.stdout
