"""A protocol meets its transport; what it raises then is its connection's end and nobody else's."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.recorders import Connecting, Listening, Recorder, errors_logged
from twisted_compat import AsyncioReactor
from twisted_compat.transport.introduce import introduce
from twisted_compat.vocabulary import NATIVE


class Transport:
    """What introduce() knows of one."""

    class reactor:
        vocabulary = NATIVE

    def __init__(self, error: BaseException | None = None) -> None:
        self.reasons: list[Any] = []
        self.error = error

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason)
        if self.error is not None:
            raise self.error


class Meeting:
    def __init__(self, error: BaseException | None = None) -> None:
        self.met: list[Any] = []
        self.error = error

    def makeConnection(self, transport: Any) -> None:
        self.met.append(transport)
        if self.error is not None:
            raise self.error


def test_they_meet() -> None:
    protocol, transport = Meeting(), Transport()
    introduce(protocol, transport)
    assert (protocol.met, transport.reasons) == ([transport], [])


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, GeneratorExit])
def test_what_it_raises_is_the_reason_and_logged_once(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    error, transport = kind("oops"), Transport()
    introduce(Meeting(error), transport)
    assert [reason.value for reason in transport.reasons] == [error]
    assert len(errors_logged(caplog)) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_gets_out(kind: type[BaseException]) -> None:
    transport = Transport()
    with pytest.raises(kind):
        introduce(Meeting(kind()), transport)
    assert transport.reasons == []


def test_what_connection_lost_raises_then_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    introduce(Meeting(ValueError("first")), Transport(ValueError("second")))
    assert len(errors_logged(caplog)) == 2


def test_the_failure_leaves_no_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest keeps what is logged, and with it the traceback
    monkeypatch.setattr(NATIVE.log, "disabled", True)

    class Forgetful(Transport):
        def connectionLost(self, reason: Any) -> None:
            pass

    class Raising:
        def makeConnection(self, transport: Any) -> None:
            raise ValueError("oops")

    def meet() -> weakref.ref[Any]:
        transport = Forgetful()
        introduce(Raising(), transport)
        return weakref.ref(transport)

    gc.disable()
    try:
        assert meet()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError])
async def test_the_port_lives_on(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    def refuse(protocol: Any) -> None:
        if len(server.protocols) == 1:
            raise kind("the first one")

    class Refusing(Recorder):
        on_made = staticmethod(refuse)

    server, first, second = Listening(Refusing), Connecting(), Connecting()
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, server, interface="127.0.0.1")
        number = port.getHost().port
        reactor.connectTCP("127.0.0.1", number, first)
        await within(until(lambda: first.reasons))
        reactor.connectTCP("127.0.0.1", number, second)
        await within(until(lambda: len(server.protocols) == 2))
        assert [reason.type for reason in server.protocols[0].reasons] == [kind]
        assert server.protocols[1].reasons == []
        assert port.connected
    assert len(errors_logged(caplog)) == 1
