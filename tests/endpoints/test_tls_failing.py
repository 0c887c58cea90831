"""TLS endpoints: what is no way to encrypt, what goes wrong, and being cancelled."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoints.attempts import a_place, busy_place, failed, held, outcome, over
from tests.endpoints.secured import HERE, Answering, Places
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Listening, errors_logged
from tests.transport.tls_pairs import Ear, Opposite
from tests.transport.unix_sockets import fired, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted_compat.error import (
    CannotListenError,
    ConnectBindError,
    ConnectError,
    ConnectingCancelledError,
    NoProtocol,
    TimeoutError,
)

pytestmark = pytest.mark.without_debug


@pytest.fixture(params=["ssl4", "tcp4", "unix"])
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    with socket_path() as path:
        yield Places(request.param, path)


# -- bad arguments


async def test_what_is_no_way_to_encrypt_fails_the_deferred(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(places.server(reactor, certificates.server_context()).listen(Listening()))
        before = held(reactor)
        for context in (None, object(), "server.pem", ssl.SSLContext):
            factory = Listening()
            await failed(places.server(reactor, context).listen(factory), TypeError)
            assert held(reactor) == before and not factory.numPorts
            dialling = Connecting()
            await failed(places.client(reactor, port, context).connect(dialling), TypeError)
            assert held(reactor) == before
            assert dialling.events in ([], ["start", "stop"])


async def test_a_context_for_the_other_side_fails_the_deferred(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        wrong = certificates.client_context()
        await failed(places.server(reactor, wrong).listen(Listening()), ValueError)
        port = await fired(places.server(reactor, certificates.server_context()).listen(Listening()))
        wrong = certificates.server_context()
        await failed(places.client(reactor, port, wrong).connect(Connecting()), ValueError)


async def test_what_a_get_context_raises_fails_the_deferred(places: Places, certificates: Any) -> None:
    class Broken:
        def getContext(self) -> Any:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        await failed(places.server(reactor, Broken()).listen(Listening()), ZeroDivisionError)
        port = await fired(places.server(reactor, certificates.server_context()).listen(Listening()))
        await failed(places.client(reactor, port, Broken()).connect(Connecting()), ZeroDivisionError)


BAD_ARGUMENTS = [
    ({"port": 65536}, (OverflowError, ConnectError)),
    ({"port": None}, TypeError),
    ({"host": None}, (TypeError, ValueError)),
    ({"host": 5}, TypeError),
    ({"timeout": "long"}, TypeError),
    ({"bindAddress": 5}, TypeError),
    ({"bindAddress": "192.0.2.1"}, ConnectBindError),
]


async def test_bad_arguments_of_a_client_fail_the_deferred(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        for options, error in BAD_ARGUMENTS:
            print(options)
            arguments = {
                "host": HERE,
                "port": 9,
                "sslContextFactory": certificates.client_context(),
                **options,
            }
            await failed(SSL4ClientEndpoint(reactor, **arguments).connect(Connecting()), error)
            await over(before, reactor)


async def test_a_port_that_somebody_has(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            context = certificates.server_context()
            for endpoint in (
                SSL4ServerEndpoint(reactor, place.where[1], context, 5, HERE),
                wrapServerTLS(context, TCP4ServerEndpoint(reactor, place.where[1], interface=HERE)),
            ):
                await failed(endpoint.listen(Listening()), CannotListenError)
            assert held(reactor) == before


async def test_an_address_to_connect_from(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            client = SSL4ClientEndpoint(reactor, *place.where, certificates.client_context(), 5, b"127.0.0.3")
            ear = await fired(client.connect(Connecting(Ear)))
            assert ear.transport.getHost().host == "127.0.0.3"
            ear.transport.abortConnection()


# -- what goes wrong


async def test_failures_of_what_is_beneath(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        context = certificates.client_context()
        port = await fired(places.server(reactor, certificates.server_context()).listen(Answering()))
        client = places.client(reactor, port, context)
        before = held(reactor)
        none = Connecting(build=lambda addr: None)
        await failed(client.connect(none), NoProtocol)
        await failed(client.connect(Connecting(build=lambda addr: 1 // 0)), ZeroDivisionError)
        await over(before, reactor)
        assert none.events == ["start", "stop"]
        await fired(port.stopListening())
        dialling = Connecting(Ear)
        await failed(client.connect(dialling), ConnectError)
        assert dialling.events == ["start", "stop"] and not dialling.protocols


async def test_a_protocol_that_raises_as_it_is_made(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(places.server(reactor, certificates.server_context()).listen(Answering()))
        before = held(reactor)
        ear = Ear(made=lambda ear: 1 // 0)
        client = places.client(reactor, port, certificates.client_context())
        await failed(connectProtocol(client, ear), ZeroDivisionError)
        await until(lambda: ear.lost)
        assert ear.events == ["made", "lost"]
        await over(before, reactor)


async def test_a_peer_that_speaks_no_tls(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            client = wrapClientTLS(certificates.client_context(), place.client(reactor))
            connecting = client.connect(Connecting(Ear))
            peer = await place.accept_at_once()
            peer.sendall(b"220 hello\r\n")
            ear = await fired(connecting)
            await until(lambda: ear.lost)
            assert ear.events == ["made", "lost"] and not ear.received
            place.last.close()
            await over(before, reactor)


async def test_a_peer_that_leaves_amid_the_handshake(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            client = SSL4ClientEndpoint(reactor, *place.where, certificates.client_context())
            ear = await fired(client.connect(Connecting(Ear)))
            (await place.accept()).close()
            await until(lambda: ear.lost)
            assert ear.events == ["made", "lost"]
            await over(before, reactor)


async def test_a_handshake_that_takes_too_long(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            client = wrapClientTLS(
                certificates.client_context(), place.client(reactor), ssl_handshake_timeout=0.01
            )
            ear = await fired(client.connect(Connecting(Ear)))
            await until(lambda: ear.lost)
            (await place.accept()).close()
            await over(before, reactor)


# -- cancelling


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_cancelling_after_so_many_turns(places: Places, count: int, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        serving = Answering()
        port = await fired(places.server(reactor, certificates.server_context()).listen(serving))
        before = held(reactor)
        dialling = Connecting(Ear)
        connecting = places.client(reactor, port, certificates.client_context()).connect(dialling)
        found = outcome(connecting)
        await turns(count)
        connecting.cancel()
        (result,) = found
        if dialling.protocols:
            assert found == dialling.protocols
            await until(lambda: result.opened)
            result.transport.loseConnection()
        else:
            assert result.check(ConnectingCancelledError)
        await until(lambda: dialling.events == ["start", "stop"])
        await until(lambda: all(protocol.lost for protocol in serving.protocols))
        await over(before, reactor)


async def test_cancelling_amid_the_handshake_is_too_late(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            client = wrapClientTLS(certificates.client_context(), place.client(reactor))
            connecting = client.connect(Connecting(Ear))
            found = outcome(connecting)
            other = Opposite(await place.accept(), certificates.server_context(), True)
            await other.feed()
            await until(lambda: found)
            connecting.cancel()
            await other.handshake()
            await until(lambda: found[0].opened)
            await other.say(b"still there")
            await until(lambda: found[0].received == b"still there")


@pytest.mark.parametrize("moment", ["build", "made"])
async def test_cancelling_from_within(
    places: Places, moment: str, certificates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def cancel(ear: Any) -> None:
        connecting.cancel()
        assert found

    def build(addr: Any) -> Any:
        if moment == "build":
            cancel(None)
            return Ear()
        return Ear(made=cancel)

    async with AsyncioReactor() as reactor:
        serving = Answering()
        port = await fired(places.server(reactor, certificates.server_context()).listen(serving))
        before = held(reactor)
        dialling = Connecting(build=build)
        connecting = places.client(reactor, port, certificates.client_context()).connect(dialling)
        found = outcome(connecting)
        await until(lambda: dialling.events == ["start", "stop"])
        assert found[0].check(ConnectingCancelledError) and len(found) == 1
        await until(lambda: all(protocol.lost for protocol in serving.protocols))
        (ear,) = dialling.protocols
        assert ear.events in ([], ["made", "lost"])
        await over(before, reactor)
        assert not errors_logged(caplog)


async def test_no_answer(certificates: Any) -> None:
    context = certificates.client_context()
    with busy_place("tcp4") as place:
        async with AsyncioReactor() as reactor:
            before = held(reactor)
            for client in (
                SSL4ClientEndpoint(reactor, *place.where, context, timeout=0.01),
                wrapClientTLS(context, place.client(reactor, timeout=0.01)),
            ):
                await failed(client.connect(Connecting()), TimeoutError)
            for client in (
                SSL4ClientEndpoint(reactor, *place.where, context),
                wrapClientTLS(context, place.client(reactor)),
            ):
                connecting = client.connect(Connecting())
                found = outcome(connecting)
                await turns()
                connecting.cancel()
                assert found[0].check(ConnectingCancelledError)
                assert held(reactor) == before
