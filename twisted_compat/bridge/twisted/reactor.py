"""TwistedReactor: the engine as a reactor of real Twisted.

The engine is ``adapter/reactor.py``; here is TLS as IReactorSSL has it, and what Twisted's own programs
(trial, twistd) use of a reactor beyond any interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorSSL, _ISupportsExitSignalCapturing
from twisted.python.failure import Failure
from twisted.python.threadable import registerAsIOThread
from zope.interface import classImplements, implementer

from twisted_compat.adapter.loops import running_loop
from twisted_compat.adapter.parts import Parts
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.bridge.twisted import place
from twisted_compat.bridge.twisted.clocks import call_later_by
from twisted_compat.bridge.twisted.threads import ReactorThreadPool
from twisted_compat.bridge.twisted.tls import secured
from twisted_compat.bridge.twisted.words import TWISTED
from twisted_compat.transport.sockets import Binding
from twisted_compat.transport.tcp_connect import Connector
from twisted_compat.transport.tcp_listen import Port

__all__ = ["TwistedReactor"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@implementer(_ISupportsExitSignalCapturing)
class TwistedReactor(AsyncioReactor):
    """A reactor on an asyncio loop for programs written for Twisted.

    See :class:`~twisted_compat.AsyncioReactor` for how it takes a loop, starts and stops; both are the same
    in that.

    :param loop: the loop to take.
    :param loop_factory: makes a loop, such as ``uvloop.new_event_loop``, where none is given and none runs.
    :param signals: whether SIGINT and SIGTERM stop the reactor while it is embedded in somebody else's
        running loop.
    :raises RuntimeError: if the loop has a reactor already, is closed, or can't watch descriptors.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        loop_factory: LoopFactory | None = None,
        signals: bool = False,
    ) -> None:
        super().__init__(loop, loop_factory=loop_factory, signals=signals, vocabulary=TWISTED)

    def _bind(self, loop: asyncio.AbstractEventLoop) -> Parts:
        place.warn_of_another(loop)
        parts = super()._bind(loop)
        if self._replaced_seconds is not None:
            self.seconds = self._replaced_seconds
        place.attached(self)
        return parts

    def _unbind(self) -> None:
        super()._unbind()
        if self._replaced_seconds is not None:
            self.seconds = self._replaced_seconds
        place.detached(self)

    def is_attached(self) -> bool:
        """Whether it is on a loop that is not closed."""
        return self._parts is not None and not self.has_closed_loop()

    def attach(
        self, loop: asyncio.AbstractEventLoop | None = None, *, loop_factory: LoopFactory | None = None
    ) -> bool:
        """Be on a loop, unless it is on one that is not closed.

        :param loop: the loop; by default the one that runs. If none does, a loop is taken when needed.
        :param loop_factory: makes that one.
        :returns: False if it has a loop, and keeps it.
        :raises RuntimeError: if the loop has a reactor already, is closed, or can't watch descriptors.
        """
        self.leave_closed_loop()
        if self._parts is not None:
            return False
        if loop_factory is not None:
            self._loop_factory = loop_factory
        if loop is None:
            loop = running_loop()
        if loop is not None:
            self._owns_loop = False
            self._bind(loop)
        return True

    def _started(self) -> None:
        registerAsIOThread()  # what isInIOThread() compares with
        super()._started()

    # Time (IReactorTime): tests put a clock of their own in the place of seconds()

    @property
    def seconds(self) -> Callable[[], float]:
        """The time now, in seconds; see :meth:`AsyncioReactor.seconds`."""
        return self._replaced_seconds or super().seconds

    @seconds.setter
    def seconds(self, replacement: Callable[[], float]) -> None:
        if replacement == super().seconds:
            del self.seconds
        else:
            self._replaced_seconds = replacement
            self.__dict__["callLater"] = partial(call_later_by, self._timers, replacement)

    @seconds.deleter
    def seconds(self) -> None:
        self._replaced_seconds = None
        self.__dict__.pop("callLater", None)
        if self._parts is not None:
            self.__dict__.update(self._parts.hot_methods)

    _replaced_seconds: Callable[[], float] | None = None

    # TCP (IReactorTCP), with what Twisted's makeBinding() gives in place of a port or an address

    def _listen(self, port: Any, factory: Any, backlog: int, interface: str, kind: str) -> Port:
        binding = _plain(port)
        if binding is port:
            return super()._listen(port, factory, backlog, interface, kind)
        if interface not in ("", binding.host):
            raise ValueError(
                f"makeBinding() was given the interface {binding.host!r}, and listenTCP() {interface!r}. "
                "Say it once."
            )
        return super()._listen(binding, factory, backlog, binding.host, kind)

    def connectTCP(
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        timeout: float | None = 30,
        bindAddress: Any = None,
    ) -> Connector:
        """Connect to a TCP port; see :meth:`AsyncioReactor.connectTCP`.

        :param bindAddress: the local (host, port) to connect from, or what ``makeBinding()`` gave.
        """
        return super().connectTCP(host, port, factory, timeout, _plain(bindAddress))

    # TLS (IReactorSSL)

    def listenSSL(  # type: ignore[override]  # Twisted's TLS has no options of ours
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen for TLS connections on a TCP port (IReactorSSL); see :meth:`listenTCP`.

        :param contextFactory: gives each connection its pyOpenSSL context.
        """
        return self._listen(port, secured(factory, contextFactory, False, self), backlog, interface, "TLS")

    def connectSSL(  # type: ignore[override]  # as above
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        contextFactory: Any,
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect to a TCP port with TLS (IReactorSSL); see :meth:`connectTCP`.

        :param contextFactory: gives the connection its pyOpenSSL context.
        """
        speaking_tls = secured(factory, contextFactory, True, self)
        return self.connectTCP(host, port, speaking_tls, timeout, bindAddress)

    # What Twisted's programs use beyond any interface

    _exitSignal: int | None = None
    """The signal that stopped it, by which twistd then ends itself."""

    def _on_signal(self, number: int) -> None:
        self._exitSignal = number
        super()._on_signal(number)

    def _uninstallHandler(self) -> None:
        """Put signal handlers back; run() has done so by itself."""
        if self._parts is not None and self._parts.signals is not None:
            self._parts.signals.restore()

    def disconnectAll(self) -> None:
        """Lose every port and connection that is being watched, at once."""
        for descriptor in self.removeAll():
            try:
                descriptor.connectionLost(Failure(ConnectionLost("the reactor disconnected everything")))
            except Exception:
                self.vocabulary.log.exception("connectionLost of %r raised", descriptor)

    def make_thread_pool(self) -> ReactorThreadPool:
        """The pool that :meth:`getThreadPool` gives: of Twisted's class."""
        return ReactorThreadPool(self.loop)

    @property
    def threadpool(self) -> Any:
        """The thread pool; None as long as nobody needed it."""
        return None if self._parts is None else self._parts.threads.pool

    def _stopThreadPool(self) -> None:
        """End the threads and wait for them. Who needs one later gets a new pool."""
        if self._parts is not None:
            self._parts.threads.stop()


if find_spec("OpenSSL") is not None:
    classImplements(TwistedReactor, IReactorSSL)


def _plain(binding: Any) -> Any:
    """What Twisted's ``makeBinding()`` gives, as a binding of ours; anything else as it is.

    That function came with Twisted 26; what it gives has no public names.
    """
    if not hasattr(binding, "_reuseAddress"):
        return binding
    return Binding(binding._address or "", binding._port, binding._reuseAddress, binding._reusePort)
