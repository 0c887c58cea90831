"""Cipher suites, and the parameters of Diffie and Hellman's key exchange."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from OpenSSL import SSL
from zope.interface import implementer

from twisted_compat.interfaces import IAcceptableCiphers, ICipher

__all__ = [
    "DEFAULT_CIPHERS",
    "AcceptableCiphers",
    "DiffieHellmanParameters",
    "OpenSSLCipher",
    "available_ciphers",
]


@implementer(ICipher)
@dataclass(frozen=True)
class OpenSSLCipher:
    """A cipher suite, by OpenSSL's name for it, such as ``"ECDHE-RSA-AES256-GCM-SHA384"``."""

    fullName: str


@lru_cache(maxsize=32)
def available_ciphers(cipherString: str, method: int, options: int) -> tuple[OpenSSLCipher, ...]:
    """Tell which suites a cipher string stands for, as far as they are to be had.

    :param cipherString: see openssl-ciphers(1).
    :param method: what a context is made with, such as ``SSL.TLS_METHOD``.
    :param options: of OpenSSL's, which may rule some out.
    :returns: the suites, in order; those of TLS 1.3 come with any others. None for a string without any.
    :raises OpenSSL.SSL.Error: if OpenSSL fails for another reason.
    """
    context = SSL.Context(method)
    context.set_options(options)
    try:
        context.set_cipher_list(cipherString.encode("ascii"))
    except SSL.Error as error:
        causes = error.args[0] if error.args else []
        # Where only TLS 1.3's are left, older pyOpenSSL raises an error without a cause.
        if not causes or causes[0][2] == "no cipher match":
            return ()
        raise
    return tuple(map(OpenSSLCipher, SSL.Connection(context, None).get_cipher_list()))


@implementer(IAcceptableCiphers)
class AcceptableCiphers:
    """A choice of cipher suites.

    :param ciphers: ICipher providers, the most wanted first.
    """

    def __init__(self, ciphers: Iterable[ICipher]) -> None:
        self._ciphers = tuple(ciphers)

    def selectCiphers(self, availableCiphers: Iterable[ICipher]) -> tuple[ICipher, ...]:
        """Give those of the choice that are available, in the order of the choice (IAcceptableCiphers)."""
        available = set(availableCiphers)
        return tuple(cipher for cipher in self._ciphers if cipher in available)

    @classmethod
    def fromOpenSSLCipherString(cls, cipherString: str) -> AcceptableCiphers:
        """Make a choice of what openssl-ciphers(1) describes, such as ``"ECDHE+AESGCM:!aNULL"``."""
        return cls(available_ciphers(cipherString, SSL.TLS_METHOD, SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3))


# Keys that are made for the connection and forgotten with it come first, elliptic curves before the slower
# kind; encryption that authenticates comes before that which has to have it added.
DEFAULT_CIPHERS = AcceptableCiphers.fromOpenSSLCipherString(
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
    ":ECDHE+AES256:DHE+AES256:ECDHE+AES128:DHE+AES"
    ":kRSA+AESGCM:kRSA+AES"
    ":!aNULL:!aDSS:!MD5"
)


class DiffieHellmanParameters:
    """The parameters of Diffie and Hellman's key exchange, in a file; elliptic curves need none.

    :param parameters: the path of a PEM file, as "openssl dhparam" writes it; or an object that has the path
        as ``path``, as Twisted's FilePath does.
    """

    def __init__(self, parameters: Any) -> None:
        self._dhFile = parameters

    @classmethod
    def fromFile(cls, filePath: Any) -> DiffieHellmanParameters:
        """Take them from a file, which is read when a context is made; see the class."""
        return cls(filePath)


def path_of(parameters: Any) -> str | bytes:
    """Give the path of the file with these :class:`DiffieHellmanParameters`."""
    file = parameters._dhFile
    path: str | bytes = os.fspath(getattr(file, "path", file))
    return path
