"""Whatever is done on standard streams, in whatever order: what was written goes out, what comes in is told,
and all is left as it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Recorder
from tests.transport.streams import Streams, streams
from tests.transport.terminals import MANY, is_blocking, open_numbers, read_if_any
from tests.transport.unix_sockets import Halves
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.stdio import StandardIO


@dataclass(frozen=True)
class Input:
    """So much comes in, as far as there is room."""

    size: int


@dataclass(frozen=True)
class Write:
    size: int


@dataclass(frozen=True)
class Read:
    """The other side reads so much, as far as it is there."""

    size: int


@dataclass(frozen=True)
class Call:
    method: str


@dataclass(frozen=True)
class Turns:
    count: int


sizes = st.one_of(st.integers(1, 5), st.integers(1, 5_000), st.integers(1, 150_000))
steps = st.one_of(
    st.builds(Input, sizes),
    st.builds(Write, sizes),
    st.builds(Read, sizes),
    st.builds(Call, st.sampled_from(["pauseProducing", "resumeProducing"])),
    st.builds(Turns, st.integers(1, 3)),
)


class Far:
    """The other side, and how much has gone which way; both ways it is the beginning of the same bytes."""

    def __init__(self, ends: Streams) -> None:
        self.ends = ends
        self.sent = self.written = 0
        self.read = b""
        os.set_blocking(ends.sends, False)
        os.set_blocking(ends.reads, False)

    def do(self, step: Any, transport: Any) -> None:
        if isinstance(step, Input):
            try:
                self.sent += os.write(self.ends.sends, MANY[self.sent : self.sent + step.size])
            except BlockingIOError:
                event("input full")
        elif isinstance(step, Write):
            transport.write(MANY[self.written : self.written + step.size])
            self.written = min(self.written + step.size, len(MANY))
        elif isinstance(step, Read):
            self.read += read_if_any(self.ends.reads, step.size)
        else:
            getattr(transport, step.method)()

    async def rest(self) -> None:
        """Read what has been written and not read."""
        self.read += await self.ends.read(self.written - len(self.read))


@given(
    channel=st.sampled_from(["pipes", "socket", "terminal"]),
    build=st.sampled_from([Recorder, Halves]),
    before=st.lists(steps, max_size=15),
    last=st.sampled_from(["input", "loseConnection", "loseWriteConnection", "stop"]),
    after=st.lists(steps, max_size=5),
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_is_lost_and_all_is_left_as_it_was(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    channel: str,
    build: Any,
    before: list[Any],
    last: str,
    after: list[Any],
) -> None:
    if last == "input" and channel == "terminal":
        channel = "pipes"  # for a terminal that is another matter

    async def converse(ends: Streams) -> None:
        far, protocol = Far(ends), build()
        async with AsyncioReactor() as reactor:
            transport = StandardIO(protocol, ends.stdin, ends.stdout, reactor)
            for step in before:
                if isinstance(step, Turns):
                    await turns(step.count)
                else:
                    far.do(step, transport)
            if last == "input":
                ends.end()
            elif last != "stop":
                getattr(transport, last)()
            for step in after:
                if isinstance(step, Turns):
                    await turns(step.count)
                elif not isinstance(step, (Input, Write)):
                    far.do(step, transport)
            if last == "stop":
                reading = asyncio.ensure_future(far.rest())
            else:
                transport.resumeProducing()
                await far.rest()
                await settled(protocol, last, far)
        if last == "stop":
            await reading
        assert far.read == MANY[: far.written]
        assert protocol.received == MANY[: len(protocol.received)]
        assert protocol.made == len(protocol.reasons) == 1

    loop = loop_factory()
    try:
        with streams(channel) as ends:
            found = open_numbers()
            loop.run_until_complete(converse(ends))
            assert is_blocking(ends.stdin)
            assert is_blocking(ends.stdout)
            assert open_numbers() <= found
    finally:
        loop.close()


async def settled(protocol: Any, last: str, far: Far) -> None:
    """Wait until all has been told that has to be."""
    halves = isinstance(protocol, Halves)
    if last == "loseConnection":
        await until(lambda: protocol.reasons)
    elif last == "input":
        await until(lambda: protocol.reasons or (halves and protocol.halves))
        assert len(protocol.received) == far.sent
        if halves:
            assert protocol.halves == ["read"]
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
    else:
        if halves:
            await until(lambda: protocol.halves)
            assert protocol.halves == ["write"]
        await until(lambda: len(protocol.received) == far.sent)
        assert not protocol.reasons
        return  # until the reactor stops
    assert protocol.reasons[0].check(ConnectionDone)
