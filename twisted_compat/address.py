"""Addresses of connection endpoints: what ``getHost`` and ``getPeer`` return and ``buildProtocol`` is given.

Plain value objects, equal and hashable by what they hold, with Twisted's names, fields and ``repr``. One is
made for every accepted connection, so construction is a few attribute stores into slots.
``transport/sockets.py`` makes them from socket names; ``endpoints/`` is where :class:`HostnameAddress` comes
from.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from zope.interface import implementer

from twisted_compat.interfaces import IAddress

__all__ = ["HostnameAddress", "IPv4Address", "IPv6Address", "UNIXAddress"]


class _FieldAddress:
    """Equality, order, hash and ``repr`` out of the fields a subclass lists in ``__match_args__``.

    An address equals, and is ordered among, addresses of its own class only.
    """

    __slots__ = ("__weakref__",)
    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _FieldAddress) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._fields() == other._fields()

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _FieldAddress) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._fields() < other._fields()

    def __le__(self, other: object) -> bool:
        if not isinstance(other, _FieldAddress) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._fields() <= other._fields()

    # > and >= need no method: Python asks the other operand's < and <=.

    def __hash__(self) -> int:
        return hash((self.__class__, self._fields()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{self.__class__.__name__}({fields})"


def _wrong_transport(type: object) -> ValueError:
    return ValueError(
        f"The type of an IP address is 'TCP' or 'UDP', not {type!r}. "
        "Write, for example, IPv4Address('TCP', '127.0.0.1', 80)."
    )


@implementer(IAddress)
class IPv4Address(_FieldAddress):
    """One end of a TCP or UDP socket over IPv4.

    :param type: ``"TCP"`` or ``"UDP"``.
    :param host: dotted quad, as ``"127.0.0.1"``.
    :param port: port number.
    :raises ValueError: for another type.
    """

    __slots__ = __match_args__ = ("type", "host", "port")

    def __init__(self, type: Literal["TCP", "UDP"], host: str, port: int) -> None:
        if type != "TCP" and type != "UDP":
            raise _wrong_transport(type)
        self.type = type
        self.host = host
        self.port = port


@implementer(IAddress)
class IPv6Address(_FieldAddress):
    """One end of a TCP or UDP socket over IPv6.

    :param type: ``"TCP"`` or ``"UDP"``.
    :param host: colon-separated hexadecimal, as ``"::1"``.
    :param port: port number.
    :param flowInfo: flow label of RFC 6437; 0 for none.
    :param scopeID: which link a link-local address is on: an interface's index or name (RFC 4007), or 0.
    :raises ValueError: for another type.
    """

    __slots__ = __match_args__ = ("type", "host", "port", "flowInfo", "scopeID")

    def __init__(
        self,
        type: Literal["TCP", "UDP"],
        host: str,
        port: int,
        flowInfo: int = 0,
        scopeID: str | int = 0,
    ) -> None:
        if type != "TCP" and type != "UDP":
            raise _wrong_transport(type)
        self.type = type
        self.host = host
        self.port = port
        self.flowInfo = flowInfo
        self.scopeID = scopeID


@implementer(IAddress)
class HostnameAddress(_FieldAddress):
    """A host that is known by name, as a client endpoint is told it.

    :param hostname: the name in bytes, IDNA-encoded, as ``b"example.com"``.
    :param port: port number.
    """

    __slots__ = __match_args__ = ("hostname", "port")

    def __init__(self, hostname: bytes, port: int) -> None:
        self.hostname = hostname
        self.port = port


@implementer(IAddress)
class UNIXAddress:
    """One end of a UNIX socket.

    Two are equal when their names are, or when both name the same file at that moment (a symlink, a hard
    link, another spelling of the path). So files' names all hash alike, whatever the file system says today:
    an address stays findable in a dict after its socket is unlinked.

    :param name: the path; a leading zero byte is Linux's abstract namespace (unix(7)); None is a socket
        without a name, as most clients' are. ``str`` and path objects are encoded with ``os.fsencode``.
    :ivar name: as bytes, or None.
    :raises TypeError: for a name of another type.
    """

    __slots__ = ("__weakref__", "name")
    __match_args__ = ("name",)

    name: bytes | None

    def __init__(self, name: bytes | str | os.PathLike[Any] | None) -> None:
        self.name = name if name is None or isinstance(name, bytes) else os.fsencode(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UNIXAddress):
            return NotImplemented
        if self.name == other.name:
            return True
        if not self._is_file() or not other._is_file():
            return False
        assert self.name is not None and other.name is not None
        try:
            return os.path.samefile(self.name, other.name)
        except OSError:  # one of them is not there (any more): then they are not the same
            return False

    def _is_file(self) -> bool:
        """Whether the name is a path at all."""
        return bool(self.name) and b"\0" not in (self.name or b"")

    def __hash__(self) -> int:
        return hash(UNIXAddress) if self._is_file() else hash((UNIXAddress, self.name))

    def __repr__(self) -> str:
        return f"UNIXAddress({None if self.name is None else os.fsdecode(self.name)!r})"
