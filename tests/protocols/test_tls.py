"""TLS under the names that legacy code has for it: a factory around a factory, over any transport."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.certificates import with_each_library
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Listening
from tests.transport.tls_pairs import Ear, HalfEar, lose, lost, numbered
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.failure import Failure
from twisted_compat.interfaces import IProtocolFactory, ISSLTransport, ITransport
from twisted_compat.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

pytestmark = pytest.mark.without_debug


# Over TCP


@with_each_library
async def test_a_factory_is_wrapped_and_listens_and_connects(certificates: Any, library: str) -> None:
    server, client = Ear(), Ear()
    listening = Listening(build=lambda addr: server)
    connecting = Connecting(build=lambda addr: client)
    serving = TLSMemoryBIOFactory(certificates.server_context(library), False, listening)
    asking = TLSMemoryBIOFactory(
        certificates.client_context(library), True, connecting, server_hostname="localhost"
    )
    assert serving.wrappedFactory is listening and verifyObject(IProtocolFactory, serving)
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, serving, interface="127.0.0.1")
        assert listening.events == ["start"]
        reactor.connectTCP("127.0.0.1", port.getHost().port, asking)
        await until(lambda: server.opened and client.opened)
        for ear, factory in ((server, serving), (client, asking)):
            layer = ear.transport
            assert isinstance(layer, TLSMemoryBIOProtocol)
            assert layer.wrappedProtocol is ear and layer.factory is factory
            assert layer.transport.protocol is layer  # what is beneath
            assert ISSLTransport.providedBy(layer) and layer.TLS
            assert not layer.disconnecting
        assert client.transport.getPeer() == port.getHost()
        server.transport.write(data := numbered(300_000))
        lose(server)
        assert server.transport.disconnecting
        await lost(client, ConnectionDone)
        await lost(server, ConnectionDone)
        assert client.received == data
        assert connecting.events == ["start", "connecting", "lost", "stop"]
        await port.stopListening()
    assert listening.events == ["start", "stop"]


async def test_a_factory_may_refuse(certificates: Any) -> None:
    refusing = Listening(build=lambda addr: None)
    serving = TLSMemoryBIOFactory(certificates.server_context(), False, refusing)
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, serving, interface="127.0.0.1")
        client = Ear()
        asking = TLSMemoryBIOFactory(
            certificates.client_context(),
            True,
            Connecting(build=lambda addr: client),
            server_hostname="localhost",
        )
        reactor.connectTCP("127.0.0.1", port.getHost().port, asking)
        await lost(client, ConnectionLost)
        assert refusing.addresses and client.events == ["made", "lost"]


async def test_verification_may_fail_by_its_user_s_word(certificates: Any) -> None:
    """As service_identity's callbacks say it."""

    def refuse(ear: Ear) -> None:
        ear.transport.failVerification(Failure(ValueError("not to my liking")))

    server, client = Ear(), Ear(made=lambda ear: ear.transport.write(b"never"))
    client.on["handshake"] = refuse
    async with AsyncioReactor() as reactor:
        serving = TLSMemoryBIOFactory(
            certificates.server_context(), False, Listening(build=lambda addr: server)
        )
        port = reactor.listenTCP(0, serving, interface="127.0.0.1")
        reactor.connectSSL(
            "127.0.0.1",
            port.getHost().port,
            Connecting(build=lambda addr: client),
            certificates.client_context(),
        )
        await lost(client, ValueError)
        await until(lambda: server.lost)
        assert server.received == b""


def test_what_is_no_context_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="SSLContext"):
        TLSMemoryBIOFactory(None, False, Listening())


# Over something that knows how to write and to close, no more


@implementer(ITransport)
class Wire:
    """One end of a line in memory, all that ITransport asks for and nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: deque[bytes] = deque()
        self.closing = False

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.sent.append(data)

    def writeSequence(self, iovec: Any) -> None:
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        self.closing = True

    def getPeer(self) -> Any:
        return IPv4Address("TCP", "127.0.0.1", 1)

    getHost = getPeer


class Line:
    """Two layers, joined by wires; ``step`` carries what has been sent."""

    def __init__(self, certificates: Any, library: str, server: Any, client: Any) -> None:
        self.wires = [Wire("server"), Wire("client")]
        self.ears = [server, client]
        contexts = certificates.server_context(library), certificates.client_context(library)
        self.layers = []
        for number, (context, ear) in enumerate(zip(contexts, self.ears, strict=True)):
            options = {"server_hostname": "localhost"} if number else {}
            built = Listening(build=lambda addr, ear=ear: ear)
            factory = TLSMemoryBIOFactory(context, bool(number), built, **options)
            self.layers.append(factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)))
        for layer, wire in zip(self.layers, self.wires, strict=True):
            layer.makeConnection(wire)
        self.ended = [False, False]

    def step(self) -> None:
        for number, (wire, layer) in enumerate(zip(self.wires, self.layers[::-1], strict=True)):
            while wire.sent:
                data = wire.sent.popleft()
                if not self.ended[1 - number]:
                    layer.dataReceived(data)
            if wire.closing:
                for each in (number, 1 - number):
                    if not self.ended[each]:
                        self.ended[each] = True
                        self.layers[each].connectionLost(Failure(ConnectionDone()))

    def reached(self, condition: Any) -> Any:
        def look() -> Any:
            self.step()
            return condition()

        return until(look)


@with_each_library
async def test_over_a_transport_of_any_kind(certificates: Any, library: str) -> None:
    ears = Ear(), Ear(made=lambda ear: ear.transport.write(b"early"))
    async with AsyncioReactor():
        line = Line(certificates, library, *ears)
        await line.reached(lambda: all(ear.opened for ear in ears))
        ears[0].transport.writeSequence([b"and ", b"back"])
        await line.reached(lambda: ears[0].received == b"early" and ears[1].received == b"and back")
        assert ears[0].transport.getPeer().port == 1
        lose(ears[0])
        ears[0].transport.write(b"dropped")
        await line.reached(lambda: all(ear.lost for ear in ears))
        assert all(ear.reason.check(ConnectionDone) for ear in ears)
        assert ears[1].received == b"and back"


async def test_half_closing_over_what_cannot(certificates: Any) -> None:
    """TLS has halves of its own."""
    ears = HalfEar(), HalfEar()
    async with AsyncioReactor():
        line = Line(certificates, "stdlib", *ears)
        await line.reached(lambda: all(ear.opened for ear in ears))
        ears[1].transport.write(b"question")
        ears[1].transport.loseWriteConnection()
        await line.reached(lambda: "read_lost" in ears[0].events)
        ears[0].transport.write(b"answer")
        await line.reached(lambda: ears[1].received == b"answer")
        assert ears[0].received == b"question" and not ears[1].lost
        lose(ears[0])
        await line.reached(lambda: "read_lost" in ears[1].events or ears[1].lost)
        lose(ears[1])
        await line.reached(lambda: all(ear.lost for ear in ears))
        assert all(ear.reason.check(ConnectionDone) for ear in ears)


async def test_aborting_over_what_can_only_close(certificates: Any) -> None:
    ears = Ear(), Ear()
    async with AsyncioReactor():
        line = Line(certificates, "stdlib", *ears)
        await line.reached(lambda: all(ear.opened for ear in ears))
        ears[0].transport.write(b"never sent")
        ears[0].transport.abortConnection()
        await line.reached(lambda: all(ear.lost for ear in ears))
        await turns()
        assert ears[1].received == b"" and ears[1].reason.check(ConnectionLost)
        assert [ear.events.count("lost") for ear in ears] == [1, 1]


async def test_the_end_of_what_is_beneath_is_a_truncation(certificates: Any) -> None:
    ears = Ear(), Ear()
    async with AsyncioReactor():
        line = Line(certificates, "stdlib", *ears)
        await line.reached(lambda: all(ear.opened for ear in ears))
        line.layers[0].connectionLost(Failure(ConnectionDone()))
        await lost(ears[0], ConnectionLost)
        line.layers[1].connectionLost(Failure(ConnectionDone()))
        await lost(ears[1], ConnectionLost)
