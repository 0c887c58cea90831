"""Both ends of TLS over endpoints, of whichever kind these are."""

from __future__ import annotations

from typing import Any

from tests.transport.recorders import Listening
from tests.transport.tls_pairs import Ear
from twisted_compat.endpoints import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    wrapClientTLS,
    wrapServerTLS,
)

__all__ = ["HERE", "Answering", "Places", "Speaking"]

HERE = "127.0.0.1"


class Speaking(Ear):
    """Sends back what it hears."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data)


class Places:
    """How both ends of TLS are made over one kind of endpoint.

    :param kind: ssl4, tcp4 or unix.
    :param path: of the UNIX socket.
    """

    def __init__(self, kind: str, path: str) -> None:
        self.kind = kind
        self.path = path

    def server(self, reactor: Any, context: Any) -> Any:
        """An endpoint that listens."""
        if self.kind == "ssl4":
            return SSL4ServerEndpoint(reactor, 0, context, interface=HERE)
        plain = {
            "tcp4": lambda: TCP4ServerEndpoint(reactor, 0, interface=HERE),
            "unix": lambda: UNIXServerEndpoint(reactor, self.path),
        }[self.kind]()
        return wrapServerTLS(context, plain)

    def client(self, reactor: Any, port: Any, context: Any) -> Any:
        """An endpoint that connects to ``port``, which the other has come to."""
        if self.kind == "unix":
            return wrapClientTLS(context, UNIXClientEndpoint(reactor, self.path), server_hostname="localhost")
        number = port.getHost().port
        if self.kind == "ssl4":
            return SSL4ClientEndpoint(reactor, HERE, number, context)
        return wrapClientTLS(context, TCP4ClientEndpoint(reactor, HERE, number))


class Answering(Listening):
    """A server's factory whose protocols answer."""

    def __init__(self) -> None:
        super().__init__(Speaking)
