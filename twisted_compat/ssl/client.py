"""A client's connections, which want to see the certificate of the host that they meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL
from zope.interface import implementer

from twisted_compat.interfaces import IOpenSSLClientConnectionCreator
from twisted_compat.ssl.options import CertificateOptions
from twisted_compat.ssl.private import PrivateCertificate
from twisted_compat.ssl.trust import platformTrust
from twisted_compat.ssl.verifying import checks_name
from twisted_compat.transport.sockets import is_literal

__all__ = ["ClientTLSOptions", "optionsForClientTLS"]


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLSOptions:
    """What :func:`optionsForClientTLS` makes: connections with the server's name checked.

    :param createConnection: called with the TLS layer; makes pyOpenSSL's ``Connection``, but for what the
        name has to do with.
    :param hostname: the server's name, or its IP address.
    :param sendServerName: whether it is told which name it is asked for; None: if that isn't an IP address.
    :raises UnicodeError: for what can't be a host's name.
    """

    def __init__(
        self,
        createConnection: Callable[[Any], SSL.Connection],
        hostname: str,
        sendServerName: bool | None = None,
    ) -> None:
        self._createConnection = createConnection
        self._hostname = hostname
        self._hostnameIsDnsName = not is_literal(hostname)
        if self._hostnameIsDnsName:
            self._hostnameBytes = _in_ascii(hostname)
        else:
            self._hostnameBytes = hostname.partition("%")[0].encode("ascii")  # no certificate has a zone
        self._hostnameASCII = self._hostnameBytes.decode("ascii")
        self._sendServerName = self._hostnameIsDnsName if sendServerName is None else sendServerName

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make the TLS state of one connection (IOpenSSLClientConnectionCreator)."""
        connection = self._createConnection(tlsProtocol)
        if connection.get_app_data() is None:
            connection.set_app_data(tlsProtocol)
        if self._sendServerName:
            connection.set_tlsext_host_name(self._hostnameBytes)
        connection.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
            checks_name(self._hostnameASCII, self._hostnameIsDnsName),
        )
        return connection


def optionsForClientTLS(
    hostname: str,
    trustRoot: Any = None,
    clientCertificate: PrivateCertificate | None = None,
    acceptableProtocols: Sequence[bytes] | None = None,
    *,
    extraCertificateOptions: dict[str, Any] | None = None,
    sendServerName: bool | None = None,
) -> ClientTLSOptions:
    """Say how to connect to a server. Give it as the context factory.

    The server has to show a certificate that is for ``hostname`` and signed by who is trusted. If it isn't,
    the connection is lost with ``service_identity.VerificationError``, or with ``OpenSSL.SSL.Error``.

    :param hostname: the server's name, also with letters beyond ASCII; or its IP address.
    :param trustRoot: ``platformTrust()``, which is the default, ``trustRootFromCertificates(...)``, or an
        authority's ``Certificate``.
    :param clientCertificate: what to show if the server asks for it.
    :param acceptableProtocols: names of protocols in bytes, the most wanted first (ALPN).
    :param extraCertificateOptions: further arguments for :class:`~twisted_compat.ssl.CertificateOptions`.
    :param sendServerName: whether the server is told which name it is asked for (SNI); None: if that isn't an
        IP address, as RFC 6066 wants it.
    :raises TypeError: for a hostname that is no text.
    :raises UnicodeError: for what can't be a host's name.
    """
    if not isinstance(hostname, str):
        raise TypeError(
            f"optionsForClientTLS wants the host's name as text, not {type(hostname).__name__}. "
            "Write: hostname.decode('ascii')"
        )
    extra = dict(extraCertificateOptions or {})
    if clientCertificate is not None:
        extra.update(privateKey=clientCertificate.privateKey.original, certificate=clientCertificate.original)
    options = CertificateOptions(
        trustRoot=platformTrust() if trustRoot is None else trustRoot,
        acceptableProtocols=acceptableProtocols,
        **extra,
    )
    return ClientTLSOptions(options._makeTLSConnection, hostname, sendServerName)


def _in_ascii(name: str) -> bytes:
    """``"bücher.example"`` -> ``b"xn--bcher-kva.example"``; by the newer rules if package idna is there."""
    try:
        import idna
    except ModuleNotFoundError:
        return name.encode("idna")
    return idna.encode(name)
