"""Handshakes in memory, between two of pyOpenSSL's connections; and keys that are made fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from OpenSSL.crypto import PKey

from twisted_compat.ssl import Certificate, DistinguishedName, KeyPair, PrivateCertificate


class Layer:
    """As much of a TLS layer as is known to what makes its connection."""

    def __init__(self, factory: Any = None) -> None:
        self.factory = factory
        self.failures: list[BaseException] = []
        self.aborted = False
        self.verification_error: str | None = None

    def failVerification(self, reason: Any) -> None:
        self.failures.append(reason.value)

    def abortConnection(self) -> None:
        self.aborted = True


@dataclass
class End:
    """One side of a handshake, and how it went."""

    connection: SSL.Connection
    layer: Layer
    error: SSL.Error | None = None
    done: bool = False

    def shake(self) -> None:
        if self.error is not None or self.done:
            return
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.error = error
        else:
            self.done = True

    @property
    def said(self) -> str:
        """What the error says."""
        assert self.error is not None
        return "; ".join(cause[2] for cause in self.error.args[0])


@dataclass
class Handshake:
    """Both sides, once nothing goes to and fro any more."""

    server: End
    client: End
    flights: int = field(default=0)

    @property
    def done(self) -> bool:
        return self.server.done and self.client.done

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for end, other in ((self.client, self.server), (self.server, self.client)):
                end.shake()
                if data := _outgoing(end.connection):
                    moved = True
                    self.flights += 1
                    assert self.flights < 100
                    other.connection.bio_write(data)


def _outgoing(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(1 << 20)
    except SSL.WantReadError:
        return b""


def shake_hands(
    server: Any, client: Any, server_layer: Layer | None = None, client_layer: Layer | None = None
) -> Handshake:
    """Connect what creates connections, or gives contexts, for a server and for a client."""
    server_layer, client_layer = server_layer or Layer(), client_layer or Layer()
    ends = []
    for creator, name, layer in (
        (server, "serverConnectionForTLS", server_layer),
        (client, "clientConnectionForTLS", client_layer),
    ):
        if hasattr(creator, name):
            connection = getattr(creator, name)(layer)
        else:
            connection = SSL.Connection(creator.getContext(), None)
        ends.append(End(connection, layer))
    handshake = Handshake(*ends)
    handshake.server.connection.set_accept_state()
    handshake.client.connection.set_connect_state()
    handshake.pump()
    return handshake


@cache
def _key(number: int) -> KeyPair:
    return KeyPair(PKey.from_cryptography_key(ec.generate_private_key(ec.SECP256R1())))


def key(number: int = 0) -> KeyPair:
    """A key of an elliptic curve; another one for each number."""
    return _key(number)


@cache
def rsa_key() -> KeyPair:
    """A key of the usual kind."""
    return KeyPair.generate()


@cache
def _self_signed(common_name: str, number: int) -> PrivateCertificate:
    return key(number).selfSignedCert(1, CN=common_name)


def self_signed(common_name: str = "localhost", number: int = 0) -> PrivateCertificate:
    """A certificate that is its own authority; the same one each time."""
    return _self_signed(common_name, number)


def signed_by(authority: PrivateCertificate, common_name: str, number: int = 1) -> PrivateCertificate:
    """A certificate by an authority."""
    request = key(number).requestObject(DistinguishedName(CN=common_name))
    return PrivateCertificate.fromCertificateAndKeyPair(authority.signRequestObject(request, 2), key(number))


def authority_of(certificates: Any) -> Certificate:
    """The authority of the tests' fixture."""
    with open(certificates.ca_path, "rb") as file:
        return Certificate.loadPEM(file.read())


def of_pair(pair: Any) -> PrivateCertificate:
    """One of the pairs of the tests' fixture."""
    with open(pair.both_path, "rb") as file:
        return PrivateCertificate.loadPEM(file.read())
