"""TLS by pyOpenSSL, for the engine in ``tls_engine.py``: legacy code configures ``SSL.Context`` objects.

A context can't be changed any more once a connection has been made of it, so what there is to add to one is
added before (:func:`prepare`). pyOpenSSL belongs to the extra ``tls``: this module is imported only where
somebody gives one of its objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from OpenSSL import SSL

from twisted_compat.transport.sockets import is_literal
from twisted_compat.transport.tls_engine import RECORD, CloseNotify, MakeBackend
from twisted_compat.transport.tls_parameters import acceptable_protocols, key_log
from twisted_compat.transport.tls_sessions import keep_session, take_session

__all__ = ["PyOpenSSLBackend", "maker_by_context", "maker_by_creator", "prepare"]

HEADER = 5
"""Bytes before the content of a TLS record; the last two of them say how long that is (RFC 8446, 5.1)."""
OVERHEAD = 256
"""Bytes: more than encrypting one record adds to it."""


class PyOpenSSLBackend:
    """A TLS connection of pyOpenSSL (a :class:`~.tls_engine.TLSBackend`).

    :param connection: made without a socket, and told whether it is the client or the server.
    :param server: of a client: who is at the other end and how that is verified, as far as it is known.
    :param server_side: whether this is the server, which waits for the client to begin.
    """

    def __init__(self, connection: SSL.Connection, server: Any = None, server_side: bool = False) -> None:
        self.handle = connection
        self.speaks_first = not server_side
        self._server = server
        self._to_send = False
        self._unsent = 0  # bytes of plaintext that have been encrypted and not been taken by outgoing()
        self._header = b""  # the beginning of a record's header
        self._missing = 0  # bytes of the record whose header has come
        if server is not None:
            session = take_session(connection.get_context(), server)
            if session is not None:
                connection.set_session(session)

    def handshake(self, data: bytes | memoryview) -> bool:
        """Go on with the handshake; see :meth:`TLSBackend.handshake`."""
        self._to_send = True
        if data:
            self.handle.bio_write(data)
            self._count_records(data)
        try:
            self.handle.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.ZeroReturnError:
            raise SSL.ZeroReturnError("the peer closed the connection amid the TLS handshake") from None
        except SSL.Error as error:
            raise self._explained(error) from None
        return True

    def _explained(self, error: SSL.Error) -> SSL.Error:
        """OpenSSL says only that a verification failed. If the context's callback has told the TLS layer
        which one, say so as well."""
        text = getattr(self.handle.get_app_data(), "verification_error", None)
        if text is None or not error.args or not isinstance(error.args[0], list):
            return error
        return SSL.Error([*error.args[0], ("X509", "", text)])

    def receive(self, data: bytes | memoryview, plaintext: list[bytes]) -> bool:
        """Decrypt; see :meth:`TLSBackend.receive`."""
        # Each recv that gives something takes at least one record. So when as many have given something as
        # records have come, another one would find nothing and raise, which takes as long as decrypting a
        # short message. What followed the handshake was not counted: b"" asks for all that there is.
        if data:
            self.handle.bio_write(data)
            records = self._count_records(data)
        else:
            records = -1
        recv = self.handle.recv
        try:
            while records:
                plaintext.append(recv(RECORD))
                records -= 1
        except SSL.WantReadError:
            self._to_send = True
            return True
        except SSL.ZeroReturnError:
            self._to_send = True
            raise CloseNotify from None
        except SSL.Error:
            self._to_send = True  # an alert
            raise
        return False

    def _count_records(self, data: bytes | memoryview) -> int:
        """How many records ``data`` ends, the one that it ends in the midst of included."""
        position, size, records = self._missing, len(data), 1 if self._missing else 0
        if self._header:
            data = self._header + data
            position, size, self._header = 0, len(data), b""
        while position + HEADER <= size:
            position += HEADER + (data[position + 3] << 8 | data[position + 4])
            records += 1
        if position < size:
            self._header = bytes(data[position:])
            self._missing = 0
            return records + 1
        self._missing = position - size
        return records

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt; see :meth:`TLSBackend.send`."""
        self._to_send = True
        sent = self.handle.send(data)
        self._unsent += sent
        return sent

    def close(self) -> None:
        """Make the close_notify; see :meth:`TLSBackend.close`."""
        self._to_send = True
        self.handle.shutdown()

    def outgoing(self) -> bytes:
        """Hand out what is to be sent."""
        if not self._to_send:
            return b""
        self._to_send = False
        # A buffer that it all fits into, where possible: one call, and none that finds nothing and raises.
        size = self._unsent + (self._unsent // RECORD + 1) * OVERHEAD + 4096
        self._unsent = 0
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self.handle.bio_read(size))
                if len(pieces[-1]) < size:
                    break
        except SSL.WantReadError:
            pass  # that was all
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def peer_certificate(self) -> Any:
        """The peer's certificate, an ``OpenSSL.crypto.X509``; None if it showed none."""
        return self.handle.get_peer_certificate()

    def negotiated_protocol(self) -> bytes | None:
        """The protocol settled by ALPN, if any."""
        return self.handle.get_alpn_proto_negotiated() or None

    def keep_session(self) -> None:
        """Keep a client's session for the next connection."""
        session = None if self._server is None else self.handle.get_session()
        if session is not None:
            keep_session(self.handle.get_context(), self._server, session)


def maker_by_creator(
    creator: Callable[[Any], SSL.Connection], is_client: bool, name: str | None
) -> MakeBackend:
    """What makes the backend of a connection where somebody else makes pyOpenSSL's part of it.

    :param creator: called with the TLS layer.
    :param name: the server's, where this is the client and knows it.
    """

    def make(layer: Any) -> PyOpenSSLBackend:
        connection = creator(layer)
        if not isinstance(connection, SSL.Connection):
            raise TypeError(f"{creator!r} returned {connection!r}, which is no OpenSSL.SSL.Connection")
        connection.set_app_data(layer)
        if hasattr(connection, "set_options"):  # from pyOpenSSL 24.3 on
            connection.set_options(SSL.OP_NO_RENEGOTIATION)
        if not is_client:
            connection.set_accept_state()
            return PyOpenSSLBackend(connection, server_side=True)
        connection.set_connect_state()
        # The same context may verify otherwise by then, or somebody else: that isn't the same server.
        return PyOpenSSLBackend(connection, (name, connection.get_servername(), connection.get_verify_mode()))

    return make


def maker_by_context(
    get_context: Callable[[], SSL.Context], is_client: bool, name: str | None, factory: Any
) -> MakeBackend:
    """What makes the backend of a connection of a context.

    :param factory: makes the protocols.
    :raises ValueError: if the factory wants ALPN, and the context can't be told so any more.
    """
    prepare(get_context(), not is_client and bool(acceptable_protocols(factory)))

    def create(layer: Any) -> SSL.Connection:
        context = get_context()
        protocols = acceptable_protocols(layer.factory.wrappedFactory)
        prepare(context, not is_client and bool(protocols))
        connection = SSL.Connection(context, None)
        if is_client and protocols:
            connection.set_alpn_protos(protocols)
        if is_client and name is not None and not is_literal(name):
            connection.set_tlsext_host_name(name.encode("idna"))
        return connection

    return maker_by_creator(create, is_client, name)


_prepared: WeakSet[SSL.Context] = WeakSet()
_choosing: WeakSet[SSL.Context] = WeakSet()


def prepare(context: SSL.Context, choose_protocols: bool = False) -> None:
    """Add to a context what all TLS connections here have: no renegotiation, and a log of keys if asked for.

    :param choose_protocols: whether the factories of its connections settle by ALPN which protocol is spoken.
    :raises ValueError: if they do, and it has been used already. OSError, if keys can't be logged.
    """
    if context not in _prepared:
        path = key_log()
        if path is not None:
            open(path, "ab").close()  # what the callback raises, nobody would hear of
        _prepared.add(context)
        try:
            context.set_options(SSL.OP_NO_RENEGOTIATION)
            if path is not None:
                context.set_keylog_callback(_log_key)
        except ValueError:  # it has been used elsewhere: it stays as it is
            pass
    if choose_protocols and context not in _choosing:
        context.set_alpn_select_callback(_choose_protocol)
        _choosing.add(context)


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Choose, of what a client offers, what the server likes best."""
    for protocol in acceptable_protocols(connection.get_app_data().factory.wrappedFactory) or ():
        if protocol in offered:
            return protocol
    return SSL.NO_OVERLAPPING_PROTOCOLS


def _log_key(connection: SSL.Connection, line: bytes) -> None:
    path = key_log()
    if path is not None:
        with open(path, "ab") as log:
            log.write(line + b"\n")
