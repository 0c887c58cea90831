"""Host names into addresses: IReactorCore.resolve and the resolvers that can be installed.

Twisted has two interfaces for it, and code that knows only one of them::

    resolve(name) -> IResolverSimple    one IPv4 address, as a Deferred
    nameResolver  -> IHostnameResolver  all addresses, told to a receiver

Whichever kind is installed, the other is made from it here. Without either, :class:`LoopResolver` asks
``loop.getaddrinfo``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from zope.interface import implementer

from twisted_compat.failure import exc_info_of
from twisted_compat.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver, IResolverSimple
from twisted_compat.vocabulary import Vocabulary

__all__ = ["LoopResolver", "Names"]

Timeout = float | Sequence[float]

DEFAULT_TIMEOUT = (
    1,
    3,
    11,
    45,
)  # seconds for each try, from IReactorCore.resolve; the sum is what counts here
TIMEOUT_IF_EMPTY = 60.0  # seconds

SOCKET_TYPES = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


class Names:
    """The resolvers of a reactor.

    :param loop: whose ``getaddrinfo`` is asked unless something else is installed.
    :param vocabulary: whose Deferreds, errors and addresses are given.
    :param reactor: whose ``callLater`` ends look-ups that take too long.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary, reactor: Any) -> None:
        self._vocabulary = vocabulary
        self._loop_resolver = LoopResolver(loop, vocabulary)
        self._name_resolver: Any = self._loop_resolver
        self._reactor = reactor
        self._lookups: set[_OneAddress] = set()
        self._simple_resolver: Any = _Simple(self._loop_resolver, self)

    def resolve(self, name: str | bytes, timeout: Timeout = DEFAULT_TIMEOUT) -> Any:
        """Find an address (IReactorCore).

        :param name: the host name; letters beyond ASCII are encoded as IDNA. An IP address, v4 or v6, is
            returned as it is, and an empty name is "0.0.0.0".
        :param timeout: seconds; of a sequence, the sum counts.
        :returns: a Deferred of an IPv4 address as text. It fails with ``DNSLookupError``, which is also
            Deferred's ``TimeoutError`` if it was a matter of time. It can be cancelled.
        """
        name = _as_text(name)
        if not name:
            return self._vocabulary.defer.succeed("0.0.0.0")
        if _is_literal(name):
            return self._vocabulary.defer.succeed(name)
        return self._simple_resolver.getHostByName(name, timeout)

    @property
    def nameResolver(self) -> Any:
        """The IHostnameResolver in use (IReactorPluggableNameResolver)."""
        return self._name_resolver

    def installResolver(self, resolver: Any) -> Any:
        """Look names up with another simple resolver from now on, in both ways.

        IReactorPluggableResolver.

        :param resolver: an IResolverSimple.
        :returns: the simple resolver from before; installing that again undoes this.
        :raises TypeError: if ``resolver`` isn't one.
        """
        self._check(resolver, "IResolverSimple", "installResolver")
        previous, self._simple_resolver = self._simple_resolver, resolver
        self._name_resolver = (
            resolver.hostnames if isinstance(resolver, _Simple) else _Hostnames(resolver, self)
        )
        return previous

    def installNameResolver(self, resolver: Any) -> Any:
        """Look names up with another host name resolver from now on, in both ways.

        IReactorPluggableNameResolver.

        :param resolver: an IHostnameResolver.
        :returns: the host name resolver from before; installing that again undoes this.
        :raises TypeError: if ``resolver`` isn't one.
        """
        self._check(resolver, "IHostnameResolver", "installNameResolver")
        previous, self._name_resolver = self._name_resolver, resolver
        self._simple_resolver = (
            resolver.simple if isinstance(resolver, _Hostnames) else _Simple(resolver, self)
        )
        return previous

    def close(self) -> None:
        """End every look-up under way. Those who wait for one are told that the name wasn't found."""
        for lookup in list(self._lookups):
            lookup.give_up("the reactor was stopped")
        self._loop_resolver.close()

    def _check(self, resolver: Any, interface: str, method: str) -> None:
        if not getattr(self._vocabulary.interfaces, interface).providedBy(resolver):
            raise TypeError(
                f"{resolver!r} doesn't provide {interface}, which {method} needs. "
                f"Write @implementer({interface}) above its class."
            )


# The resolver that the loop is


class _Resolution:
    """A look-up under way. It can be cancelled; either way the receiver hears of its end once.

    :param host_name: what is looked up, as IHostnameResolver takes it.
    :param receiver: the IResolutionReceiver.
    :param address_types: the classes of addresses that it wants; None for all.
    :param log: where to say that the receiver raised.
    """

    def __init__(
        self, host_name: str | bytes, receiver: Any, address_types: Iterable[Any] | None, log: Any
    ) -> None:
        self.name = _as_text(host_name)
        self.types = None if address_types is None else list(address_types)
        self._receiver = receiver
        self._log = log
        self._stop: Callable[[], object] | None = None
        self.done = False

    def begin(self) -> bool:
        """Tell the receiver of it. False: it didn't want it after all, and has cancelled."""
        self._tell("resolutionBegan", self)
        return not self.done

    def stop_with(self, stop: Callable[[], object]) -> None:
        """Say how to stop the work; it may be over already."""
        self._stop = None if self.done else stop

    def found(self, address: Any) -> None:
        if not self.done and (self.types is None or type(address) in self.types):
            self._tell("addressResolved", address)

    def complete(self) -> None:
        if not self.done:
            self.done = True
            self._stop = None
            self._tell("resolutionComplete")

    def cancel(self) -> None:
        """Give up; the receiver is told that it is complete (IHostResolution)."""
        stop = self._stop
        self.complete()
        if stop is not None:
            stop()

    def _tell(self, method: str, *args: Any) -> None:
        try:
            getattr(self._receiver, method)(*args)
        except Exception:
            self._log.exception("%s of %r raised, resolving %r", method, self._receiver, self.name)


implementer(IHostResolution)(_Resolution)


@implementer(IHostnameResolver)
class LoopResolver:
    """Asks ``loop.getaddrinfo``: what the system's resolver knows, hosts file and all.

    :param loop: whose ``getaddrinfo`` is asked.
    :param vocabulary: whose addresses are given.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary) -> None:
        self._loop = loop
        self._address = vocabulary.address
        self._log = vocabulary.log
        self._tasks: dict[asyncio.Task[None], _Resolution] = {}

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
        if transportSemantics not in SOCKET_TYPES:
            raise ValueError(
                f"There are no addresses for the transport {transportSemantics!r}. "
                'Write transportSemantics="TCP" or transportSemantics="UDP".'
            )
        resolution = _Resolution(hostName, resolutionReceiver, addressTypes, self._log)
        if not resolution.begin():
            return resolution
        task = self._loop.create_task(self._look_up(resolution, portNumber, transportSemantics))
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

    async def _look_up(self, resolution: _Resolution, port: int, semantics: str) -> None:
        try:
            host = _to_ascii(resolution.name)
            answers = await self._loop.getaddrinfo(
                host, port, family=self._family(resolution.types), type=SOCKET_TYPES[semantics]
            )
        except (OSError, ValueError):  # ValueError: one can't even ask for it, such as an empty label, or NUL
            answers = []
        except Exception:
            self._log.exception("Resolving %r failed in an unexpected way", resolution.name)
            answers = []
        except asyncio.CancelledError:  # by us, or by the loop's owner at its end
            resolution.complete()
            raise
        for family, _, _, _, where in answers:
            address = self._make_address(family, semantics, where)
            if address is not None:
                resolution.found(address)
        resolution.complete()

    def _family(self, types: list[Any] | None) -> int:
        """The address family to ask for: one, if only one kind of address is wanted."""
        if types is not None and self._address.IPv6Address not in types:
            return socket.AF_INET
        if types is not None and self._address.IPv4Address not in types:
            return socket.AF_INET6
        return socket.AF_UNSPEC

    def _make_address(self, family: int, semantics: str, where: tuple[Any, ...]) -> Any:
        if family == socket.AF_INET:
            return self._address.IPv4Address(semantics, where[0], where[1])
        if family == socket.AF_INET6 and len(where) == 4:  # it has two items on a Python without IPv6
            return self._address.IPv6Address(semantics, *where)
        return None


# One kind of resolver made from the other


@implementer(IResolutionReceiver)
class _OneAddress:
    """Waits for the first address of a look-up, for a limited time, and fires a Deferred with it."""

    def __init__(self, name: str, names: Names) -> None:
        self._name = name
        self._names = names
        self._defer = names._vocabulary.defer
        self._error = names._vocabulary.error
        self._resolution: Any = None
        self._timer: Any = None
        self.deferred: Any = self._defer.Deferred(lambda _: self._end())
        names._lookups.add(self)

    def limit(self, seconds: float) -> None:
        if self in self._names._lookups:  # the answer may have come at once
            self._timer = self._names._reactor.callLater(seconds, self._time_is_up)

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """Remember what to cancel (IResolutionReceiver)."""
        self._resolution = resolutionInProgress

    def addressResolved(self, address: Any) -> None:
        """Take the first, and leave the rest (IResolutionReceiver)."""
        if self._end():
            self.deferred.callback(address.host)

    def resolutionComplete(self) -> None:
        """There is none (IResolutionReceiver)."""
        self.give_up("no IPv4 address was found")

    def give_up(self, why: str) -> None:
        self.fail(self._error.DNSLookupError(f"{self._name!r}: {why}"))

    def fail(self, error: Exception) -> None:
        if self._end():
            self.deferred.errback(error)

    def _time_is_up(self) -> None:
        # The interface promises the one, Twisted's reactors give the other; code was written for both.
        kind = type("LookupTimeout", (self._error.DNSLookupError, self._defer.TimeoutError), {})
        self.fail(kind(f"{self._name!r}: no answer in time"))

    def _end(self) -> bool:
        """Stop whatever still works at this. False: it had ended before."""
        if self not in self._names._lookups:
            return False
        self._names._lookups.remove(self)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        resolution, self._resolution = self._resolution, None
        if resolution is not None:
            try:
                resolution.cancel()
            except NotImplementedError:  # as Twisted's own: it runs on, and nobody listens
                self._names._vocabulary.log.debug("The look-up of %r can't be cancelled", self._name)
        return True


@implementer(IResolverSimple)
class _Simple:
    """An IResolverSimple made from an IHostnameResolver."""

    def __init__(self, hostnames: Any, names: Names) -> None:
        self.hostnames = hostnames
        self._names = names

    def getHostByName(self, name: str, timeout: Timeout = DEFAULT_TIMEOUT) -> Any:
        """Find an IPv4 address (IResolverSimple); see :meth:`Names.resolve`."""
        one = _OneAddress(name, self._names)
        wanted = [self._names._vocabulary.address.IPv4Address]
        try:
            self.hostnames.resolveHostName(one, name, 0, wanted, "TCP")
        except Exception as error:
            one.fail(error)
        one.limit(_total(timeout))
        return one.deferred


@implementer(IHostnameResolver)
class _Hostnames:
    """An IHostnameResolver made from an IResolverSimple: it finds one address at most."""

    def __init__(self, simple: Any, names: Names) -> None:
        self.simple = simple
        self._vocabulary = names._vocabulary

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Ask the simple resolver for its address (IHostnameResolver)."""
        resolution = _Resolution(hostName, resolutionReceiver, addressTypes, self._vocabulary.log)
        if not resolution.begin():
            return resolution
        try:
            host_name = _to_ascii(resolution.name)
        except UnicodeError:
            resolution.complete()
            return resolution
        deferred = self._vocabulary.defer.maybeDeferred(self.simple.getHostByName, host_name)

        def found(host: str) -> None:
            kinds = self._vocabulary.address
            kind = kinds.IPv6Address if ":" in host else kinds.IPv4Address
            resolution.found(kind(transportSemantics, host, portNumber))

        def failed(failure: Any) -> None:
            expected = (self._vocabulary.error.DNSLookupError, self._vocabulary.defer.TimeoutError)
            if not resolution.done and not failure.check(*expected):
                self._vocabulary.log.error(
                    "Looking up %r with %r failed",
                    resolution.name,
                    self.simple,
                    exc_info=exc_info_of(failure),
                )

        deferred.addCallback(found).addErrback(failed).addBoth(lambda _: resolution.complete())
        resolution.stop_with(deferred.cancel)
        return resolution


# Names as text


def _as_text(name: str | bytes) -> str:
    """The name as text. What can't be a name becomes one that is not found; it doesn't fail here."""
    return name.decode("utf-8", "surrogateescape") if isinstance(name, (bytes, bytearray)) else name


def _is_literal(name: str) -> bool:
    """Whether the name is an IP address, of which an IPv6 one may have a zone: fe80::1%eth0."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name.partition("%")[0] if family == socket.AF_INET6 else name)
        except (OSError, ValueError):
            continue
        return True
    return False


def _to_ascii(name: str) -> str:
    """The name as the DNS has it (IDNA; by RFC 5891 if the ``idna`` package is there, otherwise by RFC 3490).

    :raises UnicodeError: if it can't be a host name.
    """
    if name.isascii():
        return name
    try:
        import idna
    except ImportError:
        return name.encode("idna").decode("ascii")
    return idna.encode(name, uts46=True).decode("ascii")  # its IDNAError is a UnicodeError


def _total(timeout: Timeout) -> float:
    """The seconds that a look-up may take in all."""
    if isinstance(timeout, (int, float)):
        return timeout
    return sum(timeout) if timeout else TIMEOUT_IF_EMPTY
