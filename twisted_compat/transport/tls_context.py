"""From what a program gives to say how to encrypt, to the backend that encrypts one connection.

That may be an ``ssl.SSLContext``, pyOpenSSL's ``Context``, an object that has either (``getContext``), or one
that makes pyOpenSSL's connections itself (IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator).
pyOpenSSL is imported only if one of its objects turns up.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any

from twisted_compat.transport.tls_engine import MakeBackend
from twisted_compat.transport.tls_parameters import acceptable_protocols, key_log, plain_name
from twisted_compat.transport.tls_stdlib import StdlibBackend, check_name

__all__ = ["backend_maker"]


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
    name = plain_name(server_hostname) if is_client else None
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


def _stdlib_maker(context: ssl.SSLContext, is_client: bool, name: str | None) -> MakeBackend:
    if is_client:
        check_name(context, name)
    if context.protocol is (ssl.PROTOCOL_TLS_SERVER if is_client else ssl.PROTOCOL_TLS_CLIENT):
        side, right = ("client", "PROTOCOL_TLS_CLIENT") if is_client else ("server", "PROTOCOL_TLS_SERVER")
        raise ValueError(
            f"{context!r} is not one for a TLS {side}. Make it with ssl.SSLContext(ssl.{right})."
        )
    context.options |= ssl.OP_NO_RENEGOTIATION
    if context.keylog_filename is None and key_log():
        context.keylog_filename = key_log()

    def make(layer: Any) -> StdlibBackend:
        return StdlibBackend(context, not is_client, name, acceptable_protocols(layer.factory.wrappedFactory))

    return make
