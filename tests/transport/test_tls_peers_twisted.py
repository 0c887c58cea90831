"""TLS with Twisted's own, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED, until
from tests.transport.tls_programs import (
    Dialling,
    Service,
    Serving,
    Speaker,
    libraries,
    named_in,
    opened,
    script,
)
from twisted_compat import AsyncioReactor

pytestmark = [
    pytest.mark.without_debug,
    pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed"),
]

HERE = "127.0.0.1"
BIG = bytes(range(256)) * (1 << 12) + b"the end"  # 1 MiB: more than any kernel keeps for a socket


TWISTED = """
import sys

from twisted.internet import endpoints, protocol, reactor, ssl, stdio
from twisted.internet.interfaces import IHandshakeListener
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

mine, authority = (open(name).read() for name in sys.argv[1:])
certificate = ssl.PrivateCertificate.loadPEM(mine)
trusted = ssl.Certificate.loadPEM(authority)
serving = certificate.options(trusted)  # it wants certificates of its clients
connecting = ssl.optionsForClientTLS("localhost", trusted, certificate)


@implementer(IHandshakeListener)
class Echo(protocol.Protocol):
    "Sends back what comes."

    def handshakeCompleted(self):
        print("shaken", self.transport.getPeerCertificate().get_subject().CN)

    def dataReceived(self, data):
        self.transport.write(data)

    def connectionLost(self, reason):
        print("lost", reason.type.__name__)


class Upgrading(LineReceiver):
    "Agrees on TLS by one line each, and then is an Echo."

    first = False

    def connectionMade(self):
        if self.first:
            self.sendLine(b"please")

    def lineReceived(self, line):
        if line == b"please":
            self.sendLine(b"go on")
            options = serving
        else:
            options = connecting
        echo = Echo()
        self.transport.protocol = echo
        echo.makeConnection(self.transport)
        self.transport.startTLS(options)
        self.transport.write(b"welcome ")


class First(Upgrading):
    first = True


class Orders(LineReceiver):
    "What the standard input says."

    delimiter = b"\\n"

    def lineReceived(self, line):
        how, port = line.decode().split()
        if how == "ssl":
            reactor.connectSSL("127.0.0.1", int(port), protocol.ClientFactory.forProtocol(Echo), connecting)
        else:
            reactor.connectTCP("127.0.0.1", int(port), protocol.ClientFactory.forProtocol(First))

    def connectionLost(self, reason):
        reactor.stop()


stdio.StandardIO(Orders())
whole = reactor.listenSSL(0, protocol.Factory.forProtocol(Echo), serving, interface="127.0.0.1")
later = reactor.listenTCP(0, protocol.Factory.forProtocol(Upgrading), interface="127.0.0.1")
print("ready", whole.getHost().port, later.getHost().port)
reactor.run()
"""


class Twisted:
    """The process.

    :ivar whole: the port of a server whose connections begin with TLS.
    :ivar later: the port of one that goes over to TLS in mid-stream.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        _, whole, later = service.ready("ready").split()
        self.whole, self.later = int(whole), int(later)
        self.before = 0

    async def lost(self) -> str:
        """How its connection has ended."""
        line = await until(lambda: self.service.said("lost", self.before))
        return str(line)


@pytest.fixture(scope="module")
def process(certificates: Any) -> Iterator[Twisted]:
    with script(TWISTED, certificates.server.both_path, certificates.ca_path) as service:
        yield Twisted(service)


@pytest.fixture
def twisted(process: Twisted) -> Twisted:
    """The process, of which the test looks only at what it says from now on."""
    process.before = len(process.service.lines)
    return process


async def exchange(protocol: Any, twisted: Twisted, greeting: bytes = b"") -> None:
    """Much goes there and back; we close."""
    protocol.transport.write(BIG)
    await until(lambda: len(protocol.received) >= len(greeting + BIG))
    protocol.transport.loseConnection()
    await until(lambda: protocol.reasons)
    assert protocol.received == greeting + BIG
    assert protocol.ended == ["ConnectionDone"]
    assert await twisted.lost() == "lost ConnectionDone"


@libraries
async def test_a_server_of_twisteds(twisted: Twisted, certificates: Any, library: str) -> None:
    factory = Dialling(Speaker)
    async with AsyncioReactor() as reactor:
        context = certificates.client_context(library, certificates.client)
        reactor.connectSSL(HERE, twisted.whole, factory, context, server_hostname="localhost")
        protocol = await opened(factory)
        assert protocol.certificate == named_in(certificates.server.chain_path)
        await exchange(protocol, twisted)
    await until(lambda: twisted.service.said("shaken a client", twisted.before))


@libraries
async def test_a_client_of_twisteds(twisted: Twisted, certificates: Any, library: str) -> None:
    factory = Serving(Speaker)
    async with AsyncioReactor() as reactor:
        context = certificates.server_context(library, client_ca=True)
        port = reactor.listenSSL(0, factory, context, interface=HERE).getHost().port
        twisted.service.tell(f"ssl {port}")
        protocol = await opened(factory)
        assert protocol.certificate == named_in(certificates.server.chain_path)
        await exchange(protocol, twisted)


@libraries
async def test_each_hears_that_the_other_refuses_it(
    twisted: Twisted, certificates: Any, library: str
) -> None:
    """Twisted's server wants a certificate, and its client knows no stranger."""
    factory, serving = Dialling(Speaker), Serving(Speaker)
    async with AsyncioReactor() as reactor:
        context = certificates.client_context(library)
        reactor.connectSSL(HERE, twisted.whole, factory, context, server_hostname="localhost")
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
        assert await twisted.lost() == "lost Error"
        context = certificates.server_context(library, certificates.stranger)
        port = reactor.listenSSL(0, serving, context, interface=HERE).getHost().port
        twisted.before = len(twisted.service.lines)
        twisted.service.tell(f"ssl {port}")
        await until(lambda: serving.protocols and serving.protocols[0].reasons)
        assert await twisted.lost() == "lost Error"
    for ours, alert in ((factory.protocols[0], "certificate required"), (serving.protocols[0], "unknown ca")):
        assert ours.ended in (["SSLError"], ["Error"])
        assert alert in ours.said.lower().replace("_", " ")


# In mid-stream


class Upgrading(Speaker):
    """Agrees on TLS by one line each."""

    context: Any = None
    first = False

    def connectionMade(self) -> None:
        super().connectionMade()
        if self.first:
            self.transport.write(b"please\r\n")

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if not self.handshakes and self.received.endswith(b"\r\n"):
            line, self.received = self.received, b""
            if line == b"please\r\n":
                self.transport.write(b"go on\r\n")
                self.transport.startTLS(self.context)
            else:
                self.transport.startTLS(self.context, server_hostname="localhost")


class First(Upgrading):
    first = True


@libraries
async def test_a_server_of_twisteds_goes_over_to_tls(
    twisted: Twisted, certificates: Any, library: str
) -> None:
    factory = Dialling(First)
    async with AsyncioReactor() as reactor:
        First.context = certificates.client_context(library, certificates.client)
        reactor.connectTCP(HERE, twisted.later, factory)
        await exchange(await opened(factory), twisted, greeting=b"welcome ")


@libraries
async def test_a_client_of_twisteds_goes_over_to_tls(
    twisted: Twisted, certificates: Any, library: str
) -> None:
    factory = Serving(Upgrading)
    async with AsyncioReactor() as reactor:
        Upgrading.context = certificates.server_context(library, client_ca=True)
        port = reactor.listenTCP(0, factory, interface=HERE).getHost().port
        twisted.service.tell(f"tcp {port}")
        await exchange(await opened(factory), twisted, greeting=b"welcome ")
