"""What a connection needs so that its protocol sees nothing of the proxy but the addresses that it told.

:func:`told_what_it_says` has the transport answer what the header says; :class:`HeldBack` keeps what came in
one piece with the header, for a protocol that doesn't want it yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import providedBy

from twisted_compat.protocols.haproxy.info import ProxyInfo
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.tcp_listen import Server
from twisted_compat.vocabulary import vocabulary_of

__all__ = ["HeldBack", "told_what_it_says"]


def told_what_it_says(transport: Any, info: ProxyInfo, protocol: Any) -> Any:
    """Have a transport answer what a header says, when it is asked for its addresses.

    :param protocol: the one that it will have.
    :returns: the transport; or, if no attribute can be set there, one that stands in front of it.
    """
    answers: dict[str, Any] = {"proxy_info": info}
    if info.source is not None:
        answers |= {"getPeer": _Answer(info.source), "getHost": _Answer(info.destination)}
    try:
        # Attributes of the instance, in front of the methods of its class, as layer.py has it.
        for name, answer in answers.items():
            setattr(transport, name, answer)
    except (AttributeError, TypeError):
        return _InFront(transport, answers)
    if isinstance(transport, Server):
        _name_anew(transport, info, protocol)
    return transport


def _name_anew(transport: Server, info: ProxyInfo, protocol: Any) -> None:
    """In the log, too, it is the client's connection, and the protocol's."""
    host = getattr(info.source, "host", None)
    if host is not None:
        transport.hostname = host
    name = log_prefix(vocabulary_of(transport.reactor), protocol)
    transport.logstr = f"{name},{transport.sessionno},{transport.hostname}"


class _Answer:
    """Is called like a method that takes nothing. It knows no transport: the two would be a cycle."""

    __slots__ = ("_address",)

    def __init__(self, address: Any) -> None:
        self._address = address

    def __call__(self) -> Any:
        return self._address


class _InFront:
    """A transport that answers some questions itself; everything else is done by the other."""

    def __init__(self, transport: Any, answers: dict[str, Any]) -> None:
        self._transport = transport
        vars(self).update(answers)

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks
        return providedBy(self._transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HeldBack:
    """What has been received already and is the protocol's. A protocol may pause its transport as soon as it
    is told of it, and then expects nothing before it resumes, as without a proxy.

    Until it has been delivered, this sees all pausing and resuming.

    :param transport: what the protocol is going to be told of.
    :param protocol: who is to have it, unless the transport has got another protocol meanwhile.
    :param data: may be nothing.
    :param replaced: whether the transport calls its ``protocol``.
    """

    def __init__(self, transport: Any, protocol: Any, data: bytes, replaced: bool) -> None:
        self._transport = transport
        self._protocol = protocol
        self._data = data
        self._replaced = replaced
        self._wanted = True
        self._paused = False  # the transport itself
        self._call: Any = None
        # Of our own descriptors what pausing comes down to, also through a layer that is put on midway (TLS).
        ours = isinstance(transport, FileDescriptor)
        self._names = ("stopReading", "startReading") if ours else ("pauseProducing", "resumeProducing")
        self._own: list[Callable[[], Any]] = []
        if data and all(hasattr(transport, name) for name in self._names):
            self._own = [getattr(transport, name) for name in self._names]
            for name, method in zip(self._names, (self._stop, self._start), strict=True):
                setattr(transport, name, method)

    def _stop(self) -> None:
        self._wanted = False
        call_off(self._call)
        self._call = None
        self._paused = True
        self._own[0]()
        if getattr(self._transport, "disconnected", False):
            self._let_go()

    def _start(self) -> None:
        self._wanted = True
        if self._call is None:  # never inside the caller
            self._call = self._transport.reactor.callLater(0, self._deliver_later)

    def _let_go(self) -> None:
        if self._own:
            self._own = []
            for name in self._names:
                delattr(self._transport, name)

    def _is_closing(self) -> bool:
        # _aborting: nothing else tells that abortConnection has been called, for a turn.
        flags = ("disconnecting", "disconnected", "_aborting")
        return any(getattr(self._transport, flag, False) for flag in flags)

    def deliver(self) -> Any:
        """Deliver it, unless the protocol has closed the connection, or paused it: then as it resumes.

        :returns: what ``dataReceived`` returned.
        """
        if not self._data or (self._own and not self._wanted):
            return None
        call_off(self._call)
        self._call = None
        read_on = self._own[1] if self._paused else None
        self._let_go()
        if self._is_closing():
            return None
        if read_on is not None:
            read_on()  # before the protocol has it, which may pause again
        protocol = self._transport.protocol if self._replaced else self._protocol
        return protocol.dataReceived(self._data)

    def _deliver_later(self) -> None:
        transport = self._transport
        self._call = None
        try:
            self.deliver()
        except Exception:
            words = vocabulary_of(transport.reactor)
            words.log.exception("dataReceived of %r raised: its connection is closed", self._protocol)
            if isinstance(transport, FileDescriptor):
                transport.connectionLost(words.failure.Failure())
            else:
                transport.loseConnection()
