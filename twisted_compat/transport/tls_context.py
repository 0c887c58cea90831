"""From what a program gives to say how to encrypt, to the backend that encrypts one connection.

That may be an ``ssl.SSLContext``, pyOpenSSL's ``Context``, an object that has either (``getContext``), or one
that makes pyOpenSSL's connections itself (IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator).
pyOpenSSL is imported only if one of its objects turns up.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted_compat.interfaces import IProtocolNegotiationFactory
from twisted_compat.transport.tls_engine import TLSBackend
from twisted_compat.transport.tls_stdlib import StdlibBackend, check_name

__all__ = ["MakeBackend", "acceptable_protocols", "backend_maker", "is_address", "key_log"]

MakeBackend = Callable[[Any], TLSBackend]
"""Called with the TLS layer of a new connection."""


def backend_maker(
    contextFactory: Any, is_client: bool, server_hostname: str | bytes | None, factory: Any = None
) -> MakeBackend:
    """Find out what was given, once; what is wrong with it is said here and not to each connection.

    :param contextFactory: as above.
    :param is_client: whether connections are to be TLS's clients.
    :param server_hostname: of a client: the name, or the address, of the server; None or "" for none.
    :param factory: makes the protocols; it may want to settle by ALPN which one is spoken.
    :returns: makes the backend of one connection.
    :raises TypeError: if ``contextFactory`` is nothing of the above, or ``server_hostname`` is no text.
    :raises ValueError: if that can't be a server's name; if a context verifies names, and there is none; or
        is one for the other side; or can't be told any more which protocols the factory speaks.
    """
    name = _plain_name(server_hostname) if is_client else None
    method = "clientConnectionForTLS" if is_client else "serverConnectionForTLS"
    creator = getattr(contextFactory, method, None)
    if creator is not None:
        from twisted_compat.transport.tls_pyopenssl import maker_by_creator

        return maker_by_creator(creator, is_client, name)
    context = contextFactory
    if hasattr(contextFactory, "getContext"):
        context = contextFactory.getContext()
    if isinstance(context, ssl.SSLContext):
        return _stdlib_maker(context, is_client, name)
    SSL = sys.modules.get("OpenSSL.SSL")
    if SSL is not None and isinstance(context, SSL.Context):
        from twisted_compat.transport.tls_pyopenssl import maker_by_context

        # Each connection asks again: legacy factories make a context for each.
        get_context = (lambda: context) if context is contextFactory else contextFactory.getContext
        return maker_by_context(get_context, is_client, name, factory)
    raise TypeError(
        f"{contextFactory!r} does not say how to encrypt. Give an ssl.SSLContext, such as "
        "ssl.create_default_context() makes, or an object whose getContext() returns one or a Context of "
        "pyOpenSSL."
    )


def _plain_name(server_hostname: str | bytes | None) -> str | None:
    """The name as certificates and SNI have it: without the zone of an address, without the root's dot."""
    if server_hostname is None:
        return None
    if isinstance(server_hostname, bytes):
        server_hostname = server_hostname.decode("ascii")
    if not isinstance(server_hostname, str):
        raise TypeError(
            f'A server_hostname is a name or an address, such as "example.com", not {server_hostname!r}.'
        )
    name = server_hostname.partition("%")[0].rstrip(".")
    if not name or is_address(name):
        return name or None
    try:
        encoded = name.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{server_hostname!r} can't be the name of a server: {error}") from error
    if b"\0" in encoded:
        raise ValueError(f"{server_hostname!r} can't be the name of a server: there is a zero byte in it")
    return name


def is_address(name: str) -> bool:
    """Whether ``name`` is an IP address, and no name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def acceptable_protocols(factory: Any) -> list[bytes] | None:
    """The protocols that a factory speaks and wants to have settled by ALPN, the most wanted first.

    :returns: None if it leaves that to the context.
    """
    if not IProtocolNegotiationFactory.providedBy(factory):
        return None
    return list(factory.acceptableProtocols() or ())


def key_log() -> str | None:
    """The path of the file to which the keys of all connections are to be written, for those who look at the
    traffic; None for none, which is the rule."""
    return os.environ.get("SSLKEYLOGFILE") or None


def _stdlib_maker(context: ssl.SSLContext, is_client: bool, name: str | None) -> MakeBackend:
    context.options |= ssl.OP_NO_RENEGOTIATION
    if context.keylog_filename is None and key_log():
        context.keylog_filename = key_log()
    if is_client:
        check_name(context, name)
    if context.protocol is (ssl.PROTOCOL_TLS_SERVER if is_client else ssl.PROTOCOL_TLS_CLIENT):
        side, right = ("client", "PROTOCOL_TLS_CLIENT") if is_client else ("server", "PROTOCOL_TLS_SERVER")
        raise ValueError(
            f"{context!r} is not one for a TLS {side}. Make it with ssl.SSLContext(ssl.{right})."
        )

    def make(layer: Any) -> StdlibBackend:
        return StdlibBackend(context, not is_client, name, acceptable_protocols(layer.factory.wrappedFactory))

    return make
