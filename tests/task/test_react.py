"""A program that is one function: how it ends, and with which code. What only a process can show is shown by
one, on each kind of loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import DEADLINE
from twisted_compat import AsyncioReactor, current, current_reactor, reactor
from twisted_compat.defer import Deferred, NotACoroutineError, fail, succeed
from twisted_compat.task import deferLater, react

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch, loop_factory: LoopFactory) -> AsyncioReactor:
    """A default reactor for this test alone, on each kind of loop in turn."""
    default = AsyncioReactor(loop_factory=loop_factory)
    monkeypatch.setattr(current, "_default", default)
    return default


def code_of(main: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """What ``react`` exits with."""
    with pytest.raises(SystemExit) as caught:
        react(main, *args, **kw)
    return caught.value.code


# How it ends


def test_a_deferred_that_fires_later(default: Any) -> None:
    seen: list[Any] = []

    def main(reactor: Any) -> Deferred[None]:
        seen.append((reactor, reactor.running))
        return deferLater(reactor, 0.001)

    assert code_of(main) == 0
    assert seen == [(default, True)]
    assert not default.running


def test_a_deferred_that_has_fired(default: Any) -> None:
    assert code_of(lambda _: succeed("result")) == 0


def test_a_coroutine(default: Any) -> None:
    seen: list[Any] = []

    async def main(reactor: Any) -> None:
        seen.append(await deferLater(reactor, 0.001, lambda: "deferred"))
        await asyncio.sleep(0.001)
        seen.append(asyncio.current_task() is not None)
        seen.append(current_reactor() is reactor)

    assert code_of(main) == 0
    assert seen == ["deferred", True, True]


def test_arguments(default: Any) -> None:
    seen: list[Any] = []

    async def main(reactor: Any, *args: Any) -> None:
        seen.extend(args)

    assert code_of(main, (part for part in ("a", "b"))) == 0
    assert code_of(main, ["c"]) == 0
    assert code_of(main, argv=("d",)) == 0
    assert seen == ["a", "b", "c", "d"]


@pytest.mark.parametrize("later", [True, False])
def test_a_failure_is_logged_once_and_the_code_is_1(
    default: Any, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(reactor: Any) -> None:
        if later:
            await deferLater(reactor, 0.001)
        raise LookupError("of mine")

    with caplog.at_level(logging.ERROR):
        assert code_of(main) == 1
    (record,) = caplog.records
    assert record.name == "twisted_compat.defer" and record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


def test_a_deferred_that_fails(default: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert code_of(lambda _: fail(LookupError("of mine"))) == 1
    assert "of mine" in caplog.text


@pytest.mark.parametrize(("given", "code"), [(23, 23), (None, None), ("a text", "a text"), (0, 0)])
def test_a_failure_with_system_exit_has_its_code(
    default: Any, given: Any, code: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def main(reactor: Any) -> Deferred[None]:
        return deferLater(reactor, 0.001).addCallback(lambda _: sys.exit(given))

    assert code_of(main) == code
    assert caplog.records == []


@pytest.mark.parametrize("later", [True, False])
def test_a_coroutine_that_exits(default: Any, later: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def main(reactor: Any) -> None:
        if later:
            await deferLater(reactor, 0.001)
        sys.exit(7)

    assert code_of(main) == 7
    assert caplog.records == []
    assert not default.running


def test_what_main_itself_raises_comes_out_when_all_is_closed(default: Any) -> None:
    stopped: list[bool] = []

    def main(reactor: Any) -> Deferred[None]:
        reactor.addSystemEventTrigger("during", "shutdown", stopped.append, True)
        raise LookupError("of mine")

    with pytest.raises(LookupError, match="of mine"):
        react(main)
    assert stopped == [True] and not default.running


def test_main_itself_exits(default: Any) -> None:
    def main(reactor: Any) -> Deferred[None]:
        sys.exit(5)

    assert code_of(main) == 5
    assert not default.running


def test_what_is_neither_a_deferred_nor_a_coroutine(default: Any) -> None:
    with pytest.raises(NotACoroutineError):
        react(lambda _: None)  # type: ignore[arg-type, return-value]
    assert not default.running


# Stopping by others


def test_a_reactor_that_is_stopped_before_main_is_done(default: Any) -> None:
    def main(reactor: Any) -> Deferred[None]:
        reactor.callLater(0.001, reactor.stop)
        return Deferred()

    assert code_of(main) == 0


def test_a_reactor_that_is_stopped_by_main(default: Any) -> None:
    def main(reactor: Any) -> Deferred[None]:
        reactor.stop()
        return succeed(None)

    assert code_of(main) == 0


def test_a_deferred_that_fires_as_the_reactor_is_stopped(default: Any) -> None:
    def main(reactor: Any) -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def stop() -> None:
            reactor.stop()
            done.callback(None)

        reactor.callLater(0.001, stop)
        return done

    assert code_of(main) == 0


@pytest.mark.parametrize(("error", "code"), [(None, 0), (LookupError(), 1), (SystemExit(3), 3)])
def test_main_may_end_during_the_shutdown(
    default: Any, error: BaseException | None, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    def main(reactor: Any) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        end = done.callback if error is None else done.errback
        reactor.addSystemEventTrigger("during", "shutdown", end, error)
        reactor.callLater(0.001, reactor.stop)
        return done

    assert code_of(main) == code
    assert len(caplog.records) == (code == 1)


def test_a_crash_ends_it_too(default: Any) -> None:
    def main(reactor: Any) -> Deferred[None]:
        reactor.callLater(0.001, reactor.crash)
        return Deferred()

    assert code_of(main) == 0


# Which reactor


def test_one_that_is_given(loop_factory: LoopFactory) -> None:
    mine = AsyncioReactor(loop_factory=loop_factory)
    seen: list[Any] = []

    async def main(reactor: Any) -> None:
        seen.append(reactor)

    assert code_of(main, (), mine) == 0
    assert code_of(main, _reactor=mine) == 0
    assert seen == [mine, mine]


def test_the_one_that_legacy_code_imports(default: Any) -> None:
    seen: list[Any] = []

    async def main(reactor: Any) -> None:
        seen.append(reactor.running)

    assert code_of(main, _reactor=reactor) == 0
    assert seen == [True]


class Stranger:
    """The least of a reactor, not ours: nothing but what react() asks for."""

    class ReactorNotRunning(Exception):
        pass

    def __init__(self) -> None:
        self.stops = 0
        self.begin: Callable[[], Any] = list
        self.error: type[Exception] = self.ReactorNotRunning

    def addSystemEventTrigger(self, phase: str, event: str, callable: Callable[..., Any]) -> None:
        assert (phase, event) == ("before", "shutdown")

    def callWhenRunning(self, callable: Callable[..., Any], *args: Any) -> None:
        self.begin = lambda: callable(*args)

    def run(self) -> None:
        self.begin()

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise self.error("not running")


def test_a_stranger_that_is_stopped_already() -> None:
    stranger = Stranger()

    def main(reactor: Any) -> Deferred[None]:
        reactor.stop()
        return succeed(None)

    assert code_of(main, _reactor=stranger) == 0
    assert stranger.stops == 2


def test_a_stranger_that_can_not_stop(caplog: pytest.LogCaptureFixture) -> None:
    stranger = Stranger()
    stranger.error = LookupError

    def main(reactor: Any) -> Deferred[None]:
        reactor.stop()
        raise ValueError

    with pytest.raises(LookupError):
        react(main, _reactor=stranger)


@pytest.mark.parametrize(
    "given", [lambda: None, AsyncioReactor, lambda: reactor], ids=["none", "ours", "proxy"]
)
async def test_inside_a_loop_it_says_what_to_write(given: Callable[[], Any]) -> None:
    called: list[Any] = []
    with pytest.raises(RuntimeError, match=r"write `await main\(reactor\)`"):
        react(called.append, _reactor=given())  # type: ignore[arg-type]
    assert called == []


# As a process


PROGRAM = """
import asyncio, logging, signal, sys
from twisted_compat import current
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.defer import Deferred
from twisted_compat.task import deferLater, react
if {uvloop}:
    import uvloop
    current.set_default_reactor_factory(lambda: AsyncioReactor(loop_factory=uvloop.new_event_loop))

{main}

react(main, sys.argv[1:])
print("not reached")
"""


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[str]]:
    """Start a program with this main function on a kind of loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")

    def start(main: str, *arguments: str) -> subprocess.Popen[str]:
        program = PROGRAM.format(uvloop=request.param == "uvloop", main=textwrap.dedent(main))
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


Start = Callable[..., "subprocess.Popen[str]"]


def test_a_program_that_succeeds(start: Start) -> None:
    program = start(
        """
        async def main(reactor, name):
            await asyncio.sleep(0.001)
            await deferLater(reactor, 0.001)
            print("hello", name, type(asyncio.get_running_loop()).__module__.partition(".")[0])
        """,
        "Ada",
    )
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, err) == (0, "")
    assert out in ("hello Ada asyncio\n", "hello Ada uvloop\n")


def test_a_program_that_fails(start: Start) -> None:
    program = start(
        """
        async def main(reactor):
            await deferLater(reactor, 0.001)
            raise LookupError("of mine")
        """
    )
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out) == (1, "")
    assert err.count("Traceback") == err.count("LookupError: of mine") == 1


def test_a_program_whose_main_raises(start: Start) -> None:
    program = start(
        """
        def main(reactor):
            raise LookupError("of mine")
        """
    )
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out) == (1, "")
    assert err.count("LookupError: of mine") == 1 and "in main" in err


@pytest.mark.parametrize(("given", "code"), [("23", 23), ("", 0), ("'the reason'", 1)])
def test_a_program_that_exits(start: Start, given: str, code: int) -> None:
    program = start(
        f"""
        async def main(reactor):
            await deferLater(reactor, 0.001)
            sys.exit({given})
        """
    )
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out) == (code, "")
    assert err == ("the reason\n" if code == 1 else "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("coroutine", [True, False])
def test_a_signal_stops_the_program_in_order(start: Start, number: int, coroutine: bool) -> None:
    program = start(
        f"""
        def wait(reactor):
            reactor.addSystemEventTrigger("during", "shutdown", print, "shut down", flush=True)
            reactor.callLater(0, print, "ready", flush=True)
            return Deferred()

        async def wait_for_it(reactor):
            await wait(reactor)

        main = wait_for_it if {coroutine} else wait
        """
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(number)
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out, err) == (0, "shut down\n", "")


def test_a_program_inside_a_loop(start: Start) -> None:
    program = start(
        """
        async def main(reactor):
            react(main)
        """
    )
    out, err = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out) == (1, "")
    assert "write `await main(reactor)`" in err
