"""What tests of Twisted's take from it as a tool, in the shape that they know: it does what they need by our
modules, or as little as possible. ``places.py`` says where each is put, and why."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from twisted_compat import address, endpoints
from twisted_compat.endpoints import prefixes
from twisted_compat.endpoints.tls_directory import CertificateDirectory
from twisted_compat.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IStreamServerEndpointStringParser,
)
from twisted_compat.protocols.haproxy import version1, version2
from twisted_compat.protocols.haproxy.parser import HeaderParser
from twisted_compat.vocabulary import NATIVE

__all__ = [
    "Named",
    "SNIConnectionCreator",
    "SimpleHostnameResolver",
    "StandardIOParser",
    "SystemdParser",
    "TCP6ServerParser",
    "V1Parser",
    "V2Parser",
    "directory_of_certificates",
    "parse_server",
]


class Named:
    """A class that others derive from or name, and that is never made."""


# Descriptions of endpoints


@implementer(IStreamServerEndpointStringParser)
class Parser:
    """A standard kind of endpoint, as if it came from a plugin."""

    prefix = ""

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> Any:
        return prefixes.SERVERS[self.prefix](reactor, *args, **kwargs)


class StandardIOParser(Parser):
    prefix = "stdio"


class TCP6ServerParser(Parser):
    prefix = "tcp6"


class SystemdParser(Parser):
    """:ivar _sddaemon: what systemd has passed."""

    prefix = "systemd"
    _sddaemon: Any = None

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> Any:
        prefixes._taken[:] = [self._sddaemon]
        try:
            return super().parseStreamServer(reactor, *args, **kwargs)
        finally:
            prefixes._taken.clear()


def parse_server(description: str, factory: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The endpoint of a description, as its kind, and the arguments of the reactor's method."""
    endpoint = endpoints.serverFromString(None, description)
    if isinstance(endpoint, endpoints.UNIXServerEndpoint):
        options = {"mode": endpoint._mode, "backlog": endpoint._backlog, "wantPID": endpoint._wantPID}
        return "UNIX", (endpoint._address, factory), options
    return "TCP", (endpoint._port, factory), {"interface": endpoint._interface, "backlog": endpoint._backlog}


# Certificates by the server's name


def directory_of_certificates(path: Any) -> str:
    """What :class:`SNIConnectionCreator` is given.

    :param path: a FilePath.
    """
    name: str = path.path
    return name


class SNIConnectionCreator(CertificateDirectory):
    """Ours, by Twisted's name."""


# The PROXY protocol


class HeaderReader:
    """Our parser of the PROXY protocol, as Twisted's classes for either version have it."""

    def __init__(self) -> None:
        self._parser = HeaderParser(address)

    @property
    def buffer(self) -> bytes:
        return bytes(self._parser._received)

    def feed(self, data: bytes) -> tuple[Any, bytes | None]:
        return self._parser.feed(data) or (None, None)


class V1Parser(HeaderReader):
    """Version 1; ``parse`` is given a line without its end."""

    @staticmethod
    def parse(header: bytes) -> Any:
        return version1.parse(header, address)


class V2Parser(HeaderReader):
    """Version 2."""

    @staticmethod
    def parse(header: bytes) -> Any:
        return version2.parse(header, address)


# Names resolved


@implementer(IHostResolution)
class Resolution:
    """One that can't be cancelled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        raise NotImplementedError


@implementer(IHostnameResolver)
class SimpleHostnameResolver:
    """Tells a receiver what a function finds.

    :param look_up: takes a name and a port; returns a Deferred of what getaddrinfo returns.
    """

    KINDS = {socket.AF_INET: address.IPv4Address, socket.AF_INET6: address.IPv6Address}  # noqa: RUF012

    def __init__(self, look_up: Callable[[str, int], Any]) -> None:
        self._look_up = look_up

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def tell(answers: list[tuple[Any, ...]]) -> None:
            for family, _, _, _, where in answers:
                resolutionReceiver.addressResolved(self.KINDS[family]("TCP", *where))

        def failed(failure: Any) -> None:
            NATIVE.log.error("Resolving %r by %r failed", hostName, self._look_up, exc_info=failure.value)

        deferred = self._look_up(hostName, portNumber).addCallbacks(tell, failed)
        deferred.addBoth(lambda _: resolutionReceiver.resolutionComplete())
        return resolution
