"""A socket that listens already, as a place to listen at: one that systemd, a parent or a program of its own
has made.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IStreamServerEndpoint
from twisted_compat.vocabulary import vocabulary_of

__all__ = ["AdoptedStreamServerEndpoint", "family_of_listener"]


@implementer(IStreamServerEndpoint)
class AdoptedStreamServerEndpoint:
    """Accepts connections from a socket that is bound and listening. It can be used once.

    :param reactor: an IReactorSocket.
    :param fileno: the socket's number. It is closed once the socket is adopted.
    :param addressFamily: ``socket.AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
    """

    _close = staticmethod(os.close)

    def __init__(self, reactor: Any, fileno: int, addressFamily: int) -> None:
        self.reactor = reactor
        self.fileno = fileno
        self.addressFamily = addressFamily
        self._used = False

    def listen(self, factory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort. It fails with AlreadyListened the second time; with
            OSError, UnsupportedAddressFamily or UnsupportedSocketType if it is no such socket, whose number
            then stays open.
        """
        words = vocabulary_of(self.reactor)
        if self._used:
            return words.defer.fail(words.error.AlreadyListened())
        self._used = True
        return words.defer.execute(self._adopt, factory)

    def _adopt(self, factory: Any) -> Any:
        port = self.reactor.adoptStreamPort(self.fileno, self.addressFamily, factory)
        self._setNonBlocking(self.fileno)  # a reactor of ours has done it
        self._close(self.fileno)
        return port

    @staticmethod
    def _setNonBlocking(fileno: int) -> None:
        os.set_blocking(fileno, False)


def family_of_listener(fileno: int) -> socket.AddressFamily:
    """The address family of a stream's socket that listens.

    :raises ValueError: if it is no such socket.
    """
    try:
        duplicate = os.dup(fileno)
    except OSError as error:
        raise ValueError(f"Descriptor {fileno} is not open: {error.strerror}.") from error
    try:
        found = socket.socket(fileno=duplicate)
    except OSError as error:
        os.close(duplicate)
        raise ValueError(f"Descriptor {fileno} is not a socket: {error.strerror}.") from error
    with found:
        if found.type != socket.SOCK_STREAM:
            raise ValueError(f"Descriptor {fileno} is a socket, but not one of a stream.")
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError(f"Descriptor {fileno} is a socket that doesn't listen.")
        return socket.AddressFamily(found.family)
