"""Resolvers of host names, and how one kind is made from the other.

===================================  ======================================================================
:class:`LoopResolver`                asks ``loop.getaddrinfo``; a reactor has it until another is installed
:class:`GAIResolver`                 asks ``socket.getaddrinfo``, or the like, in the reactor's threads
:class:`ComplexResolverSimplifier`   an IResolverSimple made from an IHostnameResolver
:class:`SimpleResolverComplexifier`  an IHostnameResolver made from an IResolverSimple
===================================  ======================================================================

The last three have the names of Twisted's, private ones too, and take the same arguments. Which resolver is
in use is known to :mod:`.names`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from zope.interface import implementer

from twisted_compat.adapter.hostnames import to_ascii
from twisted_compat.adapter.resolution import DEFAULT_TIMEOUT, OneAddress, Resolution, Timeout
from twisted_compat.current import current_reactor
from twisted_compat.failure import exc_info_of
from twisted_compat.interfaces import IHostnameResolver, IResolverSimple
from twisted_compat.vocabulary import NATIVE, Vocabulary, vocabulary_of

__all__ = [
    "ComplexResolverSimplifier",
    "GAIResolver",
    "LoopResolver",
    "SimpleResolverComplexifier",
    "socket_type",
]

SOCKET_TYPES = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}
SEMANTICS: dict[int, str] = {number: name for name, number in SOCKET_TYPES.items()}
# What getaddrinfo raises for what isn't there, and for what one can't even ask: an empty label, or NUL.
NOT_FOUND = (OSError, ValueError)

Answers = Iterable[tuple[int, int, int, str, tuple[Any, ...]]]


@implementer(IHostnameResolver)
class LoopResolver:
    """Asks ``loop.getaddrinfo``: what the system's resolver knows, hosts file and all.

    :param loop: whose ``getaddrinfo`` is asked.
    :param vocabulary: whose addresses are given.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary) -> None:
        self._loop = loop
        self._words = vocabulary
        self._tasks: dict[asyncio.Task[None], Resolution] = {}

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Find all addresses of a host name (IHostnameResolver). A name that can't be found has none.

        :param resolutionReceiver: an IResolutionReceiver. It is told that the search began before this
            returns, and the rest on later turns.
        :param hostName: the name, or an IP address. Letters beyond ASCII are encoded as IDNA.
        :param portNumber: the port to put into the addresses.
        :param addressTypes: which addresses are wanted: of IPv4Address and IPv6Address; None for both.
        :param transportSemantics: "TCP" or "UDP".
        :returns: an IHostResolution.
        :raises ValueError: for other transport semantics.
        """
        kind = socket_type(transportSemantics)
        resolution = Resolution(hostName, resolutionReceiver, addressTypes, self._words.log)
        if not resolution.begin():
            return resolution
        task = self._loop.create_task(self._look_up(resolution, portNumber, kind))
        self._tasks[task] = resolution
        task.add_done_callback(self._tasks.pop)
        resolution.stop_with(task.cancel)
        return resolution

    def close(self) -> None:
        """Cancel every search under way; their receivers are told that they are complete."""
        for task, resolution in list(self._tasks.items()):
            if self._loop.is_closed():  # its tasks can't be cancelled any more
                resolution.stop_with(lambda: None)
                del self._tasks[task]
            resolution.cancel()

    async def _look_up(self, resolution: Resolution, port: int, kind: int) -> None:
        try:
            host = to_ascii(resolution.name)
            family = _family(self._words, resolution)
            answers = await self._loop.getaddrinfo(host, port, family=family, type=kind)
        except NOT_FOUND:
            answers = []
        except Exception:
            self._words.log.exception("Resolving %r failed in an unexpected way", resolution.name)
            answers = []
        except asyncio.CancelledError:  # by us, or by the loop's owner at its end
            resolution.complete()
            raise
        _tell(self._words, resolution, answers)


@implementer(IHostnameResolver)
class GAIResolver:
    """Asks a blocking ``getaddrinfo`` in threads.

    A search that is cancelled is over for its receiver; its thread is busy until ``getaddrinfo`` returns.

    :param reactor: an IReactorThreads: the receivers are told in its thread.
    :param getThreadPool: returns the ThreadPool to ask in; by default it is the reactor's own.
    :param getaddrinfo: what to call; it takes host, port, family and type as ``socket.getaddrinfo`` does.
    """

    def __init__(
        self,
        reactor: Any,
        getThreadPool: Callable[[], Any] | None = None,
        getaddrinfo: Callable[..., Answers] = socket.getaddrinfo,
    ) -> None:
        self._reactor = reactor
        self._words = vocabulary_of(reactor)
        self._get_pool = reactor.getThreadPool if getThreadPool is None else getThreadPool
        self._getaddrinfo = getaddrinfo

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Find all addresses of a host name (IHostnameResolver), as :meth:`LoopResolver.resolveHostName`."""
        kind = socket_type(transportSemantics)
        resolution = Resolution(hostName, resolutionReceiver, addressTypes, self._words.log)
        if not resolution.begin():
            return resolution
        try:
            host = to_ascii(resolution.name)
        except UnicodeError:
            resolution.complete()
            return resolution
        pool = self._get_pool()
        if getattr(pool, "joined", False):  # it would never answer
            resolution.complete()
            return resolution
        family = _family(self._words, resolution)
        answered = partial(self._reactor.callFromThread, self._answered, resolution)
        pool.callInThreadWithCallback(answered, self._getaddrinfo, host, portNumber, family, kind)
        return resolution

    def _answered(self, resolution: Resolution, success: bool, result: Any) -> None:
        if not success and not result.check(*NOT_FOUND):
            self._words.log.error(
                "Resolving %r failed in an unexpected way", resolution.name, exc_info=exc_info_of(result)
            )
        _tell(self._words, resolution, result if success else [])


def socket_type(semantics: str) -> int:
    """The type of socket that resolveHostName's ``transportSemantics`` mean.

    :raises ValueError: for others than "TCP" and "UDP".
    """
    if semantics not in SOCKET_TYPES:
        raise ValueError(
            f"There are no addresses for the transport {semantics!r}. "
            'Write transportSemantics="TCP" or transportSemantics="UDP".'
        )
    return SOCKET_TYPES[semantics]


def _family(words: Vocabulary, resolution: Resolution) -> int:
    """The address family to ask for: one, if only one kind of address is wanted."""
    if resolution.types is not None and words.address.IPv6Address not in resolution.types:
        return socket.AF_INET
    if resolution.types is not None and words.address.IPv4Address not in resolution.types:
        return socket.AF_INET6
    return socket.AF_UNSPEC


def _tell(words: Vocabulary, resolution: Resolution, answers: Answers) -> None:
    """Hand on what getaddrinfo answered, and that this is all."""
    try:
        for family, kind, _, _, where in answers:
            semantics = SEMANTICS.get(kind, "TCP")
            if family == socket.AF_INET:
                resolution.found(words.address.IPv4Address(semantics, where[0], where[1]))
            elif family == socket.AF_INET6 and len(where) == 4:  # it has two items on a Python without IPv6
                resolution.found(words.address.IPv6Address(semantics, *where))
    except Exception:  # somebody's own getaddrinfo
        words.log.exception("What getaddrinfo answered for %r makes no sense", resolution.name)
    resolution.complete()


# One kind made from the other


@implementer(IResolverSimple)
class ComplexResolverSimplifier:
    """An IResolverSimple made from an IHostnameResolver: finds IPv4 addresses.

    :param nameResolver: the IHostnameResolver.
    :param vocabulary: whose Deferreds and errors are given.
    :param clock: an IReactorTime, to end look-ups that take too long; by default the current reactor.
    :param under_way: where the look-ups are as long as they wait; only who owns it needs to give it.
    """

    def __init__(
        self,
        nameResolver: Any,
        vocabulary: Vocabulary = NATIVE,
        clock: Any = None,
        under_way: set[OneAddress] | None = None,
    ) -> None:
        self._nameResolver = nameResolver
        self._words = vocabulary
        self._clock = clock
        self._under_way = set() if under_way is None else under_way

    def getHostByName(self, name: str, timeout: Timeout = DEFAULT_TIMEOUT) -> Any:
        """Find an IPv4 address (IResolverSimple).

        :param name: the host name.
        :param timeout: seconds; of a sequence, the sum counts.
        :returns: a Deferred of the address as text. It fails with ``DNSLookupError``, which is also the
            Deferreds' ``TimeoutError`` if it was a matter of time. It can be cancelled.
        """
        one = OneAddress(name, self._words, self._under_way)
        wanted = [self._words.address.IPv4Address]
        try:
            self._nameResolver.resolveHostName(one, name, 0, wanted, "TCP")
        except Exception as error:
            one.fail(error)
        one.limit(current_reactor() if self._clock is None else self._clock, timeout)
        return one.deferred


@implementer(IHostnameResolver)
class SimpleResolverComplexifier:
    """An IHostnameResolver made from an IResolverSimple: it finds one address at most.

    :param simpleResolver: the IResolverSimple.
    :param vocabulary: whose addresses are given.
    """

    def __init__(self, simpleResolver: Any, vocabulary: Vocabulary = NATIVE) -> None:
        self._simpleResolver = simpleResolver
        self._words = vocabulary

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Ask the simple resolver for its address (IHostnameResolver)."""
        words = self._words
        resolution = Resolution(hostName, resolutionReceiver, addressTypes, words.log)
        if not resolution.begin():
            return resolution
        try:
            host_name = to_ascii(resolution.name)
        except UnicodeError:
            resolution.complete()
            return resolution
        deferred = words.defer.maybeDeferred(self._simpleResolver.getHostByName, host_name)

        def found(host: str) -> None:
            kind = words.address.IPv6Address if ":" in host else words.address.IPv4Address
            resolution.found(kind(transportSemantics, host, portNumber))

        def failed(failure: Any) -> None:
            expected = (words.error.DNSLookupError, words.defer.TimeoutError)
            if not resolution.done and not failure.check(*expected):
                words.log.error(
                    "Looking up %r with %r failed",
                    resolution.name,
                    self._simpleResolver,
                    exc_info=exc_info_of(failure),
                )

        deferred.addCallback(found).addErrback(failed).addBoth(lambda _: resolution.complete())
        resolution.stop_with(deferred.cancel)
        return resolution
