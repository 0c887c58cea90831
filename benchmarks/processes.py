"""The processes that measure and are measured: a fresh one each time, on a core of its own if there is one.

A **server** (``servers``) prints its port and serves until it is terminated; a **client** (``clients``) and
**work** (``work``) print one line of JSON, the fields of a Sample, and end. Should this process
be killed, a server ends by itself a minute or so after it should have been done with.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .model import BenchmarkError, Peer, Sample

__all__ = [
    "BRIEF",
    "HOST",
    "SLACK",
    "Server",
    "announce",
    "client",
    "cores",
    "cpu_time",
    "forget_peak",
    "limit_of",
    "parser",
    "peak_memory",
    "report_sample",
    "resident",
    "serving",
    "settle_in",
    "work",
]

HOST = "127.0.0.1"
SLOWING = frozenset({"PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONTRACEMALLOC"})
START_LIMIT = 20.0  # seconds for a server to print its port
BRIEF = 0.25
"""Of a measurement's time: work inside one process has no client to come up to speed, and needs no more."""

SLACK = 60  # seconds that a measurement may take beyond its own duration
_PACKAGE = __package__ or "benchmarks"
_ROOT = Path(__file__).resolve().parents[_PACKAGE.count(".") + 1]  # from where the package can be imported


# What the process that compares does


@dataclass(frozen=True)
class Server:
    """A server that is up."""

    pid: int
    port: int


def cores() -> tuple[int | None, int | None]:
    """A core for what is measured and one for the client; no pinning where there aren't two.

    Two processors that are threads of one core would be in each other's way.
    """
    allowed = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if not allowed:
        return (None, None)
    first, *others = allowed
    return next(((first, other) for other in others if other not in _siblings(first)), (None, None))


def _siblings(processor: int) -> set[int]:
    """The processors that are threads of the same core, as the kernel tells (sysfs, ``core_cpus_list``)."""
    try:
        told = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/core_cpus_list").read_text("ascii")
    except OSError:  # it doesn't tell
        return {processor}
    found: set[int] = set()
    for part in told.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


def limit_of(seconds: float) -> float:
    """Seconds that a measurement may take, of which so many are measured."""
    return 3 * seconds + SLACK


def _environment() -> dict[str, str]:
    """The environment of those who are measured: as this one's, without what makes Python slow."""
    return {name: value for name, value in os.environ.items() if name not in SLOWING}


def _command(module: str, core: int | None, *arguments: str) -> list[str]:
    pinned = [] if core is None else ["--core", str(core)]
    return [sys.executable, "-m", f"{_PACKAGE}.{module}", *arguments, *pinned]


@contextmanager
def serving(peer: Peer, workload: str, seconds: float, *arguments: str) -> Iterator[Server]:
    """A peer's server, while the block runs.

    :param workload: what it serves, of ``servers.WORKLOADS``.
    :param seconds: how long the block is going to take, about.
    :param arguments: more of the server's command line.
    :raises BenchmarkError: if it doesn't come up.
    """
    lifetime = str(int(START_LIMIT + limit_of(seconds) + 1))
    command = _command("servers", cores()[0], peer.name, workload, "--lifetime", lifetime, *arguments)
    # A session of its own: Ctrl-C reaches this process alone, which then ends the server quietly.
    with subprocess.Popen(
        command, cwd=_ROOT, env=_environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], START_LIMIT)
            port = process.stdout.readline().strip() if ready else ""
            if not port:
                raise BenchmarkError(f"The server {peer.name} did not start; what it said is above.")
            yield Server(process.pid, int(port))
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def client(module: str, server: Server, seconds: float, *arguments: str) -> Sample:
    """Load a server with a client of ``clients``, and return what that found.

    :param seconds: how long to load it, about.
    :raises BenchmarkError: if it fails.
    """
    own = [str(server.port), "--server", str(server.pid), "--seconds", str(seconds)]
    command = _command(f"clients.{module}", cores()[1], *own, *arguments)
    return _sample(command, seconds, f"The client {module}")


def work(module: str, peer: Peer, seconds: float, *arguments: str) -> Sample:
    """Have a peer do some work of ``work``, and return what that found.

    :param seconds: how long to go on, about.
    :raises BenchmarkError: if it fails.
    """
    own = [peer.name, "--seconds", str(seconds)]
    command = _command(f"work.{module}", cores()[0], *own, *arguments)
    return _sample(command, seconds, f"{module} by {peer.name}")


def _sample(command: list[str], seconds: float, what: str) -> Sample:
    try:
        done = subprocess.run(
            command,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
            timeout=limit_of(seconds),
            check=True,
            start_new_session=True,  # as above
        )
        return Sample(**json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        raise BenchmarkError(f"{what} failed: {error}") from error


# What those processes do


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """The command line of one of them, with the options that all have."""
    made = argparse.ArgumentParser(prog=f"python -m {_PACKAGE}.{module}", description=description)
    made.add_argument("--core", type=int, help="the core to stay on")
    made.add_argument("--seconds", type=float, default=2.0, help="how long to measure, about")
    if module.startswith("clients."):
        made.add_argument("port", type=int)
        made.add_argument("--server", type=int, required=True, help="its process id: what it uses is told")
    return made


def settle_in(core: int | None, lifetime: int = 0) -> None:
    """Stay on a core, if one is given; end after so many seconds, whatever happens (0: never); allow as many
    open descriptors as the system lets us have."""
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {core})
    signal.alarm(lifetime)  # where whoever started this was killed and can't end it, the kernel will
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def announce(port: int) -> None:
    """Tell the process that compares on which port this server listens."""
    _tell(str(port))


def report_sample(sample: Sample) -> None:
    """Print what was found, for the process that compares."""
    _tell(json.dumps(asdict(sample)))


def _tell(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:  # whoever wanted to know was interrupted while it started this process
        os._exit(1)  # at once: an orderly end would flush the line again, and complain


# Looking at another process (Linux; elsewhere nothing is known)


def cpu_time(pid: int) -> float | None:
    """Seconds of CPU time, user and system, that a process has used (proc(5), ``stat``, fields 14 and 15)."""
    if sys.platform != "linux":
        return None
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()  # the command's name, in parentheses, may hold spaces
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int | None:
    """Bytes of memory that a process holds now (proc(5), ``status``, VmRSS)."""
    return _status(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Have :func:`peak_memory` begin anew for a process (proc(5), ``clear_refs``)."""
    if sys.platform == "linux":
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def peak_memory(pid: int) -> int | None:
    """Bytes of memory that a process has held at the most (proc(5), ``status``, VmHWM)."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int | None:
    if sys.platform != "linux":
        return None
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * 1024
    return None
