"""An AMP peer on Twisted's own reactor: prints its port, and answers until its standard input ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor, ssl, stdio
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from tests.bridge.twisted.ecosystem.amp_words import Call, Peer


class Server(Peer):
    """A peer that can be told to call back."""

    @Call.responder
    async def call(self, port: int) -> Any:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        peer = await connectProtocol(endpoint, Peer(self.certificate, self.authority))
        name = await peer.start_tls()
        peer.transport.loseConnection()
        return {"total": 42, "peer": name}


class UntilTheEnd(Protocol):
    """Ends the program with its standard input."""

    def connectionLost(self, reason: Any = None) -> None:
        reactor.stop()


def main(directory: str) -> None:
    """:param directory: of an Authority."""
    pem = [(Path(directory) / name).read_bytes() for name in ("server.pem", "server.key", "authority.pem")]
    certificate = ssl.PrivateCertificate.loadPEM(pem[0] + pem[1])
    factory = Factory.forProtocol(lambda: Server(certificate, ssl.Certificate.loadPEM(pem[2])))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    stdio.StandardIO(UntilTheEnd())
    print(port.getHost().port, flush=True)
    reactor.run()


main(sys.argv[1])
