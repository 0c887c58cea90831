"""Gives certificates and keys to pyOpenSSL's contexts, whichever kind of object its version asks for.

Our own classes hold pyOpenSSL's ``X509`` and ``PKey``, as Twisted's do. Newer pyOpenSSL warns of these and
wants cryptography's; older ones know nothing else. The caller may have either kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey

from twisted_compat.ssl.keys import as_cryptographys

__all__ = ["add_to_chain", "use_certificate", "use_private_key"]


def use_certificate(context: Any, certificate: X509 | x509.Certificate) -> None:
    """Have the context show this certificate."""
    _hand(context, context.use_certificate, certificate)


def add_to_chain(context: Any, certificate: X509 | x509.Certificate) -> None:
    """Have the context send this one along with its own."""
    _hand(context, context.add_extra_chain_cert, certificate)


def use_private_key(context: Any, key: Any) -> None:
    """Have the context sign with this key."""
    _hand(context, context.use_privatekey, key)


def _hand(context: Any, take: Callable[[Any], None], thing: Any) -> None:
    if not isinstance(context, SSL.Context):  # somebody's own, who knows what they gave us
        take(thing)
        return
    try:
        take(_newer(thing))
    except TypeError:  # pyOpenSSL up to 24.2
        take(_older(thing))


def _newer(thing: Any) -> Any:
    if isinstance(thing, X509):
        return thing.to_cryptography()
    return as_cryptographys(thing) if isinstance(thing, PKey) else thing


def _older(thing: Any) -> Any:
    if isinstance(thing, (X509, PKey)):
        return thing
    if isinstance(thing, x509.Certificate):
        return X509.from_cryptography(thing)
    return PKey.from_cryptography_key(thing)
