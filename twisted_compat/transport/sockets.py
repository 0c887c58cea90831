"""What the transports need of the operating system's sockets, said once: literals, addresses, making and
adopting them, binding, errno -> error.

Nothing here knows a descriptor or a reactor; whatever is handed to a user (an address, an error) is made from
the vocabulary that the caller passes in. What is particular to the names of UNIX sockets is in
:mod:`.unix_path`.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Any, NamedTuple

from twisted_compat.vocabulary import Vocabulary

__all__ = [
    "AF_UNIX",
    "Binding",
    "SocketAddress",
    "address_of",
    "adopted_socket",
    "bind_error",
    "bind_socket",
    "check_family",
    "connect_error",
    "connection_lost",
    "datagram_socket",
    "family_of",
    "is_ipv4",
    "is_ipv6",
    "is_literal",
    "literal_address",
    "local_address",
    "numeric_port",
    "resolved_address",
    "same_host_and_port",
    "scoped_host",
    "stream_socket",
]

SocketAddress = tuple[Any, ...]
"""What the socket module takes for IP: ``(host, port)`` for IPv4, ``(host, port, flow info, scope id)`` for
IPv6."""

AF_UNIX: int | None = getattr(socket, "AF_UNIX", None)
"""The family of UNIX sockets; None on a system that has none."""


class Binding(NamedTuple):
    """Where and how to bind a socket.

    :ivar host: a literal (IPv6 with scope too), a name, or ``''`` for every interface of the socket's family.
    :ivar port: a number; 0 for one of the system's choice.
    :ivar reuse_address: bind though connections of an earlier run linger in TIME_WAIT (SO_REUSEADDR).
    :ivar reuse_port: share the port with other sockets that say so (SO_REUSEPORT).
    """

    host: str
    port: int
    reuse_address: bool = False
    reuse_port: bool = False


_NUMERIC_NAME = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


def is_ipv4(host: str) -> bool:
    """Whether ``host`` is a dotted quad. Short forms such as ``127.1`` are names: the resolver knows them."""
    return _is_literal(socket.AF_INET, host)


def is_ipv6(host: str) -> bool:
    """Whether ``host`` is an IPv6 literal, with or without a scope (``fe80::1%eth0``, RFC 4007)."""
    return _is_literal(socket.AF_INET6, host.partition("%")[0])


def is_literal(host: str) -> bool:
    """Whether ``host`` is an IP address of either family, and no name."""
    return is_ipv4(host) or is_ipv6(host)


def _is_literal(family: int, host: str) -> bool:
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):  # ValueError: an embedded NUL or a lone surrogate, so certainly no address
        return False
    return True


def literal_address(host: str, port: int) -> SocketAddress | None:
    """The socket address of an IP literal; None if ``host`` is a name that needs resolving.

    :raises socket.gaierror: for an IPv6 literal whose scope names no interface of this machine, or with a
        negative port.
    """
    if is_ipv4(host):
        return (host, port)
    if not is_ipv6(host):
        return None
    # Only getaddrinfo knows how to turn "%eth0" into a scope id. It never blocks on a numeric host. It gets a
    # harmless port, because it folds an impossible one into a possible one where connect() and bind()
    # complain.
    harmless = min(port, 1)
    found = socket.getaddrinfo(host, harmless, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    canonical, _, *flow_and_scope = found[0][4]
    return (str(canonical).partition("%")[0], port, *flow_and_scope)


def local_address(family: int, host: str, port: int) -> SocketAddress:
    """The socket address to bind to: a literal, ``''`` for every interface, or a name that ``bind`` looks up
    itself.

    :raises socket.gaierror: as :func:`literal_address`, or if ``host`` is a literal of the other family.
    """
    found = literal_address(host, port)
    if found is None:
        return (host, port)
    if family_of(found) != family:
        raise socket.gaierror(socket.EAI_FAMILY, f"{host} is not an address of the family of the socket")
    return found


def resolved_address(address: Any, port: int) -> SocketAddress:
    """The socket address of what a name resolver answered (an IPv4 or IPv6 address object), at ``port``."""
    if is_ipv4(address.host):
        return (address.host, port)
    scope = getattr(address, "scopeID", 0)
    if scope or "%" not in address.host:
        return (address.host.partition("%")[0], port, getattr(address, "flowInfo", 0), scope)
    return literal_address(address.host, port) or (address.host, port, 0, 0)


def family_of(address: Any) -> int:
    """AF_INET, AF_INET6 or AF_UNIX, by the shape of a socket address."""
    if not isinstance(address, tuple):
        assert AF_UNIX is not None, "this system has no UNIX sockets"
        return AF_UNIX
    return socket.AF_INET if len(address) == 2 else socket.AF_INET6


def address_of(vocabulary: Vocabulary, address: Any, type: str = "TCP") -> Any:
    """The vocabulary's address object for what ``accept``, ``getsockname`` or ``getpeername`` returned.

    A scoped IPv6 host carries its scope in its text too (``fe80::1%eth0``), so that it can be connected to as
    it stands. A UNIX socket's name is no tuple; where it has none, it is None.

    :param type: "TCP" or "UDP", for IP.
    """
    if not isinstance(address, tuple):
        return vocabulary.address.UNIXAddress(address or None)
    if len(address) == 2:
        return vocabulary.address.IPv4Address(type, *address)
    _, port, flow, scope = address
    return vocabulary.address.IPv6Address(type, scoped_host(address), port, flow, scope)


def scoped_host(address: SocketAddress) -> str:
    """The host of an IPv6 socket address, with its scope if it has one."""
    host: str = address[0]
    if address[3] and "%" not in host:
        return socket.getnameinfo(address, _NUMERIC_NAME)[0]
    return host


def same_host_and_port(one: SocketAddress, other: SocketAddress) -> bool:
    """Whether two IP socket addresses of one family mean the same, however their hosts are spelled; a scope
    that is left out fits any."""
    family = socket.AF_INET6 if ":" in one[0] else socket.AF_INET
    packed = [socket.inet_pton(family, address[0].partition("%")[0]) for address in (one, other)]
    return packed[0] == packed[1] and one[1] == other[1] and (len(one) < 4 or one[3] == other[3])


def numeric_port(vocabulary: Vocabulary, port: int | str) -> int:
    """A port number: as it is, or of a service name such as ``"http"``.

    :raises ServiceNameUnknownError: if this machine knows no TCP service of that name.
    :raises TypeError: for anything but an int or a str.
    """
    if isinstance(port, int):
        return port
    if not isinstance(port, str):
        raise TypeError(
            f"A port must be a number or a service name, not {port!r}. Write connectTCP(host, 80, ...) or "
            'connectTCP(host, "http", ...).'
        )
    try:
        return socket.getservbyname(port, "tcp")
    except OSError as exc:
        raise vocabulary.error.ServiceNameUnknownError(string=f"{exc} ({port!r})") from exc


def stream_socket(family: int) -> socket.socket:
    """A new non-blocking stream socket that child processes do not inherit.

    :raises OSError: if the process or the machine has no descriptor left, or lacks the family.
    """
    return _nonblocking(socket.socket(family, socket.SOCK_STREAM))


def datagram_socket(family: int) -> socket.socket:
    """As :func:`stream_socket`, for datagrams."""
    return _nonblocking(socket.socket(family, socket.SOCK_DGRAM))


def _nonblocking(skt: socket.socket) -> socket.socket:
    skt.setblocking(False)
    return skt


def check_family(vocabulary: Vocabulary, family: int, families: tuple[int | None, ...]) -> None:
    """Refuse to adopt a socket of a family that is none of ``families``.

    :raises UnsupportedAddressFamily: for any other.
    """
    if family not in families:
        raise vocabulary.error.UnsupportedAddressFamily(family)


def adopted_socket(
    vocabulary: Vocabulary, fd: int, family: int, type: int, *, listening: bool = False
) -> socket.socket:
    """A socket that somebody else made, duplicated, and non-blocking now, for both.

    :param listening: whether it has to listen.
    :raises OSError: if ``fd`` is no socket, or one of another family, or doesn't listen.
    :raises UnsupportedSocketType: if it is one of another type.
    """
    duplicate = os.dup(fd)
    try:
        skt = socket.socket(family, type, 0, duplicate)
    except BaseException:
        os.close(duplicate)
        raise
    try:
        if hasattr(socket, "SO_DOMAIN"):
            domain = skt.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
            if domain != family:
                raise OSError(errno.EAFNOSUPPORT, f"Descriptor {fd} is a socket of another family, {domain}")
        real = skt.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        if real != type:
            raise vocabulary.error.UnsupportedSocketType(
                f"Descriptor {fd} is a {socket.SocketKind(real).name} socket, and not a "
                f"{socket.SocketKind(type).name} one."
            )
        if listening and not skt.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, f"Descriptor {fd} is a socket that doesn't listen: call listen()")
        return _nonblocking(skt)
    except BaseException:
        skt.close()
        raise


def bind_socket(
    skt: socket.socket, host: str, port: int, reuse_address: bool = False, reuse_port: bool = False
) -> None:
    """Bind to a local address; the parameters are a :class:`Binding`'s.

    Nothing is reused on Windows, where the first option lets two processes share a port, and there is no
    second.

    :raises OSError: as ``bind`` does; OverflowError for a port that is none.
    """
    if os.name == "posix" and sys.platform != "cygwin":
        if reuse_address:
            skt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port and hasattr(socket, "SO_REUSEPORT"):
            skt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    skt.bind(local_address(skt.family, host, port))


def connect_error(vocabulary: Vocabulary, code: int) -> BaseException:
    """The vocabulary's error for an errno of ``connect`` (ECONNREFUSED -> ConnectionRefusedError, ...)."""
    found: BaseException = vocabulary.error.getConnectError(OSError(code, os.strerror(code)))
    return found


def bind_error(vocabulary: Vocabulary, exc: OSError) -> BaseException:
    """ConnectBindError for what creating or binding the local socket of a client raised."""
    found: BaseException = vocabulary.error.ConnectBindError(exc.errno, exc.strerror or str(exc))
    return found


def connection_lost(vocabulary: Vocabulary, exc: OSError) -> BaseException:
    """ConnectionLost, saying which system error it was."""
    lost: BaseException = vocabulary.error.ConnectionLost(str(exc))
    lost.__cause__ = exc.with_traceback(None)  # whose frames would keep the connection, in a cycle
    return lost
