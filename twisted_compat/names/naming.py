r"""Domain names: in bytes, as legacy code has them; as text, as people write them; and as dnspython has them.

In bytes a name is its labels with dots between them, and whatever bytes are on the wire. Only a dot or a
backslash inside a label has a backslash before it (RFC 1035, section 5.1), so that no name is two.
"""

from __future__ import annotations

import re
import string
import struct
from typing import Any

import dns.exception
import dns.name

from twisted_compat.adapter.hostnames import to_ascii
from twisted_compat.names.error import DNSNameError

__all__ = ["Name", "domainString", "dotted", "name_of", "parse_name"]

PLAIN = frozenset((string.ascii_letters + string.digits + "-_.\\").encode())
DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490, section 3.1


def domainString(domain: str | bytes) -> bytes:
    """The name in bytes; letters beyond ASCII are encoded as IDNA, label by label.

    :param domain: bytes are returned as they are.
    :raises UnicodeError: if it can't be encoded.
    :raises TypeError: for anything that is neither text nor bytes.
    """
    if isinstance(domain, bytes):
        return domain
    if not isinstance(domain, str):
        raise TypeError(f"A domain name is str or bytes, not {domain!r}. Write, for example, 'example.com'.")
    if not domain.isascii():
        # Label by label: others than those of hosts may stand beside, such as _http.
        domain = ".".join(label if label.isascii() else to_ascii(label) for label in DOTS.split(domain))
    return domain.encode("ascii")


class Name:
    """A domain name; two are equal whatever the case of their letters.

    :param name: text, with IDNA for letters beyond ASCII, or bytes as they are on the wire.
    :ivar name: the name in bytes, without a dot at its end unless it was given one; the root is ``b""``.
    """

    __slots__ = ("name",)

    def __init__(self, name: bytes | str = b"") -> None:
        self.name = domainString(name)

    def __eq__(self, other: object) -> bool:
        return self.name.lower() == other.name.lower() if isinstance(other, Name) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name.lower())

    def __str__(self) -> str:
        return self.name.decode("ascii", "backslashreplace")

    def __repr__(self) -> str:
        return f"Name({self.name!r})"


def dotted(name: dns.name.Name) -> bytes:
    """dnspython's name in bytes, without a dot at the end."""
    labels = name.labels[:-1] if name.is_absolute() else name.labels
    return b".".join(label.replace(b"\\", b"\\\\").replace(b".", b"\\.") for label in labels)


def name_of(name: dns.name.Name) -> Name:
    """dnspython's name as ours."""
    return Name(dotted(name))


def parse_name(name: str | bytes | Name) -> dns.name.Name:
    """The name as dnspython's, which is absolute only if it ended with a dot, or is the root.

    :param name: text, bytes, or what has one of them for its ``name``: ours or Twisted's.
    :raises DNSNameError: if it can't be a domain name.
    :raises TypeError: if it isn't even a string.
    """
    given: Any = getattr(name, "name", name)
    try:
        text = "".join(chr(byte) if byte in PLAIN else f"\\{byte:03}" for byte in domainString(given))
        parsed = dns.name.from_text(text, None) if text else dns.name.root
        parsed.derelativize(dns.name.root)  # with the dot at its end it may be too long
    except (UnicodeError, struct.error, dns.exception.DNSException) as error:  # struct: of \\300, until 2.9
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DNSNameError(f"{given!r} can't be a domain name: {why}.") from error
    return parsed
