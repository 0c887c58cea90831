"""TLS by the standard library's ``ssl``, for the engine in ``tls_engine.py``."""

from __future__ import annotations

import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted_compat.transport.tls_engine import RECORD, CloseNotify
from twisted_compat.transport.tls_sessions import keep_session, take_session

__all__ = ["PeerCertificate", "StdlibBackend", "check_name"]

SESSIONS_LEAK = sys.version_info < (3, 12, 7) or (3, 13) <= sys.version_info < (3, 13, 1)
"""Whether each reading of a session costs its memory for ever (CPython's issue 116810)."""
SET_HERE = "_twisted_compat_alpn"
"""A context with this attribute has the protocols of some factory, which it says, and not its own."""


@dataclass(frozen=True)
class PeerCertificate:
    """The certificate that the peer of a TLS connection showed, where ``ssl.SSLContext`` made that.

    :ivar der: the certificate, as bytes in DER; ``cryptography.x509.load_der_x509_certificate`` reads it, and
        ``twisted_compat.ssl.Certificate.load``.
    :ivar info: what is in it, as ``ssl.SSLSocket.getpeercert()`` says it; empty if it was not verified.
    """

    der: bytes
    info: dict[str, Any]


def check_name(context: ssl.SSLContext, server_hostname: str | None) -> None:
    """See to it that a context which verifies names is given one: ``wrap_bio`` would verify nothing then.

    :raises ValueError: if it is not.
    """
    if context.check_hostname and not server_hostname:
        raise ValueError(
            "The ssl.SSLContext verifies the server's name, and none is known. Give server_hostname='...'."
        )


class StdlibBackend:
    """A TLS connection of the standard library (a :class:`~.tls_engine.TLSBackend`).

    :param context: the context, a client's or a server's.
    :param server_side: whether this is the server.
    :param server_hostname: the name to ask for, and to verify if the context verifies names. None for none.
    :param protocols: what to settle by ALPN, the most wanted first; None to leave that to the context.
    :raises ValueError: if the context verifies names and there is none.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None = None,
        protocols: list[bytes] | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.speaks_first = not server_side
        self._context = context
        self._protocols = protocols
        if not server_side:
            check_name(context, server_hostname)
        self._set_protocols()
        self._server = None if server_side else (server_hostname, context.verify_mode, context.check_hostname)
        session = None if server_side else take_session(context, self._server)
        self.handle = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname, session=session
        )

    def _set_protocols(self) -> None:
        """``ssl`` has no ALPN for a connection, only for its context, which several factories may share."""
        context, wanted = self._context, self._protocols
        set_here = vars(context).get(SET_HERE)
        if wanted is None and set_here is not None:
            wanted = []
        # Not without need: another thread may be looking at them, and Python frees those from before.
        if wanted is not None and wanted != set_here:
            context.set_alpn_protocols([protocol.decode("ascii") for protocol in wanted])
            vars(context)[SET_HERE] = wanted

    def handshake(self, data: bytes | memoryview) -> bool:
        """Go on with the handshake; see :meth:`TLSBackend.handshake`."""
        self._incoming.write(data)
        if self._server is None:  # the choice is made as the client's offer is read
            self._set_protocols()
        try:
            self.handle.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def receive(self, data: bytes | memoryview, plaintext: list[bytes]) -> bool:
        """Decrypt; see :meth:`TLSBackend.receive`."""
        incoming = self._incoming
        incoming.write(data)
        read = self.handle.read
        try:
            # One read gives one record. While bytes of another one wait, they wait here, not in OpenSSL: so
            # the read that finds nothing, and raises, is spared as long as whole records arrive.
            while incoming.pending:
                piece = read(RECORD)
                if not piece:
                    raise CloseNotify
                plaintext.append(piece)
        except ssl.SSLWantReadError:
            pass  # that was all
        except ssl.SSLZeroReturnError:
            raise CloseNotify from None
        return self._outgoing.pending > 0

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt; see :meth:`TLSBackend.send`."""
        return self.handle.write(data)

    def close(self) -> None:
        """Make the close_notify; see :meth:`TLSBackend.close`."""
        with suppress(ssl.SSLWantReadError):  # ours is made; the peer's has not come yet
            self.handle.unwrap()

    def outgoing(self) -> bytes:
        """Hand out what is to be sent."""
        return self._outgoing.read()

    def peer_certificate(self) -> PeerCertificate | None:
        """The peer's certificate; None if it showed none."""
        der = self.handle.getpeercert(binary_form=True)
        return None if der is None else PeerCertificate(der, self.handle.getpeercert() or {})

    def negotiated_protocol(self) -> bytes | None:
        """The protocol settled by ALPN, if any."""
        name = self.handle.selected_alpn_protocol()
        return None if name is None else name.encode("ascii")

    def keep_session(self) -> None:
        """Keep a client's session for the next connection, except where Python would lose its memory."""
        session = None if self._server is None or SESSIONS_LEAK else self.handle.session
        if session is not None:
            keep_session(self._context, self._server, session)
