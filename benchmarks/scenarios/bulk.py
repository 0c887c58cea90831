"""Producers: very much to send, no more memory than the transport allows, and a client that is no limit."""

from __future__ import annotations

from functools import partial

from ..clients.bulk import MIB
from ..model import BenchmarkError, Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS, TWISTED_WORDS
from ..processes import client, serving

__all__ = ["SCENARIO"]

MOST_MEMORY = 64 * MIB
"""By how much a server's memory may grow while it sends."""

GOALS = (
    Goal("ours-uvloop", "protocol-uvloop", 1.0),
    Goal("ours-asyncio", "protocol-asyncio", 1.0),
)


def measure(workload: str, peer: Peer, seconds: float) -> Sample:
    """MiB per second that a fresh server sends. It sends 1 GiB, however long that takes; far less where less
    than a second is asked for.

    :raises BenchmarkError: also if the server held far more at once than one that heeds back-pressure does.
    """
    mib = 1024 if seconds >= 1 else 16
    with serving(peer, workload, seconds) as server:
        return bounded(peer, client("bulk", server, seconds, "--mib", str(mib)))


def bounded(peer: Peer, sample: Sample) -> Sample:
    """The sample.

    :raises BenchmarkError: if the server's memory grew by more than it may.
    """
    if sample.memory is not None and sample.memory > MOST_MEMORY:
        raise BenchmarkError(
            f"{peer.name} took {sample.memory // MIB} MiB to send: it did not wait for the client. "
            f"At most {MOST_MEMORY // MIB} MiB are allowed."
        )
    return sample


def _case(workload: str, title: str) -> Case:
    return Case(
        name=f"bulk-{workload}",
        title=title,
        unit=Unit("MiB/s"),
        peers=(*SERVERS, *(TWISTED_WORDS if workload == "push" else ())),
        measure=partial(measure, workload),
        goals=GOALS,
    )


SCENARIO = Scenario(
    "bulk",
    "Bulk data from a producer",
    "The server sends 1 GiB in pieces of 64 KiB to a client that throws them away. push: an IPushProducer "
    "that writes until it is told to pause; asyncio.Protocol with pause_writing and resume_writing, streams "
    "with drain(). pull: an IPullProducer that writes a piece whenever it is asked; asyncio has no such "
    "thing, so its peers do as before. Beside it a client asks for 256 MiB and takes nothing: a server "
    "whose memory grows by more than 64 MiB meanwhile fails.",
    (
        _case("push", "1 GiB from a producer that pauses"),
        _case("pull", "1 GiB from a producer that is asked for each piece"),
    ),
)
