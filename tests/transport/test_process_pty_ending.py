"""How children in terminals end: by themselves, hung up, left behind; and who else has the terminal then."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import until
from tests.transport.children import (
    DONE,
    UNKNOWN,
    Recorder,
    attached,
    both_kinds,
    exited_with,
    killed_by,
    spawn,
)
from tests.transport.peers import turns
from tests.transport.recorders import errors_logged
from tests.transport.terminals import (
    WAITING,
    in_terminal,
    is_gone,
    needed,
    open_numbers,
    place_of,
    printed,
    raw,
)
from tests.transport.unix_sockets import linux_only, make_reactor

pytestmark = pytest.mark.without_debug

MUCH = b"x" * 1_000_000  # more than a terminal holds
FOR_EVER = f"while :; do {WAITING} || sleep 1000; done"  # without a terminal as well


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe, at which a script may wait."""
    path = tmp_path / "go"
    os.mkfifo(path)
    return path


# -- being hung up


@both_kinds
async def test_losing_the_connection_hangs_up(kind: str) -> None:
    async with attached(kind) as reactor:
        protocol = spawn(reactor, "sleep", "1000", usePTY=True)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        assert await protocol.ended() == killed_by(signal.SIGHUP)
        assert protocol.had_a_whole_life(terminal=True)


async def test_a_child_may_say_otherwise_when_it_is_hung_up(tmp_path: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(
            reactor, f'trap "echo hung >$1; exit 3" HUP; echo armed; {FOR_EVER}', str(tmp_path / "said")
        )
        await printed(protocol, b"armed")
        protocol.transport.loseConnection()
        assert await protocol.ended() == exited_with(3)
        assert (tmp_path / "said").read_bytes() == b"hung\n"


async def test_what_ignores_being_hung_up_lives_on_and_can_be_signalled() -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, "trap '' HUP; echo armed; exec sleep 1000")
        await printed(protocol, b"armed")
        protocol.transport.loseConnection()
        await until(lambda: protocol.transport.fileno() == -1)
        await turns()
        assert not protocol.reasons
        assert protocol.transport.window_size == (0, 0)
        protocol.transport.set_window_size(1, 2)
        protocol.transport.write(b"dropped")
        protocol.transport.signalProcess("TERM")
        assert await protocol.ended() == killed_by(signal.SIGTERM)
        assert protocol.had_a_whole_life(terminal=True)


async def test_what_was_written_is_sent_before_the_terminal_is_hung_up(tmp_path: Path, pipe: Path) -> None:
    """What the child hasn't read by then is lost, as the system has it: no more than a terminal holds."""
    async with attached() as reactor:
        protocol = in_terminal(
            reactor,
            'trap "" HUP; read -r line <"$1"; exec cat >"$2"',
            str(pipe),
            str(tmp_path / "read"),
            usePTY=raw(),
        )
        protocol.transport.write(b"x" * 1_000_000)
        protocol.transport.loseConnection()
        await turns(50)
        assert protocol.transport.fileno() >= 0
        await _tell(pipe)
        await protocol.ended()
        assert (tmp_path / "read").stat().st_size > 800_000


async def test_hanging_up_takes_what_the_child_prints_meanwhile_and_drops_it() -> None:
    """A child that waits for its output to be read reads nothing itself."""
    async with attached() as reactor:
        protocol = spawn(reactor, needed("cat"), usePTY=raw())
        protocol.transport.write(MUCH)
        await printed(protocol, b"x")
        size = len(protocol.output())
        protocol.transport.loseConnection()
        assert await protocol.ended() == killed_by(signal.SIGHUP)
        assert len(protocol.output()) == size


def _writer(path: Path) -> int:
    """A named pipe's, once it has a reader; else 0."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return 0


async def test_losing_the_connection_while_paused_ends_it() -> None:
    def pause(recorder: Any) -> None:
        recorder.transport.pauseProducing()

    async with attached() as reactor:
        protocol = in_terminal(reactor, "seq 1000; exec sleep 1000", protocol=Recorder(on_made=pause))
        await turns()
        protocol.transport.loseConnection()
        assert await protocol.ended() == killed_by(signal.SIGHUP)


async def test_losing_the_connection_from_each_of_its_protocols_methods() -> None:
    def lose(recorder: Any, *_: Any) -> None:
        recorder.transport.loseConnection()

    async with attached() as reactor:
        made = in_terminal(reactor, "exec sleep 1000", protocol=Recorder(on_made=lose))
        data = in_terminal(reactor, "echo x; exec sleep 1000", protocol=Recorder(on_data=lose))
        late = in_terminal(reactor, "exit 4", protocol=Recorder(on_exited=lose, on_ended=lose))
        assert await made.ended() == killed_by(signal.SIGHUP)
        assert await data.ended() == killed_by(signal.SIGHUP)
        assert await late.ended() == exited_with(4)
        for protocol in (made, data, late):
            assert protocol.had_a_whole_life(terminal=True)


# -- leaving the terminal


LEAVE = 'tty; read -r line <"$1"; exec <"$1" >/dev/null 2>&1; '
"""Say which terminal it is and close it, as what goes on in the background does. Input is a pipe then."""


@contextlib.asynccontextmanager
async def left(protocol: Any, pipe: Path) -> AsyncIterator[bytes]:
    """Have a script that begins with :data:`LEAVE` do that; in the block it has, and at the block's end it is
    told to go on.

    :returns: what it had printed.
    """
    said = await printed(protocol, b"\n")
    listing = f"/proc/{protocol.transport.pid}/fd"

    def open_there() -> list[str]:
        try:
            return [os.readlink(f"{listing}/{name}") for name in os.listdir(listing)]
        except FileNotFoundError:  # closed meanwhile
            return open_there()

    writer = await until(lambda: _writer(pipe))
    try:
        os.write(writer, b"\n")
        await until(lambda: said.strip().decode() not in open_there())
        yield said
        with contextlib.suppress(BrokenPipeError):
            os.write(writer, b"\n")
    finally:
        os.close(writer)


@linux_only
async def test_a_child_that_leaves_its_terminal_is_not_hung_up(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + f"{WAITING}; exit 5", str(pipe))
        async with left(protocol, pipe):
            await turns(20)
            assert not protocol.reasons
        assert await protocol.ended() == exited_with(5)
        assert protocol.had_a_whole_life(terminal=True)


@linux_only
async def test_what_a_child_prints_that_comes_back_to_its_terminal_is_not_lost(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + f"{WAITING}; seq 10000 >/dev/tty; exit 5", str(pipe))
        async with left(protocol, pipe) as said:
            await turns(20)
        assert await protocol.ended() == exited_with(5)
        assert protocol.output() == said + b"".join(b"%d\r\n" % n for n in range(1, 10_001))


@linux_only
async def test_pausing_holds_for_a_child_that_comes_back_to_its_terminal(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + f"{WAITING}; echo back >/dev/tty", str(pipe))
        async with left(protocol, pipe) as said:
            await turns(20)
            protocol.transport.pauseProducing()
            await until(lambda: not reactor.getDelayedCalls())  # it has looked again
        assert await protocol.exited() == DONE
        await turns(20)
        assert protocol.output() == said
        protocol.transport.resumeProducing()
        assert await protocol.ended() == DONE
        assert protocol.output() == said + b"back\r\n"


@linux_only
async def test_a_child_that_comes_back_to_its_terminal_gets_what_was_typed_meanwhile(pipe: Path) -> None:
    async with attached() as reactor:
        script = LEAVE + f'{WAITING}; exec </dev/tty; head -c "$2" | wc -c >/dev/tty'
        protocol = in_terminal(reactor, script, str(pipe), str(len(MUCH)), usePTY=raw())
        async with left(protocol, pipe) as said:
            protocol.transport.write(MUCH)
            await turns(20)
        assert await protocol.ended() == DONE
        assert int(protocol.output()[len(said) :]) == len(MUCH)


@linux_only
async def test_a_child_that_has_left_its_terminal_costs_nothing(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + WAITING, str(pipe))
        async with left(protocol, pipe):
            await not_asked_for_ever(protocol.transport, "doRead")
        assert await protocol.ended() == DONE


@linux_only
async def test_a_child_that_has_left_its_terminal_can_still_be_hung_up(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + WAITING, str(pipe))
        async with left(protocol, pipe):
            protocol.transport.write(b"what nobody reads")
            protocol.transport.loseConnection()
            assert await protocol.ended() == killed_by(signal.SIGHUP)
            assert not reactor.getDelayedCalls()


async def _tell(pipe: Path) -> None:
    """Have what waits at a named pipe go on."""
    writer = await until(lambda: _writer(pipe))
    os.write(writer, b"\n")
    os.close(writer)


# -- what a child doesn't take


async def not_asked_for_ever(transport: Any, method: str = "doWrite") -> None:
    """Check that the loop doesn't call a method again and again for nothing."""
    called = []
    real = getattr(transport, method)

    def counted() -> Any:
        called.append(1)
        return real()

    setattr(transport, method, counted)
    await turns(300)
    assert len(called) < 30
    delattr(transport, method)


async def test_what_was_not_taken_by_a_child_that_exits_is_dropped() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "sleep", "1000", usePTY=raw())
        protocol.transport.write(MUCH)
        await turns()
        protocol.transport.signalProcess("KILL")
        assert await protocol.ended() == killed_by(signal.SIGKILL)


async def test_what_was_not_taken_does_not_keep_the_end_from_who_wants_it() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "sleep", "1000", usePTY=raw())
        protocol.transport.write(MUCH)
        protocol.transport.loseConnection()
        await turns()
        protocol.transport.signalProcess("KILL")
        assert await protocol.ended() == killed_by(signal.SIGKILL)
        assert protocol.had_a_whole_life(terminal=True)


@pytest.mark.parametrize("then", ["resumeProducing", "loseConnection"])
async def test_what_was_not_taken_costs_nothing_while_paused(then: str) -> None:
    def pause(recorder: Any) -> None:
        recorder.transport.pauseProducing()
        recorder.transport.write(MUCH)

    async with attached() as reactor:
        recorder = Recorder(on_made=pause)
        protocol = in_terminal(reactor, "echo ready; kill -KILL $$", protocol=recorder, usePTY=raw())
        assert await protocol.exited() == killed_by(signal.SIGKILL)
        await not_asked_for_ever(protocol.transport)
        assert not protocol.has("ended")
        getattr(protocol.transport, then)()
        assert await protocol.ended() == killed_by(signal.SIGKILL)
        if then == "resumeProducing":
            assert protocol.output() == b"ready\n"


@linux_only
async def test_what_is_not_taken_by_a_child_that_has_left_its_terminal_costs_nothing(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + WAITING, str(pipe), usePTY=raw())
        async with left(protocol, pipe):
            protocol.transport.write(MUCH)
            await turns()
            await not_asked_for_ever(protocol.transport)
        assert await protocol.ended() == DONE


# -- others in the terminal


async def test_who_stays_in_the_terminal_of_a_shell_that_exits_keeps_it(pipe: Path) -> None:
    async with attached() as reactor:
        script = "trap '' HUP; (read -r line <\"$1\"; seq 10000) & echo ready; exit 6"
        protocol = in_terminal(reactor, script, str(pipe))
        assert await protocol.exited() == exited_with(6)
        await turns(20)
        assert not protocol.has("ended")
        await _tell(pipe)
        assert await protocol.ended() == exited_with(6)
        assert protocol.output() == b"ready\r\n" + b"".join(b"%d\r\n" % n for n in range(1, 10_001))
        assert protocol.had_a_whole_life(terminal=True)


async def test_who_stays_in_the_terminal_is_left_when_we_hang_up(pipe: Path) -> None:
    async with attached() as reactor:
        script = "trap '' HUP; (read -r line <\"$1\"; echo late) & echo $!; exit 6"
        protocol = in_terminal(reactor, script, str(pipe))
        assert await protocol.exited() == exited_with(6)
        await printed(protocol, b"\r\n")
        left_there = int(protocol.output())
        protocol.transport.loseConnection()
        assert await protocol.ended() == exited_with(6)
        assert protocol.had_a_whole_life(terminal=True)
        assert not is_gone(left_there)
        os.kill(left_there, signal.SIGKILL)


async def test_a_terminal_whose_slave_somebody_else_opens_is_over_when_we_hang_up() -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, f"tty; {WAITING}; exit 7")
        name = (await printed(protocol, b"\r\n")).split(b"\r\n")[0].decode()
        before = open_numbers()
        other = os.open(name, os.O_RDWR | os.O_NOCTTY)
        try:
            protocol.transport.write(b"\n")
            assert await protocol.exited() == exited_with(7)
            protocol.transport.loseConnection()
            assert await protocol.ended() == exited_with(7)
            assert protocol.output() == name.encode() + b"\r\n\r\n"
        finally:
            os.close(other)
        assert open_numbers() < before


# -- the reactor's stop


@both_kinds
async def test_the_reactors_stop_hangs_up(kind: str) -> None:
    async with attached(kind) as reactor:
        protocol = spawn(reactor, needed("cat"), usePTY=True)
        protocol.transport.write(b"x\n")
        await printed(protocol, b"x\r\nx\r\n")
    assert protocol.has("ended", killed_by(signal.SIGHUP))
    assert protocol.had_a_whole_life(terminal=True)


@linux_only
@pytest.mark.parametrize("unsent", [b"", MUCH], ids=["nothing unsent", "much unsent"])
async def test_the_reactors_stop_hangs_up_a_child_that_has_left_its_terminal(
    pipe: Path, unsent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with make_reactor("native") as reactor:
            protocol = in_terminal(reactor, LEAVE + WAITING, str(pipe), usePTY=raw())
            await stack.enter_async_context(left(protocol, pipe))
            protocol.transport.write(unsent)
            await turns(20)
        assert protocol.has("ended", killed_by(signal.SIGHUP))
        assert protocol.had_a_whole_life(terminal=True)
    assert errors_logged(caplog) == []


@linux_only
async def test_hanging_up_does_not_wait_for_who_has_left_the_terminal(pipe: Path) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, LEAVE + WAITING, str(pipe), usePTY=raw())
        async with left(protocol, pipe):
            protocol.transport.write(MUCH)
            await turns(20)
            protocol.transport.loseConnection()
            assert await protocol.ended() == killed_by(signal.SIGHUP)


@linux_only
async def test_the_reactors_stop_leaves_alone_what_ignores_being_hung_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = open_numbers()
    async with make_reactor("native") as reactor:
        protocol = in_terminal(reactor, "trap '' HUP; echo armed; exec sleep 1000")
        await printed(protocol, b"armed")
        pid = protocol.transport.pid
    try:
        assert protocol.story() == [("made",), ("data", 1, b"armed\r\n"), ("ended", UNKNOWN)]
        assert protocol.transport.pid is None
        assert place_of(pid).state == "S"
        assert open_numbers() <= before
        assert errors_logged(caplog) == []
    finally:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: place_of(pid).state == "Z")
    async with make_reactor("native"):
        pass
    await until(lambda: is_gone(pid))


async def test_the_reactors_stop_while_paused_with_much_in_the_terminal() -> None:
    def pause(recorder: Any) -> None:
        recorder.transport.pauseProducing()

    async with attached() as reactor:
        protocol = in_terminal(reactor, "seq 1000; exit 9", protocol=Recorder(on_made=pause))
        await protocol.exited()
    assert protocol.had_a_whole_life(terminal=True)
    assert protocol.has("ended", exited_with(9))


# -- many


async def test_many_at_once_are_kept_apart() -> None:
    async with attached() as reactor:
        protocols = [in_terminal(reactor, f"{WAITING}; echo $line; exit {n}") for n in range(1, 21)]
        for n, protocol in enumerate(protocols, 1):
            protocol.transport.write(b"number %d\n" % n)
        for n, protocol in enumerate(protocols, 1):
            assert await protocol.ended() == exited_with(n)
            assert protocol.output() == b"number %d\r\n" % n * 2
            assert protocol.had_a_whole_life(terminal=True)
        await asyncio.sleep(0)
