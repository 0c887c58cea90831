"""A client's side of TLS 1.3, in memory, as cheap as it can be: OpenSSL's clients take longer for a handshake
than its servers do.

It speaks X25519 and TLS_AES_256_GCM_SHA384, has the same key for all its handshakes, and believes whatever
the server shows. That both have the same secrets is seen all the same: neither could decrypt otherwise what
the other sends, and the server checks the client's Finished. Nobody who has something to lose may do this.

Numbers in parentheses are sections of RFC 8446.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha384

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Client"]

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23  # types of records (5.1)
SERVER_HELLO, FINISHED = 2, 20  # types of messages (4)
CLOSE_NOTIFY = bytes((1, 0))
KEY_SHARE = b"\x00\x33"
X25519 = b"\x00\x1d"
CIPHER_SUITE = b"\x13\x02"

HASH_SIZE = 48
NOTHING = bytes(HASH_SIZE)
EMPTY_HASH = sha384().digest()

OUR_KEY = X25519PrivateKey.generate()


def _sized(size: int, *parts: bytes) -> bytes:
    """A vector: its parts, behind their length in so many bytes (3.4)."""
    content = b"".join(parts)
    return len(content).to_bytes(size, "big") + content


def _hello() -> tuple[bytes, bytes]:
    """A ClientHello (4.1.2): what is before its random bytes, and what is behind them."""
    extensions = _sized(
        2,
        b"\x00\x2b" + _sized(2, _sized(1, b"\x03\x04")),  # supported_versions: 1.3
        b"\x00\x0a" + _sized(2, _sized(2, X25519)),  # supported_groups
        b"\x00\x0d" + _sized(2, _sized(2, b"\x04\x03")),  # signature_algorithms: ECDSA on P-256
        b"\x00\x2d" + _sized(2, _sized(1, b"\x01")),  # psk_key_exchange_modes: or servers send no tickets
        KEY_SHARE + _sized(2, _sized(2, X25519 + _sized(2, OUR_KEY.public_key().public_bytes_raw()))),
    )
    behind = _sized(1) + _sized(2, CIPHER_SUITE) + _sized(1, b"\x00") + extensions
    message = bytes((1,)) + (2 + 32 + len(behind)).to_bytes(3, "big") + b"\x03\x03"
    return message, behind


BEFORE, BEHIND = _hello()


def _info(label: str, size: int, context_size: int = 0) -> bytes:
    """What HKDF-Expand-Label hashes before a context (7.1)."""
    return size.to_bytes(2, "big") + _sized(1, b"tls13 " + label.encode("ascii")) + bytes((context_size,))


def _expand(secret: bytes, info: bytes, context: bytes = b"") -> bytes:
    """HKDF-Expand-Label of what is no longer than a hash: one round of HKDF is enough (RFC 5869, 2.3)."""
    return hmac.digest(secret, info + context + b"\x01", "sha384")


DERIVED, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT_DATA, SERVER_DATA = (
    _info(label, HASH_SIZE, HASH_SIZE)
    for label in ("derived", "c hs traffic", "s hs traffic", "c ap traffic", "s ap traffic")
)
KEY, NONCE, FINISHED_KEY = _info("key", 32), _info("iv", 12), _info("finished", HASH_SIZE)
FIRST_SALT = _expand(hmac.digest(NOTHING, NOTHING, "sha384"), DERIVED, EMPTY_HASH)  # no PSK: always the same


class _Direction:
    """Records one after the other, under a secret (5.2, 5.3)."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(_expand(secret, KEY)[:32])
        self._nonce = int.from_bytes(_expand(secret, NONCE)[:12], "big")
        self._count = 0

    def _next_nonce(self) -> bytes:
        nonce = self._nonce ^ self._count
        self._count += 1
        return nonce.to_bytes(12, "big")

    def seal(self, kind: int, content: bytes) -> bytes:
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        return header + self._cipher.encrypt(self._next_nonce(), content + bytes((kind,)), header)

    def open(self, record: bytes) -> tuple[int, bytes]:
        """:raises cryptography.exceptions.InvalidTag: if it was sealed with something else."""
        content = self._cipher.decrypt(self._next_nonce(), record[5:], record[:5])
        return content[-1], content[:-1]


class Client:
    """One connection.

    :ivar hello: what is to be sent first.
    """

    def __init__(self) -> None:
        message = BEFORE + os.urandom(32) + BEHIND
        self.hello = b"\x16\x03\x01" + _sized(2, message)
        self._transcript = sha384(message)
        self._received = b""
        self._messages = b""  # decrypted ones of the handshake
        self._reading: _Direction | None = None
        self._writing: _Direction | None = None

    def finish(self, data: bytes, request: bytes) -> bytes:
        """Go on with the handshake.

        :param data: what has come.
        :param request: what to say as soon as that is possible.
        :returns: what to send, with the request in it; nothing while the server has more to say.
        :raises ConnectionError: if the server says something else.
        """
        for record in self._records(data):
            if self._reading is None:
                self._share_secret(record)
                continue
            kind, content = self._reading.open(record)
            if kind != HANDSHAKE:
                raise ConnectionError(f"The server sent {content!r} instead of a handshake.")
            self._messages += content
            if _last_message(self._messages) == FINISHED:
                return self._finished(request)
        return b""

    def receive(self, data: bytes) -> bytes:
        """Decrypt what has come; what was said, leaving out what is about sessions.

        :raises ConnectionError: if it was an alert: also the one that says that nothing more comes.
        """
        assert self._reading is not None
        said = b""
        for record in self._records(data):
            kind, content = self._reading.open(record)
            if kind == DATA:
                said += content
            elif kind != HANDSHAKE:
                raise ConnectionError(f"The server sent {content!r} instead of an answer.")
        return said

    def close(self) -> bytes:
        """What to send to say that nothing more comes."""
        assert self._writing is not None
        return self._writing.seal(ALERT, CLOSE_NOTIFY)

    def _records(self, data: bytes) -> list[bytes]:
        """Those that have come to their end, with their headers (5.1)."""
        data = self._received + data
        start, size, records = 0, len(data), []
        while start + 5 <= size:
            end = start + 5 + int.from_bytes(data[start + 3 : start + 5], "big")
            if end > size:
                break
            if data[start] not in (CHANGE_CIPHER_SPEC, HANDSHAKE, DATA):
                raise ConnectionError(f"The server sent {data[start:end]!r}.")
            if data[start] != CHANGE_CIPHER_SPEC:  # which means nothing here
                records.append(data[start:end])
            start = end
        self._received = data[start:]
        return records

    def _share_secret(self, record: bytes) -> None:
        """Make of a ServerHello (4.1.3) the keys of the handshake (7.1)."""
        message = record[5:]
        self._transcript.update(message)
        so_far = self._transcript.digest()
        secret = hmac.digest(FIRST_SALT, OUR_KEY.exchange(_share_of(message)), "sha384")
        self._secret = _expand(secret, DERIVED, EMPTY_HASH)
        self._reading = _Direction(_expand(secret, SERVER_HANDSHAKE, so_far))
        self._client_secret = _expand(secret, CLIENT_HANDSHAKE, so_far)

    def _finished(self, request: bytes) -> bytes:
        """The client's Finished (4.4.4) and the request."""
        self._transcript.update(self._messages)
        so_far = self._transcript.digest()
        proof = hmac.digest(_expand(self._client_secret, FINISHED_KEY), so_far, "sha384")
        message = bytes((FINISHED,)) + _sized(3, proof)
        master = hmac.digest(self._secret, NOTHING, "sha384")
        self._reading = _Direction(_expand(master, SERVER_DATA, so_far))
        self._writing = _Direction(_expand(master, CLIENT_DATA, so_far))
        return _Direction(self._client_secret).seal(HANDSHAKE, message) + self._writing.seal(DATA, request)


def _last_message(messages: bytes) -> int | None:
    """The type of the last one of the messages, if it has come to its end."""
    start, kind = 0, None
    while start + 4 <= len(messages):
        kind = messages[start]
        start += 4 + int.from_bytes(messages[start + 1 : start + 4], "big")
    return kind if start == len(messages) else None


def _share_of(message: bytes) -> X25519PublicKey:
    """The server's part of the key exchange.

    :raises ConnectionError: if it wants another kind, or another cipher.
    """
    position = 38 + 1 + message[38]  # behind its type and length, the version, random bytes, a session's id
    if message[0] == SERVER_HELLO and message[position : position + 2] == CIPHER_SUITE:
        position += 2 + 1 + 2  # the cipher, compression, how long the extensions are
        while position < len(message):
            size = int.from_bytes(message[position + 2 : position + 4], "big")
            extension = message[position : position + 4 + size]
            if extension.startswith(KEY_SHARE) and extension[4:8] == X25519 + b"\x00\x20":
                return X25519PublicKey.from_public_bytes(extension[8:])
            position += 4 + size
    raise ConnectionError("The server wants something else than X25519 and TLS_AES_256_GCM_SHA384.")
