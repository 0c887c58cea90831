"""Public keys; and how keys are made, and written down.

``private`` has the ``KeyPair`` that stands on this.
"""

from __future__ import annotations

from hashlib import md5
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from OpenSSL import crypto
from OpenSSL.crypto import PKey

__all__ = ["PublicKey", "as_cryptographys", "dump", "generate"]

_converted: WeakKeyDictionary[PKey, Any] = WeakKeyDictionary()


class PublicKey:
    """The public part of a key. There is little to do with it but to compare it with another.

    :param osslpkey: pyOpenSSL's ``PKey``, which should have no private part; :attr:`original` afterwards.
    """

    def __init__(self, osslpkey: PKey) -> None:
        self.original = osslpkey

    def matches(self, otherKey: PublicKey) -> bool:
        """Tell whether the other key has the same public part."""
        return self.keyHash() == otherKey.keyHash()

    def keyHash(self) -> str:
        """Give 32 hexadecimal digits that stand for the public part: to tell keys apart, not to trust."""
        encoded = crypto.dump_publickey(crypto.FILETYPE_ASN1, self.original)
        return md5(encoded, usedforsecurity=False).hexdigest()

    def inspect(self) -> str:
        """Describe the key in a line."""
        return f"Public Key with Hash: {self.keyHash()}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.keyHash()}>"


def generate(kind: int, size: int) -> PKey:
    """Make a new private key.

    :param kind: ``OpenSSL.crypto.TYPE_RSA`` or ``TYPE_DSA``.
    :param size: in bits.
    :raises OpenSSL.crypto.Error: for another kind.
    :raises ValueError: for a size that is no good.
    """
    key: rsa.RSAPrivateKey | dsa.DSAPrivateKey
    if kind == crypto.TYPE_RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=size)
    elif kind == crypto.TYPE_DSA:
        key = dsa.generate_private_key(key_size=size)
    else:
        raise crypto.Error(
            f"No key of the kind {kind!r} can be made here. "
            "Write OpenSSL.crypto.TYPE_RSA; or load a key that something else has made."
        )
    made = PKey.from_cryptography_key(key)
    _converted[made] = key
    return made


def as_cryptographys(key: PKey) -> Any:
    """Give the key as cryptography has it. That is done once for each: the numbers of an RSA key are checked,
    which takes longer than to sign with it."""
    converted = _converted.get(key)
    if converted is None:
        converted = _converted[key] = key.to_cryptography_key()
    return converted


def dump(key: PKey, format: int) -> bytes:
    """Write down a private key, unencrypted.

    :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER, in the form of the key's kind), or ``FILETYPE_PEM``.
    :raises ValueError: for another format.
    """
    private = as_cryptographys(key)
    layout = serialization.PrivateFormat.PKCS8
    if format == crypto.FILETYPE_PEM:
        encoding = serialization.Encoding.PEM
    elif format == crypto.FILETYPE_ASN1:
        encoding = serialization.Encoding.DER
        if isinstance(private, (rsa.RSAPrivateKey, dsa.DSAPrivateKey, ec.EllipticCurvePrivateKey)):
            layout = serialization.PrivateFormat.TraditionalOpenSSL
    else:
        raise ValueError(f"A key can be written as FILETYPE_PEM or FILETYPE_ASN1, not as {format!r}")
    if not hasattr(private, "private_bytes"):
        raise crypto.Error("This key has no private part, so there is nothing to write down.")
    written: bytes = private.private_bytes(encoding, layout, serialization.NoEncryption())
    return written
