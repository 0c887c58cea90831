"""Debian's redis-benchmark: a client that nobody here wrote."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from ..model import BenchmarkError, Sample
from ..processes import HOST, SLACK, parser, report_sample, settle_in
from .sockets import Meter, used_by_children

__all__ = ["CONNECTIONS", "PROGRAM", "measure", "rates", "requests_per_second"]

PROGRAM = "redis-benchmark"
CONNECTIONS = 50
REHEARSAL = 3000
"""Requests of each kind with which to find out, warming up, how many are about right for a measurement."""


def rates(output: str) -> dict[str, float]:
    """Requests per second, by kind of request, from what it prints when told ``--csv``.

    :raises BenchmarkError: if it printed something else.
    """
    rows = [row for row in csv.reader(output.splitlines()) if row and row[0] != "test"]
    try:
        return {row[0].lower(): float(row[1]) for row in rows}
    except (IndexError, ValueError) as error:
        raise BenchmarkError(f"{PROGRAM} printed: {output.strip()}") from error


def requests_per_second(port: int, kinds: Sequence[str], pipeline: int, count: int, limit: float) -> float:
    """Have so many requests of each kind made, one kind after the other, and return how many a second.

    :param pipeline: how many each connection sends before it waits for the replies to them.
    :param limit: seconds that it may take.
    :raises BenchmarkError: if it fails: it ends at the first reply that is an error.
    """
    command = [PROGRAM, "-h", HOST, "-p", str(port), "-c", str(CONNECTIONS), "-n", str(count)]
    command += ["-P", str(pipeline), "-t", ",".join(kinds), "--csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    found = rates(done.stdout)
    if done.returncode or list(found) != list(kinds) or not all(found.values()):
        raise BenchmarkError(f"{PROGRAM} failed: {done.stdout}{done.stderr}".strip())
    return len(kinds) / sum(1 / rate for rate in found.values())


def measure(port: int, server: int, seconds: float, kinds: Sequence[str], pipeline: int) -> Sample:
    """Load a server for about so many seconds; the value is requests per second."""
    limit = seconds + SLACK / 2
    rehearsed = requests_per_second(port, kinds, pipeline, REHEARSAL, limit)
    count = max(REHEARSAL, round(rehearsed * seconds / len(kinds)))
    meter, used = Meter(server), used_by_children()
    rate = requests_per_second(port, kinds, pipeline, count, limit)
    work = count * len(kinds)
    sample = meter.sample(work)
    # Its own clock leaves out its start and its end; all else is what the two processes used.
    return replace(sample, value=rate, wall=work / rate, client_cpu=used_by_children() - used)


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.redis", f"Load a Redis server with {PROGRAM}.")
    command_line.add_argument("--pipeline", type=int, default=1)
    command_line.add_argument("--kinds", default="set,get", help="of requests, with commas between them")
    options = command_line.parse_args()
    settle_in(options.core)
    kinds = options.kinds.split(",")
    report_sample(measure(options.port, options.server, options.seconds, kinds, options.pipeline))


if __name__ == "__main__":
    main()
