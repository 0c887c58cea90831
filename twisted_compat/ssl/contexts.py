"""The context factories of old. They verify nothing: ``options`` and ``client`` have those that do."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from zope.interface import implementer

from twisted_compat.interfaces import IOpenSSLContextFactory
from twisted_compat.ssl.options import ALWAYS
from twisted_compat.ssl.versions import DEFAULT_MINIMUM, disabled_by

__all__ = ["ClientContextFactory", "ContextFactory", "DefaultOpenSSLContextFactory"]

NEGOTIATING = {
    getattr(SSL, name)
    for name in ("TLS_METHOD", "TLS_SERVER_METHOD", "TLS_CLIENT_METHOD", "SSLv23_METHOD")
    if hasattr(SSL, name)
}
"""The methods that stand for more than one version."""


def _harden(context: Any, method: int) -> None:
    """Versions before TLS 1.2 are out, unless the method asks for one of them by name."""
    context.set_options(ALWAYS)
    if method in NEGOTIATING:
        context.set_options(disabled_by(DEFAULT_MINIMUM))
    if isinstance(context, SSL.Context):
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_id(secrets.token_hex(8).encode())


@implementer(IOpenSSLContextFactory)
class ContextFactory:
    """What gives a server's contexts. A subclass's :meth:`getContext` says which."""

    isClient = 0

    def getContext(self) -> SSL.Context:
        """Give the context (IOpenSSLContextFactory).

        :raises NotImplementedError: in this class.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.getContext() has to be written: it gives the context."
        )


class DefaultOpenSSLContextFactory(ContextFactory):
    """A server's context, with a key and a certificate that are in files.

    :param privateKeyFileName: the path of the key, in PEM.
    :param certificateFileName: the path of the certificate, in PEM. One alone: a chain takes
        CertificateOptions.
    :param sslmethod: what pyOpenSSL's ``Context`` is made with; by default the versions from TLS 1.2 on.
    :param _contextFactory: what to make the context with.
    :raises OpenSSL.SSL.Error: if the files aren't there, or aren't what they should be; at once.
    """

    _context: Any = None

    def __init__(
        self,
        privateKeyFileName: str,
        certificateFileName: str,
        sslmethod: int = SSL.TLS_METHOD,
        _contextFactory: Callable[[int], Any] = SSL.Context,
    ) -> None:
        self.privateKeyFileName = privateKeyFileName
        self.certificateFileName = certificateFileName
        self.sslmethod = sslmethod
        self._contextFactory = _contextFactory
        self.cacheContext()

    def cacheContext(self) -> None:
        """Make the context, if it isn't made yet."""
        if self._context is None:
            context = self._contextFactory(self.sslmethod)
            _harden(context, self.sslmethod)
            context.use_certificate_file(self.certificateFileName)
            context.use_privatekey_file(self.privateKeyFileName)
            self._context = context

    def getContext(self) -> SSL.Context:
        """Give the context, the same one each time (IOpenSSLContextFactory)."""
        self.cacheContext()
        context: SSL.Context = self._context
        return context

    # Pickled are the names of the files.

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_context"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state


@implementer(IOpenSSLContextFactory)
class ClientContextFactory:
    """A client's contexts, which take any certificate. Whoever is in between can read along.

    ``optionsForClientTLS(hostname)`` makes what looks at certificates. A subclass may extend
    :meth:`getContext`.
    """

    isClient = 1

    method: int = SSL.TLS_METHOD
    """What pyOpenSSL's ``Context`` is made with."""

    _contextFactory: Callable[[int], Any] = SSL.Context

    def getContext(self) -> SSL.Context:
        """Give a new context, for the versions from TLS 1.2 on (IOpenSSLContextFactory)."""
        context = self._contextFactory(self.method)
        _harden(context, self.method)
        context.set_options(disabled_by(DEFAULT_MINIMUM))
        return context  # type: ignore[no-any-return]  # _contextFactory makes what does for one
