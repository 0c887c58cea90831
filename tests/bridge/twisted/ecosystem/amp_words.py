"""What two AMP peers can ask of each other, and who answers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from twisted.internet import ssl
from twisted.protocols import amp

__all__ = ["Ask", "Call", "Divide", "Peer", "Sum"]


class Sum(amp.Command):
    """The sum of two numbers."""

    arguments = (
        (b"a", amp.Integer()),
        (b"b", amp.Integer()),
    )
    response = ((b"total", amp.Integer()),)


class Divide(amp.Command):
    """A quotient, or an error that both sides know."""

    arguments = (
        (b"a", amp.Integer()),
        (b"b", amp.Integer()),
    )
    response = ((b"quotient", amp.Float()),)
    errors = MappingProxyType({ZeroDivisionError: b"ZERO_DIVISION"})


class Ask(amp.Command):
    """Have the other side ask us for as many sums, one within the other; their total."""

    arguments = ((b"times", amp.Integer()),)
    response = ((b"total", amp.Integer()),)


class Call(amp.Command):
    """Have the other side connect to us, start TLS and ask for a sum."""

    arguments = ((b"port", amp.Integer()),)
    response = (
        (b"total", amp.Integer()),
        (b"peer", amp.Unicode()),
    )


class Peer(amp.AMP):
    """Answers.

    :param certificate: a PrivateCertificate, for who starts TLS.
    :param authority: the Certificate that vouches for the other side.
    """

    def __init__(self, certificate: Any, authority: Any) -> None:
        super().__init__()
        self.certificate = certificate
        self.authority = authority
        self.lost: Any = None

    @Sum.responder
    def sum(self, a: int, b: int) -> Any:
        return {"total": a + b}

    @Divide.responder
    def divide(self, a: int, b: int) -> Any:
        return {"quotient": a / b}

    @Ask.responder
    async def ask(self, times: int) -> Any:
        total = 0
        for number in range(times):
            total = (await self.callRemote(Sum, a=total, b=number))["total"]
        return {"total": total}

    @amp.StartTLS.responder
    def secure(self) -> Any:
        return self.tls_arguments()

    def tls_arguments(self) -> dict[str, Any]:
        """What callRemote(StartTLS) takes, and what its responder answers."""
        return {"tls_localCertificate": self.certificate, "tls_verifyAuthorities": [self.authority]}

    async def start_tls(self) -> str:
        """Start TLS from this side, ask for a sum; who the other side says that it is."""
        await self.callRemote(amp.StartTLS, **self.tls_arguments())
        assert (await self.callRemote(Sum, a=40, b=2))["total"] == 42
        name: str = ssl.Certificate.peerFromTransport(self.transport).getSubject().commonName.decode()
        return name

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.lost = reason
