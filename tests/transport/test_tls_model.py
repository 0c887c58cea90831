"""Whatever two protocols do over TLS, what was written before an orderly end arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.certificates import LIBRARIES
from tests.support import until
from tests.transport.peers import turns
from tests.transport.tls_pairs import Ear, HalfEar, facing, lost, numbered, pair
from twisted_compat.error import ConnectionDone

pytestmark = pytest.mark.without_debug


@dataclass(frozen=True)
class Write:
    client: bool
    size: int


@dataclass(frozen=True)
class Call:
    """One end calls a method of its transport's."""

    client: bool
    method: str


@dataclass(frozen=True)
class Turns:
    count: int


sizes = st.one_of(st.integers(1, 5), st.integers(1, 20_000), st.integers(1, 300_000))
steps = st.one_of(
    st.builds(Write, st.booleans(), sizes),
    st.builds(Call, st.booleans(), st.sampled_from(["pauseProducing", "resumeProducing"])),
    st.builds(Turns, st.integers(1, 5)),
)


@given(
    before=st.lists(steps, max_size=6),
    after=st.lists(steps, max_size=15),
    libraries=st.tuples(*[st.sampled_from(LIBRARIES)] * 2),
    half_closes=st.sampled_from([True, False]),
    client_ends=st.booleans(),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_written_before_closing_arrives(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    certificates: Any,
    before: list[Any],
    after: list[Any],
    libraries: tuple[str, str],
    half_closes: bool,
    client_ends: bool,
) -> None:
    """Whatever happens in between; exactly, in order. One end closes first: it may not hear the other out
    unless it only ends its half; the other end closes when it has been told."""

    def do(step: Any, ends: tuple[Any, Any], written: list[int]) -> None:
        end = ends[step.client]
        if isinstance(step, Write):
            end.transport.write(numbered(step.size, written[step.client]))
            written[step.client] += step.size
        else:
            getattr(end.transport, step.method)()

    async def converse() -> None:
        server, client = HalfEar(), HalfEar()
        written = [0, 0]
        contexts = {
            "server_context": certificates.server_context(libraries[0]),
            "client_context": certificates.client_context(libraries[1]),
        }
        async with pair(certificates, server, client, opened=False, **contexts) as both:
            await until(lambda: server.events and client.events)
            for step in before + after:
                if isinstance(step, Turns):
                    await turns(step.count)
                else:
                    do(step, both.ends, written)
            first, second = both.ends if not client_ends else both.ends[::-1]
            if not half_closes and not written[first is client]:
                await both.opened()  # with nothing to say, closing wouldn't wait for the handshake
            event(f"half-closes: {half_closes}, opened: {first.opened}")
            if half_closes:
                first.transport.loseWriteConnection()
            else:
                first.transport.loseConnection()
            for end in both.ends:
                end.transport.resumeProducing()
            await until(lambda: "read_lost" in second.events or second.lost)
            if half_closes:
                second.transport.loseConnection()
                assert second.received == numbered(written[first is client])
                await until(lambda: "read_lost" in first.events or first.lost)
                assert first.received == numbered(written[second is client])
                first.transport.loseConnection()
            else:
                second.transport.loseConnection()
            await both.over()
            assert second.received == numbered(written[first is client])
            assert numbered(written[second is client]).startswith(first.received)
            assert first.reason.check(ConnectionDone) and second.reason.check(ConnectionDone)

    loop = loop_factory()
    try:
        loop.run_until_complete(converse())
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


# What a protocol does whenever it is given something: now, and on the next turn.
HABITS: dict[str, tuple[str, str]] = {
    "reads": ("", ""),
    "blinks": ("pause resume", ""),
    "rests": ("pause", "resume"),
    "rests twice": ("pause pause", "resume resume"),
    "hesitates": ("pause", "resume pause resume"),
    "resumes": ("resume", "resume"),
}


@given(
    messages=st.lists(st.one_of(st.integers(1, 50), st.integers(1, 60_000)), min_size=1, max_size=6),
    cuts=st.lists(st.one_of(st.integers(1, 40), st.integers(1, 20_000)), min_size=1, max_size=6),
    buffer_size=st.sampled_from([50, 1_000, 65_536]),
    habits=st.lists(st.sampled_from(list(HABITS)), min_size=1, max_size=5),
    library=st.sampled_from(LIBRARIES),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_however_it_comes_and_is_taken_it_is_in_order(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    certificates: Any,
    messages: list[int],
    cuts: list[int],
    buffer_size: int,
    habits: list[str],
    library: str,
) -> None:
    """TLS in pieces of any size, each given to a protocol that pauses and resumes as it likes."""
    context = certificates.server_context(library)
    total = sum(messages)
    cut = max(cuts[0], total // 150)  # not too many pieces

    def begin(ear: Ear) -> None:
        ear.transport.bufferSize = max(buffer_size, total // 150)
        ear.transport.startTLS(context)
        act(ear)

    def act(ear: Ear) -> None:
        nonlocal count
        now, then = HABITS[habits[count % len(habits)]]
        count += 1
        do(ear, now)
        ear.transport.reactor.callLater(0, do, ear, then)

    def do(ear: Ear, what: str) -> None:
        for word in what.split():
            getattr(ear.transport, f"{word}Producing")()

    async def converse() -> None:
        ear = Ear(made=begin, handshake=act, data=act)
        async with facing(certificates, ear, plain=True) as both:
            send = both.other.send

            async def in_pieces(data: bytes) -> None:
                for place in range(0, len(data), cut):
                    await send(data[place : place + cut])
                    await turns(cuts[place % len(cuts)] % 3)

            wire, start = b"", 0

            async def hold(data: bytes) -> None:
                nonlocal wire
                wire += data

            async def opening(data: bytes) -> None:
                both.other.send = hold  # what ends the handshake comes with the first data
                await in_pieces(data)

            both.other.send = opening
            await both.other.handshake()
            for size in messages:
                wire += both.other.encrypted(numbered(size, start))
                start += size
            await in_pieces(wire + both.other.farewell())
            await lost(ear, ConnectionDone)
            assert ear.received == numbered(total)

    count = 0
    loop = loop_factory()
    try:
        loop.run_until_complete(converse())
    finally:
        loop.close()
