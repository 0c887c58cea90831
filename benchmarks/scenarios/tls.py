"""TLS: what the same servers do when all of it is encrypted, by whichever library they do it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ..model import Case, Goal, Measure, Peer, Sample, Scenario, Unit
from ..peers import OTHER_TLS, TWISTED_STYLE, TWISTED_WORDS
from ..processes import Server, client, serving
from ..servers.tls_contexts import make_certificate
from .bulk import bounded

__all__ = ["SCENARIO"]

TAKERS = (*TWISTED_STYLE, *OTHER_TLS, *TWISTED_WORDS, "protocol-asyncio", "protocol-uvloop")

TOLD = (
    Goal("ours-pyopenssl-uvloop", "twisted-epoll"),
    Goal("ours-twisted-uvloop", "twisted-epoll"),
    Goal("ours-uvloop", "protocol-uvloop"),
)
"""Ratios without a goal."""

BULK_GOALS = (
    Goal("ours-uvloop", "twisted-epoll", 1.6),
    Goal("ours-uvloop", "protocol-asyncio", 0.9),
    Goal("ours-asyncio", "protocol-asyncio", 0.9),
    *TOLD,
)


@contextmanager
def _serving(peer: Peer, workload: str, seconds: float) -> Iterator[Server]:
    """A peer's server, with a certificate that is made for it, while the block runs."""
    with TemporaryDirectory() as directory:
        certificate = Path(directory, "certificate.pem")
        make_certificate(certificate)
        with serving(peer, workload, seconds, "--certificate", str(certificate)) as server:
            yield server


def push(peer: Peer, seconds: float) -> Sample:
    """MiB per second that a fresh server sends, 512 of them; 16 where less than a second is asked for.

    :raises BenchmarkError: also if the server held far more at once than one that heeds back-pressure does.
    """
    mib = 512 if seconds >= 1 else 16
    with _serving(peer, "tls-push", seconds) as server:
        return bounded(peer, client("tls_bulk", server, seconds, "--mib", str(mib)))


def take(peer: Peer, seconds: float) -> Sample:
    """MiB per second that a fresh server takes, 512 of them; 16 where less than a second is asked for."""
    mib = 512 if seconds >= 1 else 16
    with _serving(peer, "tls-take", seconds) as server:
        return client("tls_bulk", server, seconds, "--mib", str(mib), "--give")


def handshakes(peer: Peer, seconds: float) -> Sample:
    """Visits per second of a fresh server, each with a handshake."""
    with _serving(peer, "tls-echo", seconds) as server:
        return client("tls_handshakes", server, seconds)


def echo(size: int, connections: int, peer: Peer, seconds: float) -> Sample:
    """Requests per second of a fresh server, with a fresh client."""
    with _serving(peer, "tls-echo", seconds) as server:
        load = ("--connections", str(connections), "--size", str(size))
        return client("tls_echo", server, seconds, *load)


def _case(
    name: str,
    title: str,
    unit: str,
    measure: Measure,
    goals: tuple[Goal, ...],
    lockstep: bool = False,
) -> Case:
    return Case(f"tls-{name}", title, Unit(unit), TAKERS, measure, goals, lockstep=lockstep)


def _least(ratio: float) -> tuple[Goal, ...]:
    return (Goal("ours-uvloop", "twisted-epoll", ratio), Goal("ours-asyncio", "protocol-asyncio"), *TOLD)


SCENARIO = Scenario(
    "tls",
    "TLS",
    "Certificates are ECDSA P-256; all speak TLS 1.3 with X25519 and TLS_AES_256_GCM_SHA384, the client "
    "verifies nothing and resumes no session. The peers have two libraries, and much of these figures is "
    "theirs: asyncio and ours use the standard library's ssl, Twisted pyOpenSSL, with an OpenSSL of its own; "
    "ours-pyopenssl is ours with Twisted's library. To be no limit the client does less than any real one: "
    "while the server sends very much it only adds up what the records' headers say; what it sends itself it "
    "has encrypted before; and for handshakes it has the same key each time. Each of those is a visit: "
    "connect, handshake, request and answer of 64 bytes, an orderly end; 20 are under way.",
    (
        _case("bulk-push", "512 MiB from a producer that pauses, over TLS", "MiB/s", push, BULK_GOALS),
        _case("bulk-take", "512 MiB to a server that throws them away, over TLS", "MiB/s", take, BULK_GOALS),
        _case(
            "handshakes", "connections with a full TLS handshake", "connections/s", handshakes, _least(1.0)
        ),
        _case(
            "echo-1024-50",
            "echo of 1 KiB on 50 connections, over TLS",
            "requests/s",
            partial(echo, 1024, 50),
            _least(1.5),
        ),
        _case(
            "echo-64-1",
            "echo of 64 B on 1 connection, over TLS",
            "requests/s",
            partial(echo, 64, 1),
            _least(1.5),
            lockstep=True,
        ),
    ),
    libraries=("OpenSSL",),
)
