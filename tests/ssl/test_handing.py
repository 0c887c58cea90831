"""Giving certificates and keys to contexts."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL

from tests.ssl.handshakes import key, self_signed
from twisted_compat.ssl.handing import add_to_chain, use_certificate, use_private_key

HANDS = {
    "use_certificate": use_certificate,
    "add_extra_chain_cert": add_to_chain,
    "use_privatekey": use_private_key,
}
OLD = {name: key().original if "key" in name else self_signed().original for name in HANDS}
NEW = {
    name: key().original.to_cryptography_key() if "key" in name else self_signed().original.to_cryptography()
    for name in HANDS
}


class Strange:
    """Somebody's own context."""

    def __init__(self, method: int) -> None:
        self.got: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return self.got.append


class OldContext(SSL.Context):
    """As it was before pyOpenSSL knew cryptography's objects."""

    def use_certificate(self, cert: Any) -> None:
        if not isinstance(cert, type(OLD["use_certificate"])):
            raise TypeError("cert must be an X509 instance")
        self.took = cert

    add_extra_chain_cert = use_certificate

    def use_privatekey(self, pkey: Any) -> None:
        if not isinstance(pkey, type(OLD["use_privatekey"])):
            raise TypeError("pkey must be a PKey instance")
        self.took = pkey


@pytest.mark.parametrize("kind", [OLD, NEW], ids=["pyOpenSSL", "cryptography"])
@pytest.mark.parametrize("name", HANDS)
def test_a_context_takes_either_kind(name: str, kind: Any) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    HANDS[name](context, kind[name])


@pytest.mark.parametrize("kind", [OLD, NEW], ids=["pyOpenSSL", "cryptography"])
@pytest.mark.parametrize("name", HANDS)
def test_an_old_one_gets_pyopenssls_kind(name: str, kind: Any) -> None:
    context = OldContext(SSL.TLS_METHOD)
    HANDS[name](context, kind[name])
    assert type(context.took) is type(OLD[name])


@pytest.mark.parametrize("name", HANDS)
def test_somebodys_own_gets_what_was_given(name: str) -> None:
    context = Strange(0)
    HANDS[name](context, OLD[name])
    assert context.got == [OLD[name]]


def test_a_certificate_and_its_key_belong_together() -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    use_certificate(context, self_signed().original)
    use_private_key(context, key().original)
    context.check_privatekey()
    with pytest.raises(SSL.Error):
        use_private_key(context, key(1).original)
