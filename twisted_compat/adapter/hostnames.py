"""Host names as people write them and as the DNS has them (IDNA).

By RFC 5891 if the ``idna`` package is installed; otherwise by RFC 3490, with the standard library's codec.
"""

from __future__ import annotations

__all__ = ["as_text", "is_host_name", "to_ascii", "to_unicode"]


def as_text(name: str | bytes) -> str:
    """The name as text. What can't be a name becomes one that is not found; it doesn't fail here."""
    return name.decode("utf-8", "surrogateescape") if isinstance(name, (bytes, bytearray)) else name


def to_ascii(name: str) -> str:
    """The name as the DNS has it, such as "xn--bcher-kva.example".

    :raises UnicodeError: if it can't be a host name.
    """
    if name.isascii():
        return name
    try:
        import idna
    except ImportError:
        return name.encode("idna").decode("ascii")
    return idna.encode(name, uts46=True).decode("ascii")  # its IDNAError is a UnicodeError


def to_unicode(name: str) -> str:
    """The name as people read it.

    :param name: ASCII, perhaps with labels that begin with "xn--".
    :raises UnicodeError: if one of those is none, or ``name`` isn't ASCII.
    """
    if "xn--" not in name.lower():
        return name.encode("ascii").decode("ascii")
    try:
        import idna
    except ImportError:
        return name.encode("ascii").decode("idna")
    return idna.decode(name)


def is_host_name(name: str) -> bool:
    """Whether a name, as the DNS has it, can be a host's (RFC 1035, 2.3.4): its length, its labels' lengths,
    and no spaces. Underscores are in use, whatever the rules say.
    """
    labels = name.removesuffix(".").split(".")
    return (
        len(name) <= 254
        and name.isascii()
        and name.isprintable()
        and " " not in name
        and all(0 < len(label) < 64 for label in labels)
    )
