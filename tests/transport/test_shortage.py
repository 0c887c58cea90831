"""Ports that run out of descriptors or memory: what they do, and that they come back."""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.recorders import (
    Echo,
    Listening,
    answered,
    client_of,
    descriptor_limit,
    fill_descriptors,
    received,
)
from twisted_compat import AsyncioReactor
from twisted_compat.transport import shortage

pytestmark = pytest.mark.without_debug


class Failing:
    """Stands before a listening socket and fails the first accepts, with each of the given errnos in turn."""

    def __init__(self, skt: socket.socket, *codes: int) -> None:
        self._skt = skt
        self._codes = list(codes)
        self.accepts = 0

    def accept(self) -> Any:
        self.accepts += 1
        if self._codes:
            code = self._codes.pop(0)
            raise OSError(code, os.strerror(code))
        return self._skt.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._skt, name)


async def test_errors_about_one_connection_spare_the_next() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(Echo), interface="127.0.0.1")
        port.socket = Failing(port.socket, errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN)
        assert await answered(port)
        assert port.socket._codes == []


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM, errno.EINVAL])
async def test_pausing_when_accepting_is_impossible(
    code: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortage, "PAUSE", 0.02)
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(Echo), interface="127.0.0.1")
        port.socket = failing = Failing(port.socket, code, code, code)
        with client_of(port) as skt:
            await until(lambda: failing.accepts)
            assert port not in reactor.getReaders()
            assert failing.accepts == 1
            skt.sendall(b"hello")
            assert await received(skt) == b"hello"
    assert [r.levelno for r in caplog.records if r.name == "twisted_compat" and r.levelno > 20] == [
        logging.WARNING
    ]


async def test_a_pause_ends_with_the_port_and_with_the_users_own() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(Echo), interface="127.0.0.1")
        port.socket = Failing(port.socket, *[errno.ENOMEM] * 3)
        with client_of(port):
            await until(lambda: reactor.getDelayedCalls())
            port.startReading()
            assert not reactor.getDelayedCalls()
            await until(lambda: reactor.getDelayedCalls())
            port.stopReading()
            assert not reactor.getDelayedCalls()
            port.startReading()
            await until(lambda: reactor.getDelayedCalls())
            await within(port.stopListening())
            assert not reactor.getDelayedCalls()


async def test_shedding_when_descriptors_run_out(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        assert await answered(port)
        await until(
            lambda: factory.protocols[0].reasons
        )  # its descriptor is free again before we fill them all
        caplog.clear()
        clients = [socket.socket() for _ in range(10)]
        with descriptor_limit(clients[-1].fileno() + 20):
            used = fill_descriptors()
            try:
                for skt in clients:
                    skt.setblocking(False)
                    skt.connect_ex(port.socket.getsockname())
                for skt in clients:
                    assert await received(skt) == b""  # told, rather than left to wait
                    skt.close()
                assert port in reactor.getReaders()
            finally:
                for fd in used:
                    os.close(fd)
            warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
            assert len(warnings) == 1
            assert "ulimit" in warnings[0].getMessage()
            assert len(factory.protocols) == 1
            assert await answered(port)


async def test_waiting_when_not_even_shedding_is_possible(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortage, "PAUSE", 0.02)
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with socket.socket() as skt, descriptor_limit(skt.fileno() + 20):
            port._shortage.spare.release()
            used = fill_descriptors()
            try:
                skt.setblocking(False)
                skt.connect_ex(port.socket.getsockname())
                await until(lambda: port not in reactor.getReaders())
                await until(lambda: port in reactor.getReaders())  # tries again
                assert factory.protocols == []
            finally:
                for fd in used:
                    os.close(fd)
            skt.send(b"hello")
            assert await received(skt) == b"hello"
            await until(lambda: port._shortage.spare._fd is not None)  # and is prepared for the next time
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


def test_the_spare_descriptor_makes_room_for_one() -> None:
    spare = shortage.SpareDescriptor()
    assert not spare.release()
    assert spare.reserve() and spare.reserve()
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    with descriptor_limit(lowest_free):
        with pytest.raises(OSError):
            os.open(os.devnull, os.O_RDONLY)
        assert spare.release()
        room = os.open(os.devnull, os.O_RDONLY)
        assert not spare.reserve()
        os.close(room)
        assert spare.reserve()
    assert spare.release()
    assert not spare.release()
