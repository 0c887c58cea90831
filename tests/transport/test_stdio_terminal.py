"""A protocol on standard input and output that are a terminal; and programs in processes of their own, whose
terminal has to be usable during and after."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support import DEADLINE, until
from tests.transport.peers import turns
from tests.transport.recorders import Echo, Recorder
from tests.transport.terminals import (
    MANY,
    Terminal,
    ended,
    identity,
    is_blocking,
    open_numbers,
    place_of,
    put,
    read_if_any,
    read_until,
    run_in,
    settings,
    take,
    terminal,
)
from tests.transport.unix_sockets import Halves, linux_only, nobody
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.stdio import StandardIO

pytestmark = pytest.mark.without_debug


@asynccontextmanager
async def standing_in(place: Terminal, build: Any = Recorder) -> AsyncIterator[Any]:
    """A protocol on a terminal, which has to be afterwards what it was."""
    file, before, found = identity(place.slave), settings(place.slave), open_numbers()
    async with AsyncioReactor() as reactor:
        protocol = build()
        StandardIO(protocol, place.slave, place.slave, reactor)
        yield protocol
    assert open_numbers() <= found
    assert identity(place.slave) == file
    assert is_blocking(place.slave)
    if os.isatty(place.slave):  # not so once it has been hung up
        assert settings(place.slave) == before


async def test_lines_are_edited_and_echoed_and_end_at_control_d() -> None:
    with terminal(raw=False) as place:
        async with standing_in(place) as protocol:
            await put(place.master, b"helo\x7flo\n")
            await until(lambda: protocol.received == b"hello\n")
            protocol.transport.write(b"yes?\n")
            assert await take(place.master, 17) == b"helo\b \blo\r\nyes?\r\n"
            await put(place.master, b"\x04")
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)


async def test_a_line_that_is_not_finished_is_not_received() -> None:
    with terminal(raw=False) as place:
        async with standing_in(place) as protocol:
            await put(place.master, b"unfinished")
            assert await take(place.master, 10) == b"unfinished"
            await turns()
            assert protocol.received == b""
            await put(place.master, b"\x04")
            await until(lambda: protocol.received == b"unfinished")
            await turns()
            assert not protocol.reasons


async def test_after_control_d_who_is_told_of_halves_goes_on_printing() -> None:
    with terminal(raw=False) as place:
        async with standing_in(place, Halves) as protocol:
            await put(place.master, b"\x04")
            await until(lambda: protocol.halves == ["read"])
            protocol.transport.write(b"bye")
            assert await take(place.master, 3) == b"bye"
            assert not protocol.reasons


async def test_output_that_is_stopped_waits_and_loses_nothing() -> None:
    with terminal() as place:
        async with standing_in(place) as protocol:
            os.set_blocking(place.master, False)
            termios.tcflow(place.slave, termios.TCOOFF)  # what ^S does
            protocol.transport.write(MANY)
            protocol.transport.loseConnection()
            await turns(30)
            assert not protocol.reasons
            assert read_if_any(place.master) == b""
            termios.tcflow(place.slave, termios.TCOON)
            assert await take(place.master, len(MANY)) == MANY
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)


@pytest.mark.parametrize("build", [Recorder, Halves])
async def test_a_terminal_that_is_hung_up_is_connection_lost(build: Any) -> None:
    with terminal() as place:
        async with standing_in(place, build) as protocol:
            place.close(place.master)
            await turns()
            if build is Halves:
                await until(lambda: protocol.halves or protocol.reasons)
                protocol.transport.write(b"nobody reads it")
                protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionLost, ConnectionDone)
            await turns()
            assert len(protocol.reasons) == 1


async def test_the_masters_side_is_not_mistaken_for_the_terminal() -> None:
    """It is a terminal for isatty(3), but to open it anew is to make another one."""
    with terminal() as place:
        before = open_numbers()
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            StandardIO(protocol, place.master, place.master, reactor)
            _, back = await asyncio.gather(put(place.slave, MANY), take(place.slave, len(MANY)))
            assert back == MANY
            place.close(place.slave)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionLost, ConnectionDone)
        assert is_blocking(place.master)
        assert open_numbers() <= before


async def test_a_terminal_that_is_another_users_serves_as_it_is() -> None:
    """As after su(1): it is open, but may not be opened."""
    with terminal() as place:
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            with nobody():
                StandardIO(protocol, place.slave, place.slave, reactor)
            _, back = await asyncio.gather(put(place.master, MANY), take(place.master, len(MANY)))
            assert back == MANY
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            assert is_blocking(place.slave)


# -- programs


PROGRAM = """
import sys
from twisted_compat import AsyncioReactor, protocol, stdio

class Shout(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(b"ready\\n")
    def dataReceived(self, data):
        self.transport.write(data.upper())
    def connectionLost(self, reason):
        print(reason.type.__name__, file=sys.stderr, flush=True)
        reactor.stop()

reactor = AsyncioReactor()
stdio.StandardIO(Shout(), reactor=reactor)
reactor.run()
sys.stdout.write("x" * 200_000 + "\\n")  # more than a pipe or a terminal takes at once: it has to wait
"""


def test_a_filter_between_two_pipes_loses_nothing_and_prints_more_afterwards() -> None:
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=b"quiet\n" * 100_000, capture_output=True, timeout=DEADLINE
    )
    assert program.stderr == b"ConnectionDone\n"
    assert program.stdout == b"ready\n" + b"QUIET\n" * 100_000 + b"x" * 200_000 + b"\n"
    assert program.returncode == 0


@linux_only
def test_a_programs_terminal_makes_others_wait_during_and_after() -> None:
    with terminal() as place, run_in(place, sys.executable, "-c", PROGRAM) as program:
        assert read_until(place.master, b"ready\n") == b"ready\n"
        assert is_blocking(place.slave)
        assert place_of(program.pid).terminal == 0  # not taken as the controlling one
        os.write(place.master, b"quiet\n")
        read_until(place.master, b"QUIET\n")
        termios.tcsetattr(place.slave, termios.TCSANOW, in_lines(place))
        os.write(place.master, b"\x04")
        read_until(place.master, b"x" * 200_000 + b"\r\n")
        assert ended(program) == 0
        assert is_blocking(place.slave)


def test_a_program_that_is_killed_leaves_its_terminal_as_it_was() -> None:
    with terminal() as place, run_in(place, sys.executable, "-c", PROGRAM) as program:
        read_until(place.master, b"ready\n")
        program.send_signal(signal.SIGKILL)
        assert ended(program) == -signal.SIGKILL
        assert is_blocking(place.slave)


def in_lines(place: Terminal) -> list[Any]:
    """The settings with which ^D is the end of input, and nothing is echoed."""
    found = settings(place.slave)
    found[1] |= termios.OPOST | termios.ONLCR
    found[3] |= termios.ICANON
    return found
