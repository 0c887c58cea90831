"""How children in terminals are started, on terminals that are there already too, and what is left if not."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest

from tests.transport.children import (
    DONE,
    Recorder,
    attached,
    both_kinds,
    killed_by,
    spawn,
)
from tests.transport.recorders import descriptor_limit, errors_logged, fill_descriptors
from tests.transport.terminals import (
    WAITING,
    identity,
    in_terminal,
    is_blocking,
    is_open,
    needed,
    open_numbers,
    printed,
    raw,
    set_size,
    terminal,
)
from tests.transport.unix_sockets import nobody

pytestmark = pytest.mark.without_debug

# -- a terminal that is there already


@both_kinds
@pytest.mark.parametrize("form", ["a tuple", "a list", "a name in bytes"])
async def test_a_given_terminal_is_used_as_it_is(form: str, kind: str) -> None:
    async with attached(kind) as reactor:
        with terminal() as place:
            set_size(place.master, 33, 44)
            given: Any = place.both()
            if form == "a list":
                given = list(given)
            elif form == "a name in bytes":
                given = (place.master, place.slave, os.fsencode(place.name))
            protocol = in_terminal(reactor, f"tty; stty size; {WAITING}; echo $line", usePTY=given)
            assert not is_open(place.slave)
            place.handed_over()
            await printed(protocol, b"44\n")
            protocol.transport.write(b"raw\n")
            assert await protocol.ended() == DONE
            assert protocol.output() == f"{place.name}\n33 44\nraw\n".encode()
            assert not is_open(place.master)


async def test_what_was_in_a_given_terminal_is_not_lost() -> None:
    async with attached() as reactor:
        with terminal() as place:
            os.write(place.master, b"typed ahead\n")
            os.write(place.slave, b"printed before\n")
            place.handed_over()
            protocol = in_terminal(reactor, f"{WAITING}; echo $line", usePTY=place.both())
            assert await protocol.ended() == DONE
            assert protocol.output() == b"printed before\ntyped ahead\n"


async def test_a_given_terminal_need_not_be_one_that_we_may_open() -> None:
    """As after su(1), when it is another user's: it is enough to have it open."""
    async with attached() as reactor:
        given, protocol = raw(), Recorder()
        script = "tty; echo yes >/dev/tty; [ -t 2 ] && echo all"
        with nobody():
            in_terminal(reactor, script, usePTY=given, protocol=protocol)
        assert await protocol.ended() == DONE
        assert protocol.output() == f"{given[2]}\nyes\nall\n".encode()


# -- failures


@pytest.mark.parametrize("kind_of_terminal", ["own", "given"])
@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"executable": "/nowhere/to/be/found"}, FileNotFoundError),
        ({"executable": "/etc/passwd"}, PermissionError),
        ({"path": "/nowhere"}, FileNotFoundError),
        ({"args": ["true", "zero\0"]}, ValueError),
        ({"env": {1: "x"}}, TypeError),
    ],
)
async def test_what_can_not_be_started_leaves_nothing_behind(
    kind_of_terminal: str, changes: Any, expected: type[Exception]
) -> None:
    options = {"executable": "/bin/true", "args": ["true"], "env": None} | changes
    with terminal() as place:
        async with attached() as reactor:
            os.write(place.master, b"typed\n")
            before = open_numbers(), identity(place.master), identity(place.slave)
            protocol = Recorder()
            with pytest.raises(expected):
                reactor.spawnProcess(
                    protocol, usePTY=place.both() if kind_of_terminal == "given" else True, **options
                )
            assert protocol.events == []
            assert (open_numbers(), identity(place.master), identity(place.slave)) == before
            assert is_blocking(place.master)
            assert is_blocking(place.slave)
            assert os.read(place.slave, 100) == b"typed\n"


@pytest.mark.skipif(os.getuid() == 0, reason="root may take any")
async def test_user_numbers_that_are_not_ours_to_take_are_refused() -> None:
    async with attached() as reactor:
        before = open_numbers()
        protocol = Recorder()
        with pytest.raises(PermissionError):
            reactor.spawnProcess(protocol, "/bin/true", ["true"], uid=0, usePTY=True)
        assert open_numbers() == before
        assert protocol.events == []


async def test_without_a_descriptor_left_nothing_is_started() -> None:
    async with attached() as reactor:
        protocol = Recorder()
        with descriptor_limit(max(open_numbers()) + 4):
            used = fill_descriptors()
            os.close(used.pop())
            os.close(used.pop())
            try:
                with pytest.raises(OSError) as caught:
                    reactor.spawnProcess(protocol, "/bin/true", ["true"], usePTY=True)
            finally:
                for number in used:
                    os.close(number)
        assert caught.value.errno in (errno.EMFILE, errno.ENOENT, errno.ENXIO)
        assert protocol.events == []


async def test_pipes_and_a_terminal_together_are_refused() -> None:
    async with attached() as reactor:
        with pytest.raises(ValueError, match="childFDs"):
            reactor.spawnProcess(Recorder(), "/bin/true", ["true"], usePTY=True, childFDs={0: "w"})
        with pytest.raises(ValueError, match="rotocol"):
            reactor.spawnProcess(None, "/bin/true", ["true"], usePTY=True)


@pytest.mark.parametrize("given", [(1,), ("a", "b", "c"), (-1, -1, "x"), (1, 2, 3, 4)])
async def test_what_is_no_terminal_is_refused(given: Any) -> None:
    async with attached() as reactor:
        before = open_numbers()
        with pytest.raises((OSError, TypeError, ValueError)):
            reactor.spawnProcess(Recorder(), "/bin/true", ["true"], usePTY=given)
        assert open_numbers() == before


async def test_what_is_no_terminal_but_open_is_refused_and_stays_open() -> None:
    reading, writing = os.pipe()
    try:
        async with attached() as reactor:
            with pytest.raises(OSError) as caught:
                reactor.spawnProcess(Recorder(), "/bin/true", ["true"], usePTY=(writing, reading, "pipe"))
            assert caught.value.errno == errno.ENOTTY
            assert is_open(reading)
            assert is_open(writing)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("options", [{}, {"path": "/"}], ids=["spawned", "forked"])
async def test_a_terminal_that_controls_another_session_is_refused(options: Any) -> None:
    with terminal() as place:
        async with attached() as reactor:
            first = in_terminal(
                reactor,
                f"echo yes >/dev/tty; {WAITING}",
                usePTY=(os.dup(place.master), os.dup(place.slave), place.name),
            )
            await printed(first, b"yes")
            second = Recorder()
            before = open_numbers()
            with pytest.raises(PermissionError):
                in_terminal(reactor, "echo no", usePTY=place.both(), protocol=second, **options)
            assert open_numbers() == before
            assert second.events == []
            first.transport.write(b"\n")
            assert await first.exited() == DONE
            first.transport.loseConnection()  # we have the terminal open as well
            assert await first.ended() == DONE


def test_a_child_is_started_before_the_reactor_runs(loop_factory: Any) -> None:
    from twisted_compat import AsyncioReactor

    reactor = AsyncioReactor(loop_factory=loop_factory)
    protocol = Recorder(on_ended=lambda recorder, reason: reactor.stop())
    reactor.spawnProcess(protocol, "/bin/sh", ["sh", "-c", "echo early"], usePTY=True)
    reactor.run()
    assert protocol.output() == b"early\r\n"
    assert protocol.had_a_whole_life(terminal=True)


async def test_what_the_protocol_raises_is_logged_once_and_hangs_up(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise LookupError("not found")

    async with attached() as reactor:
        protocol = spawn(reactor, needed("cat"), usePTY=True, protocol=Recorder(on_made=fail, on_data=fail))
        protocol.transport.write(b"x\n")
        assert await protocol.ended() == killed_by(signal.SIGHUP)
        assert protocol.had_a_whole_life(terminal=True)
    assert len(errors_logged(caplog)) == 2


async def test_that_a_terminal_has_been_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with attached() as reactor:
        protocols = [in_terminal(reactor, "echo x") for _ in range(10)]
        for protocol in protocols:
            assert await protocol.ended() == DONE
            assert protocol.output() == b"x\r\n"
    assert not caplog.records
