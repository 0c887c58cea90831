"""The standard kinds of endpoints in descriptions: a function for each, that makes the endpoint of the texts
it is given.

Their parameters are the language's: ``interface`` in ``tcp:80:interface=127.0.0.1``. :mod:`.strings` takes
the description apart, and says how it should have been written if the parts don't fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_compat.endpoints.adopted import AdoptedStreamServerEndpoint, family_of_listener
from twisted_compat.endpoints.hostname import HostnameEndpoint
from twisted_compat.endpoints.stdio import StandardIOEndpoint
from twisted_compat.endpoints.tcp import TCP4ClientEndpoint, TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted_compat.endpoints.tls import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TLSServerEndpoint,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted_compat.endpoints.unix import UNIXClientEndpoint, UNIXServerEndpoint
from twisted_compat.python.systemd import ListenFDs

__all__ = ["CLIENTS", "SERVERS", "tls_client"]

# Texts into what they mean


def _number(name: str, text: str, most: int = 2**31 - 1) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > most:
        raise ValueError(f"{name} is a number from 0 to {most}, and not {text!r}.")
    return int(text)


def _port(text: str) -> int:
    return _number("port", text, 65535)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"timeout is a number of seconds, and not {text!r}.")
    return seconds


def _flag(name: str, text: str) -> bool:
    return _number(name, text) != 0


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"mode is an octal number such as 660, and not {text!r}.")
    return mode


def _family(domain: str | None, fileno: int) -> int:
    """The address family of a socket that listens, which is what ``domain`` says, if it says anything."""
    family = family_of_listener(fileno)
    if domain is not None and domain.upper() not in ("INET", "INET6", "UNIX"):
        raise ValueError(f"domain is INET, INET6 or UNIX, and not {domain!r}.")
    if domain is not None and family.name != f"AF_{domain.upper()}":
        raise ValueError(f"Descriptor {fileno} is a socket of {family.name}, and not of domain {domain}.")
    return family


# Servers


def tcp_server(reactor: Any, port: str, interface: str = "", backlog: str = "50") -> TCP4ServerEndpoint:
    return TCP4ServerEndpoint(reactor, _port(port), _number("backlog", backlog), interface)


def tcp6_server(reactor: Any, port: str, backlog: str = "50", interface: str = "::") -> TCP6ServerEndpoint:
    return TCP6ServerEndpoint(reactor, _port(port), _number("backlog", backlog), interface)


def ssl_server(
    reactor: Any,
    port: str,
    privateKey: str = "server.pem",
    certKey: str | None = None,
    sslmethod: str | None = None,
    interface: str = "",
    backlog: str = "50",
    extraCertChain: str | None = None,
    dhParameters: str | None = None,
) -> SSL4ServerEndpoint:
    from twisted_compat.endpoints.tls_files import server_options

    number, waiting = _port(port), _number("backlog", backlog)
    options = server_options(privateKey, certKey, sslmethod, extraCertChain, dhParameters)
    return SSL4ServerEndpoint(reactor, number, options, waiting, interface)


def tls_server(
    reactor: Any, path: str, port: str = "443", backlog: str = "50", interface: str = "::"
) -> TLSServerEndpoint:
    from twisted_compat.endpoints.tls_directory import CertificateDirectory

    plain = TCP6ServerEndpoint(reactor, _port(port), _number("backlog", backlog), interface)
    return wrapServerTLS(CertificateDirectory(path), plain)


def unix_server(
    reactor: Any, address: str, mode: str = "666", backlog: str = "50", lockfile: str = "1"
) -> UNIXServerEndpoint:
    return UNIXServerEndpoint(
        reactor, address, _number("backlog", backlog), _mode(mode), _flag("lockfile", lockfile)
    )


def stdio_server(reactor: Any) -> StandardIOEndpoint:
    return StandardIOEndpoint(reactor)


def fd_server(reactor: Any, fileno: str, domain: str | None = None) -> AdoptedStreamServerEndpoint:
    number = _number("fileno", fileno)
    return AdoptedStreamServerEndpoint(reactor, number, _family(domain, number))


def systemd_server(
    reactor: Any, domain: str | None = None, index: str | None = None, name: str | None = None
) -> AdoptedStreamServerEndpoint:
    if (index is None) == (name is None):
        raise ValueError("Say which of systemd's sockets: either its index or its name.")
    inherited = _inherited()
    if name is not None:
        named = inherited.inheritedNamedDescriptors()
        if name not in named:
            raise ValueError(f"systemd has passed no socket named {name!r}, but {sorted(named)}.")
        fileno = named[name]
    else:
        numbers = inherited.inheritedDescriptors()
        position = _number("index", index or "")
        if position >= len(numbers):
            raise ValueError(f"systemd has passed {len(numbers)} sockets, so none has the index {position}.")
        fileno = numbers[position]
    return AdoptedStreamServerEndpoint(reactor, fileno, _family(domain, fileno))


_taken: list[ListenFDs] = []


def _inherited() -> ListenFDs:
    """What systemd has passed; it can be taken from the environment once."""
    if not _taken:
        found = ListenFDs.fromEnvironment()
        if not found.inheritedDescriptors():
            return found
        _taken.append(found)
    return _taken[0]


SERVERS: dict[str, Callable[..., Any]] = {
    "fd": fd_server,
    "ssl": ssl_server,
    "stdio": stdio_server,
    "systemd": systemd_server,
    "tcp": tcp_server,
    "tcp6": tcp6_server,
    "tls": tls_server,
    "unix": unix_server,
}
"""By prefix. "haproxy", which stands before another description, is in :mod:`.strings`."""


# Clients


def tcp_client(
    reactor: Any, host: str, port: str, timeout: str = "30", bindAddress: str | None = None
) -> TCP4ClientEndpoint:
    bind = None if bindAddress is None else (bindAddress, 0)
    return TCP4ClientEndpoint(reactor, host, _port(port), _seconds(timeout), bind)


def ssl_client(
    reactor: Any,
    host: str,
    port: str,
    timeout: str = "30",
    bindAddress: str | None = None,
    caCertsDir: str | None = None,
    privateKey: str | None = None,
    certKey: str | None = None,
    hostname: str | None = None,
) -> SSL4ClientEndpoint:
    from twisted_compat.endpoints.tls_files import client_options

    bind = None if bindAddress is None else (bindAddress, 0)
    number, limit = _port(port), _seconds(timeout)
    options = client_options(hostname, certKey, privateKey, caCertsDir, name="certKey")
    return SSL4ClientEndpoint(reactor, host, number, options, limit, bind)


def unix_client(reactor: Any, path: str, lockfile: str = "0", timeout: str = "30") -> UNIXClientEndpoint:
    return UNIXClientEndpoint(reactor, path, _seconds(timeout), _flag("lockfile", lockfile))


def tls_client(
    reactor: Any,
    host: str,
    port: str,
    timeout: str = "30",
    bindAddress: str | None = None,
    certificate: str | None = None,
    privateKey: str | None = None,
    trustRoots: str | None = None,
    *,
    endpoint: Any = None,
) -> Any:
    """Over ``endpoint``, an IStreamClientEndpoint, if there is one; over TCP else."""
    from twisted_compat.endpoints.tls_files import client_options

    over_tcp = HostnameEndpoint(reactor, host, _port(port), _seconds(timeout), bindAddress)
    if over_tcp._badHostname:
        raise ValueError(f"invalid hostname: {over_tcp.asked_host}")
    options = client_options(host, certificate, privateKey, trustRoots, name="certificate")
    return wrapClientTLS(options, over_tcp if endpoint is None else endpoint)


CLIENTS: dict[str, Callable[..., Any]] = {
    "ssl": ssl_client,
    "tcp": tcp_client,
    "unix": unix_client,
}
"""By prefix. "tls", which may have another description in it, is in :mod:`.strings`."""
