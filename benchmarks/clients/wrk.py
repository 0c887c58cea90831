"""Debian's wrk: an HTTP client that nobody here wrote."""

from __future__ import annotations

import math
import re
import subprocess
import time
from dataclasses import replace

from ..model import BenchmarkError, Sample
from ..processes import HOST, SLACK, parser, report_sample, settle_in
from ..servers import GREETING
from .sockets import WARM_UP, Meter, connections, used_by_children

__all__ = ["CONNECTIONS", "PROGRAM", "exchange", "measure", "told"]

PROGRAM = "wrk"
CONNECTIONS = 50
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SUCCESS = b"HTTP/1.1 200 "
_COUNT = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([\d.]+)\s*$", re.MULTILINE)
_TROUBLE = re.compile(r"^\s*(Socket errors: .*|Non-2xx or 3xx responses: .*)$", re.MULTILINE)


def told(output: str) -> tuple[int, float]:
    """How many requests were answered, and how many a second, from what it prints.

    :raises BenchmarkError: if it printed something else, or that some failed.
    """
    count, rate = _COUNT.search(output), _RATE.search(output)
    trouble = [found.strip() for found in _TROUBLE.findall(output)]
    if count is None or rate is None or trouble or not float(rate[1]):
        raise BenchmarkError(f"{PROGRAM} printed: {'; '.join(trouble) or output.strip()}")
    return int(count[1]), float(rate[1])


def exchange(port: int, seconds: float, body: bytes = GREETING) -> None:
    """Make requests on one connection for so long, one at least, and look at the answers.

    :raises ConnectionError: if one is not a 200 with that body.
    """
    end = time.perf_counter() + seconds
    with connections(port, 1) as (connection,):
        while True:
            connection.sendall(REQUEST)
            answer = b""
            while SUCCESS.startswith(answer[: len(SUCCESS)]) and not answer.endswith(body):
                more = connection.recv(65536)
                if not more:
                    break
                answer += more
            if not (answer.startswith(SUCCESS) and answer.endswith(b"\r\n\r\n" + body)):
                raise ConnectionError(f"The server answered something else: {answer!r}")
            if time.perf_counter() >= end:
                return


def measure(port: int, server: int, seconds: float) -> Sample:
    """Load a web server; the value is requests per second.

    :param seconds: how long; wrk counts whole seconds, so one at least.
    :raises BenchmarkError: if a request failed, or was answered with anything but success.
    """
    exchange(port, min(WARM_UP, seconds))
    whole = max(1, math.ceil(seconds))
    command = [PROGRAM, "--connections", str(CONNECTIONS), "--threads", "1", "--duration", f"{whole}s"]
    meter, used = Meter(server), used_by_children()
    done = subprocess.run(
        [*command, f"http://{HOST}:{port}/"],
        capture_output=True,
        text=True,
        timeout=whole + SLACK / 2,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{PROGRAM} failed: {done.stdout}{done.stderr}".strip())
    count, rate = told(done.stdout)
    sample = meter.sample(count)
    return replace(sample, value=rate, wall=count / rate, client_cpu=used_by_children() - used)


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.wrk", f"Load a web server with {PROGRAM}.")
    options = command_line.parse_args()
    settle_in(options.core)
    report_sample(measure(options.port, options.server, options.seconds))


if __name__ == "__main__":
    main()
