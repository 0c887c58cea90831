"""The command: ``python -m benchmarks``. Runs the peers in turn and prints how they compare.

``servers`` has the peers, ``load`` the client, ``report`` what is made of the numbers; this module owns the
processes: a fresh server and a fresh client for each measurement.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import (
    ROOT,
    BenchmarkError,
    cores,
    duration,
    module,
    names_among,
    output_of,
    whole_number,
)
from benchmarks.load import Load
from benchmarks.report import as_json, judge, table, verdict_line
from benchmarks.servers import PEERS

START_LIMIT = 20.0  # seconds for a server to print its port
SLACK = 30  # seconds that a measurement may take beyond its own duration


@dataclass(frozen=True)
class Options:
    """The command line."""

    seconds: float
    rounds: int
    connections: int
    size: int
    only: tuple[str, ...]
    json: Path | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options on the command line; argparse ends the process if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare echo servers.")
    add = parser.add_argument
    add("--seconds", type=duration, default=3.0, help="of each measurement (default 3)")
    add("--rounds", type=lambda text: whole_number(text, 1000), default=3, help="default 3")
    add("--connections", type=lambda text: whole_number(text, 500), default=50, help="default 50")
    # All requests are sent before a reply is read: what the kernel's buffers don't hold would deadlock.
    add("--size", type=lambda text: whole_number(text, 65536), default=1024, help="bytes (default 1024)")
    add(
        "--only",
        type=lambda text: names_among(PEERS, text, "peer"),
        default=tuple(PEERS),
        metavar="NAME,...",
        help=", ".join(PEERS),
    )
    add("--json", type=Path, metavar="FILE", help="write everything measured there too")
    return Options(**vars(parser.parse_args(arguments)))


@contextmanager
def serving(name: str, core: int | None, lifetime: float) -> Iterator[tuple[int, int]]:
    """A peer's process, while the block runs: its process id and its port.

    :param lifetime: seconds after which the process ends even if this one is killed.
    :raises BenchmarkError: if it doesn't come up.
    """
    command = module("servers", core, name, "--lifetime", str(int(START_LIMIT + lifetime + 1)))
    # A session of its own: Ctrl-C reaches this process alone, which then ends the server quietly.
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], START_LIMIT)
            port = process.stdout.readline().strip() if ready else ""
            if not port:
                raise BenchmarkError(f"The server {name} did not start; what it said is above.")
            yield process.pid, int(port)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def measure(name: str, options: Options) -> Load:
    """One measurement of one peer, with a fresh server and a fresh client.

    :raises BenchmarkError: if either fails.
    """
    server_core, client_core = cores()
    limit = options.seconds + SLACK
    with serving(name, server_core, limit) as (pid, port):
        command = module("load", client_core, str(port), "--server", str(pid))
        command += ["--connections", str(options.connections), "--size", str(options.size)]
        command += ["--seconds", str(options.seconds)]
        found = json.loads(output_of(command, limit, f"The client of {name}"))
    return Load(**found)


def choose(names: Sequence[str]) -> list[str]:
    """The peers that can run here; a line is printed for each that can't."""
    chosen = []
    for name in names:
        missing = PEERS[name].missing()
        if missing is None:
            chosen.append(name)
        else:
            print(f"{name} is left out: this machine lacks {missing}.")
    return chosen


def compare(names: Sequence[str], options: Options) -> dict[str, list[Load]]:
    """All rounds of all peers, in turns."""
    rounds: dict[str, list[Load]] = {name: [] for name in names}
    total = options.rounds * len(names)
    for number in range(options.rounds):
        for position, name in enumerate(names, number * len(names) + 1):
            load = measure(name, options)
            rounds[name].append(load)
            done = f"[{position:>{len(str(total))}}/{total}]"
            print(f"{done} round {number + 1}  {name:<18}{load.rate:>10,.0f}/s", flush=True)
    return rounds


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit status.

    :returns: 0; 1 if a server or the client failed (a missed goal is told, but is no failure); 130 if
        interrupted.
    """
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every finally: ends the children
    names = choose(options.only)
    if not names:
        print("Nothing left to measure.", file=sys.stderr)
        return 1
    pinned = "server and client on a core each" if cores()[0] is not None else "NOT pinned: no two cores here"
    print(
        f"Echo of {options.size} bytes on {options.connections} connections, {pinned}; "
        f"{options.rounds} rounds of {options.seconds:g} s for each of {len(names)} peers.",
        flush=True,
    )
    try:
        rounds = compare(names, options)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    print(f"\n{table(rounds)}\n")
    for verdict in judge(rounds):
        print(verdict_line(verdict))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(rounds), indent=2, default=vars) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
