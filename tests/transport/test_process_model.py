"""Whatever is done to a child and by it, in any order, inside callbacks and outside: its protocol hears of a
whole life, and of each stream from the beginning, with no gap.

The child is a shell that does what it is told by a pipe of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support import within
from tests.transport.children import UNKNOWN, Recorder, attached, shell
from tests.transport.peers import errors, turns
from twisted_compat.error import ProcessExitedAlready

PIPES = {0: "w", 1: "r", 2: "r", 3: "w", 4: "r"}
OBEY = 'while read -r command <&3; do eval "$command"; done'
COUNT = b"".join(b"%d\n" % number for number in range(1, 20_001))
COPY = "{ exec 5<&0; cat <&5 >&4; } &"  # a child of the child's has every pipe until standard input ends

tells = st.sampled_from(
    [
        "echo out",
        "echo err >&2",
        "seq 20000",
        "exec <&-",
        "exec >&-",
        "exec 2>&-",
        "exec 4>&-",
        "exec 3<&-",
        COPY,
        "cat <&0 >&4",
        "sleep 0.002 &",
        "exit 0",
        "exit 3",
        "kill -TERM $$",
        "kill -STOP $$",
    ]
)
steps = st.one_of(
    st.tuples(st.just("tell"), tells),
    st.tuples(st.just("write"), st.integers(1, 4) | st.just(300_000)),
    st.tuples(st.just("close"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["lose", "pause", "resume", "raise"])),
    st.tuples(st.just("signal"), st.sampled_from(["CONT", "STOP", "HUP", "KILL", signal.SIGTERM])),
    st.tuples(st.just("turn"), st.sampled_from([1, 3, 10])),
    st.tuples(st.just("sleep"), st.sampled_from([0.001, 0.003])),
)
MOMENTS = ("on_made", "on_data", "on_closed", "on_exited", "on_ended")


class Puppet(Recorder):
    """Does, in each callback, the next of the steps that it was given for that."""

    def __init__(self, inside: dict[str, list[Any]]) -> None:
        super().__init__(*(self._doing(inside.get(moment, [])) for moment in MOMENTS))
        self.written = b""
        self.copies = False
        self.raised = 0

    def _doing(self, todo: list[Any]) -> Callable[..., None]:
        remaining = list(todo)

        def act(*_: Any) -> None:
            if remaining:
                self.do(*remaining.pop(0))

        return act

    def do(self, what: str, value: Any = None) -> None:
        transport = self.transport
        if what == "tell" and not (self.copies and "cat" in value):  # one is enough for what is copied
            self.copies = self.copies or "cat" in value
            transport.writeToChild(3, f"{value}\n".encode())
        elif what == "write":
            data = bytes((len(self.written) + each) % 251 for each in range(value))
            self.written += data
            transport.write(data)
        elif what == "close":
            transport.closeChildFD(value)
        elif what == "lose":
            transport.loseConnection()
        elif what == "pause":
            transport.pauseProducing()
        elif what == "resume":
            transport.resumeProducing()
        elif what == "signal":
            with contextlib.suppress(ProcessExitedAlready):
                transport.signalProcess(value)
        elif what == "raise" and asyncio.current_task() is None:  # not where a test would have to catch it
            self.raised += 1
            raise ZeroDivisionError

    def has_no_gap(self) -> bool:
        """Whether what came is what the child has to have written, up to some point."""
        copied, rest = self.output(4), self.output(1)
        assert self.written.startswith(copied)
        while rest:
            said = b"out\n" if rest[:1] == b"o" else COUNT
            assert rest.startswith(said) or said.startswith(rest)
            rest = rest[len(said) :]
        return True


@given(
    inside=st.dictionaries(st.sampled_from(MOMENTS), st.lists(steps, min_size=1, max_size=3), max_size=3),
    outside=st.lists(steps, max_size=20),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_a_child_has_a_whole_life(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    caplog: pytest.LogCaptureFixture,
    inside: dict[str, list[Any]],
    outside: list[Any],
) -> None:
    async def main() -> None:
        puppet = Puppet(inside)
        async with attached() as reactor:
            shell(reactor, OBEY, protocol=puppet, childFDs=PIPES)
            for what, *value in outside:
                if what == "turn":
                    await turns(*value)
                elif what == "sleep":
                    await asyncio.sleep(*value)
                else:
                    puppet.do(what, *value)
            event("ended on its own" if puppet.has("ended") else "was ended")
            while not puppet.has("ended"):
                puppet.do("close", 0)
                puppet.do("close", 3)
                puppet.do("resume")
                puppet.do("signal", "CONT")
                await asyncio.sleep(0.001)
            assert puppet.had_a_whole_life(*PIPES) and puppet.has_no_gap()
            assert puppet.events[-1][1] != UNKNOWN
            assert len(errors(caplog)) == puppet.raised

    caplog.clear()
    with caplog.at_level(logging.WARNING):
        loop = loop_factory()
        try:
            loop.run_until_complete(within(main()))
        finally:
            loop.close()
