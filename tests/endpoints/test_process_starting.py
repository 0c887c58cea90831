"""How the program at the other end of a connection is started; and what comes of it if it can't be, or if
the protocol fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.places import HERE, plain_tls, spoken
from tests.endpoints.processes import lost, shell, started
from tests.support import until, within
from tests.transport.children import attached, both_kinds, children, exited_with, how
from tests.transport.programs import need
from tests.transport.recorders import Connecting, Recorder, errors_logged
from tests.transport.spawning import NOBODY, only_root
from tests.transport.unix_sockets import fired
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import ProcessEndpoint, wrapClientTLS
from twisted_compat.error import ConnectionDone

pytestmark = pytest.mark.without_debug


# How it is started


async def test_it_has_the_arguments_the_environment_and_the_directory(tmp_path: Path) -> None:
    async with attached() as reactor:
        endpoint = ProcessEndpoint(
            reactor, "/bin/sh", ["sh", "-c", 'pwd; echo "$1 $A"', "sh", "x y"], {"A": "b"}, str(tmp_path)
        )
        protocol = await within(endpoint.connect(Connecting()))
        await lost(protocol)
        assert protocol.received == f"{os.path.realpath(tmp_path)}\nx y b\n".encode()


async def test_its_environment_is_empty_if_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWISTED_COMPAT_TEST", "set")
    async with attached() as reactor:
        protocols = [
            await started(reactor, "/usr/bin/env"),
            await started(reactor, "/usr/bin/env", env=None),
        ]
        for protocol in protocols:
            await lost(protocol)
        assert protocols[0].received == b""
        assert b"TWISTED_COMPAT_TEST=set\n" in protocols[1].received


async def test_it_may_have_a_terminal() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "tty; read word; exit 5", usePTY=True)
        await until(lambda: b"\n" in protocol.received)
        assert protocol.received.startswith(b"/dev/")
        protocol.transport.write(b"word\n")
        assert how(await lost(protocol)) == exited_with(5)


async def test_it_may_have_other_descriptors(tmp_path: Path) -> None:
    """Only its standard output is the connection; what else it writes to pipes nobody hears."""
    with open(tmp_path / "file", "wb") as file:
        async with attached() as reactor:
            protocol = await shell(
                reactor,
                "read word <&4; echo $word; echo three >&3; echo five >&5",
                childFDs={1: "r", 3: "r", 4: "w", 5: file.fileno()},
            )
            protocol.transport.writeToChild(4, b"word\n")
            assert (await lost(protocol)).check(ConnectionDone)
            assert protocol.received == b"word\n"
    assert (tmp_path / "file").read_text() == "five\n"


@only_root
async def test_it_may_run_as_another_user() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "id -u; id -g", uid=NOBODY, gid=NOBODY, env=None)
        await lost(protocol)
        assert protocol.received == b"%d\n%d\n" % (NOBODY, NOBODY)


# When there is no connection


@both_kinds
async def test_a_program_that_cannot_be_started_fails_the_deferred(kind: str, tmp_path: Path) -> None:
    async with attached(kind) as reactor:
        for path, error in [
            ("/no/such/program", FileNotFoundError),
            (str(tmp_path), PermissionError),
        ]:
            factory = Connecting()
            connecting = ProcessEndpoint(reactor, path, ["x"]).connect(factory)
            with pytest.raises(error):
                await fired(connecting)
            assert not any(protocol.made or protocol.reasons for protocol in factory.protocols)


async def test_what_makes_no_sense_fails_the_deferred() -> None:
    async with attached() as reactor:
        for options, error in [
            ({"childFDs": {0: "x"}}, ValueError),
            ({"childFDs": {1: -1}}, ValueError),
            ({"args": [1]}, TypeError),
            ({"env": {"A": 1}}, TypeError),
            ({"path": "/no/such/directory"}, OSError),
        ]:
            connecting = ProcessEndpoint(reactor, "/bin/cat", **options).connect(Connecting())
            with pytest.raises(error):
                await within(connecting)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may be anybody")
async def test_a_user_that_may_not_be_taken_fails_the_deferred() -> None:
    async with attached() as reactor:
        with pytest.raises(PermissionError):
            await within(ProcessEndpoint(reactor, "/bin/cat", uid=0).connect(Connecting()))


@both_kinds
async def test_a_factory_that_refuses_starts_no_program(kind: str, tmp_path: Path) -> None:
    async with attached(kind) as reactor:
        before = children()
        endpoint = ProcessEndpoint(reactor, "/usr/bin/touch", ["touch", str(tmp_path / "file")])
        with pytest.raises(reactor.vocabulary.error.NoProtocol):
            await fired(endpoint.connect(Connecting(build=lambda addr: None)))

        def fail(addr: Any) -> Any:
            raise KeyError("on purpose")

        with pytest.raises(KeyError, match="on purpose"):
            await fired(endpoint.connect(Connecting(build=fail)))
        assert children() == before
    assert not (tmp_path / "file").exists()


async def test_a_protocol_that_raises_as_it_is_made_is_logged_once_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Raising(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            raise ValueError("on purpose")

    async with attached() as reactor:
        factory = Connecting(Raising)
        connecting = ProcessEndpoint(reactor, "/bin/cat").connect(factory)
        with pytest.raises(ValueError, match="on purpose"):
            await within(connecting)
        await lost(factory.protocols[0])


async def test_a_protocol_that_raises_when_it_receives_loses_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Raising(Recorder):
        def dataReceived(self, data: bytes) -> None:
            raise ValueError("on purpose")

    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat", protocol=Raising)
        protocol.transport.write(b"hello")
        await lost(protocol)
        assert len(errors_logged(caplog)) == 1


# Over it


async def test_tls_goes_over_a_program_as_over_any_connection(certificates: Any) -> None:
    need("socat")
    before = children()
    async with (
        AsyncioReactor() as reactor,
        plain_tls(certificates.server_context()) as (number, shown),
    ):
        program = ProcessEndpoint(reactor, "socat", ["socat", "-", f"TCP4:{HERE}:{number}"], None)
        context = certificates.client_context()
        for name, is_trusted in [("localhost", True), ("elsewhere.example", False)]:
            endpoint = wrapClientTLS(context, program, server_hostname=name)
            protocol = await within(endpoint.connect(Connecting()))
            if is_trusted:
                await spoken(protocol)
            else:
                reason = await lost(protocol)
                assert "certificate" in str(reason.value)
        assert shown == [None]
        assert children() == before
