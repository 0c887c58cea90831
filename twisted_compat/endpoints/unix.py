"""UNIX sockets, as places to connect to and to listen at.

The arguments are kept under the names that Twisted's endpoints keep them under: programs look at them.
"""

from __future__ import annotations

import os
from typing import Any

from zope.interface import implementer

from twisted_compat.endpoints.connecting import connect_by
from twisted_compat.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from twisted_compat.vocabulary import vocabulary_of

__all__ = ["UNIXClientEndpoint", "UNIXServerEndpoint"]

Path = str | bytes | os.PathLike[Any]


@implementer(IStreamServerEndpoint)
class UNIXServerEndpoint:
    """Listens on a UNIX socket.

    :param reactor: an IReactorUNIX.
    :param address: the path; or an abstract name, which begins with a zero byte.
    :param backlog: how many connections may wait to be accepted.
    :param mode: the permission bits of the socket's file.
    :param wantPID: hold a lock file beside it, and take over what a dead process has left of both.
    """

    def __init__(
        self,
        reactor: Any,
        address: Path,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._backlog = backlog
        self._mode = mode
        self._wantPID = wantPID

    def listen(self, protocolFactory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort; it fails with CannotListenError.
        """
        return vocabulary_of(self._reactor).defer.execute(
            self._reactor.listenUNIX,
            self._address,
            protocolFactory,
            backlog=self._backlog,
            mode=self._mode,
            wantPID=self._wantPID,
        )


@implementer(IStreamClientEndpoint)
class UNIXClientEndpoint:
    """Connects to a UNIX socket.

    :param reactor: an IReactorUNIX.
    :param path: the path; or an abstract name, which begins with a zero byte.
    :param timeout: seconds until the attempt is given up.
    :param checkPID: connect only if a living process holds the lock file of ``wantPID``.
    """

    def __init__(
        self, reactor: Any, path: Path, timeout: float | None = 30, checkPID: bool | int = 0
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._timeout = timeout
        self._checkPID = checkPID

    def connect(self, protocolFactory: Any) -> Any:
        """Connect once (IStreamClientEndpoint).

        :returns: a Deferred of the protocol. It fails with a ConnectError, NoProtocol, or what the factory
            raised. Cancelled, it fails with ConnectingCancelledError, and the attempt is over.
        """
        return connect_by(
            self._reactor,
            protocolFactory,
            self._reactor.connectUNIX,
            self._path,
            timeout=self._timeout,
            checkPID=self._checkPID,
        )
