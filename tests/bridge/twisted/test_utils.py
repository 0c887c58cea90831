"""Programs' output and exit codes as Twisted's Deferreds: by our functions, and by Twisted's own on our
reactor, which have to say the same."""

from __future__ import annotations

import asyncio
import signal
import warnings
from typing import Any

import pytest
import twisted.internet.utils
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

import twisted_compat.utils
from tests.bridge.twisted.ecosystem.reactors import result
from tests.support import until, within
from tests.transport.children import children, make_reactor, open_descriptors
from twisted_compat import as_future

pytestmark = pytest.mark.without_debug

OURS, TWISTEDS = twisted_compat.utils, twisted.internet.utils
by_either = pytest.mark.parametrize("utils", [OURS, TWISTEDS], ids=["ours", "twisteds"])
ALL = ["getProcessOutput", "getProcessValue", "getProcessOutputAndValue"]
SH = "/bin/sh"


async def failure_of(deferred: Any) -> Any:
    """The Failure it comes to, which nothing else hears of: Twisted's, as it is Twisted's Deferred."""
    assert type(deferred) is Deferred
    seen: list[Any] = []
    deferred.addBoth(seen.append)
    await until(lambda: seen)
    assert type(seen[0]) is Failure
    return seen[0]


@by_either
async def test_output_and_codes(utils: Any) -> None:
    async with make_reactor("twisted") as reactor:
        said = utils.getProcessOutput("/bin/echo", ["a", b"\xff"], reactor=reactor)
        assert type(said) is Deferred
        assert await result(said) == b"a \xff\n"
        assert await result(utils.getProcessValue(SH, ["-c", "exit 3"], reactor=reactor)) == 3
        assert await result(utils.getProcessValue(SH, ["-c", "kill -9 $$"], reactor=reactor)) is None
        both = utils.getProcessOutputAndValue(SH, ["-c", "echo out; echo err >&2; exit 4"], reactor=reactor)
        assert await result(both) == (b"out\n", b"err\n", 4)
        both = utils.getProcessOutput(SH, ["-c", "echo err >&2"], reactor=reactor, errortoo=True)
        assert await result(both) == b"err\n"
        text = bytes(1 << 20)
        copied = utils.getProcessOutputAndValue("/bin/cat", stdinBytes=text, reactor=reactor)
        assert await result(copied) == (text, b"", 0)


@by_either
async def test_a_signal(utils: Any) -> None:
    async with make_reactor("twisted") as reactor:
        ended = utils.getProcessOutputAndValue(SH, ["-c", "echo out; kill -15 $$"], reactor=reactor)
        assert (await failure_of(ended)).value == (b"out\n", b"", signal.SIGTERM)


@by_either
async def test_standard_error(utils: Any) -> None:
    async with make_reactor("twisted") as reactor:
        for end, error in (("exit 3", ProcessTerminated), ("exit 0", ProcessDone)):
            script = f"echo oops >&2; read x; {end}"
            failure = await failure_of(utils.getProcessOutput(SH, ["-c", script], reactor=reactor))
            assert failure.check(OSError)
            assert "oops" in str(failure.value)
            assert (await failure_of(failure.value.processEnded)).type is error


@pytest.mark.parametrize("name", ALL)
async def test_what_can_not_be_started(name: str) -> None:
    async with make_reactor("twisted") as reactor:
        failure = await failure_of(getattr(OURS, name)("/nothing/here", reactor=reactor))
        assert failure.type is FileNotFoundError


@pytest.mark.parametrize("name", ALL)
async def test_cancelling(name: str) -> None:
    async with make_reactor("twisted") as reactor:
        before, others = open_descriptors(), children()
        deferred = getattr(OURS, name)("/bin/cat", reactor=reactor)
        assert children() - others
        deferred.cancel()
        assert (await failure_of(deferred)).type is CancelledError
        await until(lambda: children() <= others and open_descriptors().items() <= before.items())


async def test_they_are_awaited_by_either_kind_of_coroutine() -> None:
    async def ask() -> Any:
        code = await OURS.getProcessValue(SH, ["-c", "exit 3"])
        return code, await OURS.getProcessOutput("/bin/echo", ["x"])

    async with make_reactor("twisted"):  # which is the current one
        assert await result(ensureDeferred(ask())) == (3, b"x\n")
        others = children()
        task = asyncio.ensure_future(as_future(OURS.getProcessOutput("/bin/cat")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await until(lambda: children() <= others)


def test_warnings_are_hidden_until_a_deferred_of_twisteds_fires() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        hidden = [(("ignore", "hidden"), {})]
        for outcome in (1, Failure(KeyError())):
            deferred: Deferred[Any] = Deferred()
            assert OURS.runWithWarningsSuppressed(hidden, lambda d=deferred: d) is deferred
            warnings.warn("hidden", stacklevel=1)
            deferred.callback(outcome)
            deferred.addErrback(lambda failure: failure.trap(KeyError))
            assert list(warnings.filters) == before
            with pytest.raises(UserWarning, match="hidden"):
                warnings.warn("hidden", stacklevel=1)
