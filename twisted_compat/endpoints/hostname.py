"""A host by its name, as a place to connect to: whichever of its addresses answers first (RFC 8305, "happy
eyeballs").

The order of the addresses is in :mod:`.race`; each attempt is an endpoint of :mod:`.tcp`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from unicodedata import normalize

from zope.interface import implementer

from twisted_compat.adapter.hostnames import is_host_name, to_ascii, to_unicode
from twisted_compat.adapter.resolution import cancel_resolution
from twisted_compat.adapter.resolvers import SimpleResolverComplexifier
from twisted_compat.endpoints.connecting import connection_deferred
from twisted_compat.endpoints.race import Line
from twisted_compat.endpoints.tcp import BindAddress, TCP4ClientEndpoint, TCP6ClientEndpoint, binding
from twisted_compat.interfaces import IResolutionReceiver, IStreamClientEndpoint
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.sockets import is_ipv6, is_literal
from twisted_compat.vocabulary import vocabulary_of

__all__ = ["HostnameEndpoint"]

RESOLUTION_DELAY = 0.05
"""Seconds to wait for IPv6 addresses once an IPv4 one is known (RFC 8305, section 3)."""


@implementer(IStreamClientEndpoint)
class HostnameEndpoint:
    """Connects to a TCP port of a host, by whichever of its addresses answers first.

    :param reactor: an IReactorTCP and IReactorTime, whose ``nameResolver`` is asked at each connect; of one
        that has none, ``resolve``.
    :param host: the name, in text or in bytes; letters beyond ASCII are encoded as IDNA. An address will do.
    :param port: the port number.
    :param timeout: seconds until an attempt, each for itself, is given up; None for no limit of ours.
    :param bindAddress: an address of this machine to connect from, or a tuple of that and a port.
    :param attemptDelay: seconds between the beginning of one attempt and the next, if none has failed
        meanwhile; 0.25 by default, as RFC 8305 recommends.
    """

    _DEFAULT_ATTEMPT_DELAY = 0.25

    bound_to: int | None
    """The version of IP that ``bindAddress`` is of, whose addresses alone can be connected to."""

    def __init__(
        self,
        reactor: Any,
        host: str | bytes,
        port: int,
        timeout: float | None = 30,
        bindAddress: BindAddress = None,
        attemptDelay: float | None = None,
    ) -> None:
        self._reactor = reactor
        self._badHostname, self._hostBytes, self._hostText = _both_ways(host)
        self._port = port
        self._timeout = timeout
        self._bindAddress = binding(bindAddress)
        local = "" if self._bindAddress is None else self._bindAddress[0]
        self.bound_to = _version(local) if isinstance(local, str) and is_literal(local) else None
        self._attemptDelay = self._DEFAULT_ATTEMPT_DELAY if attemptDelay is None else attemptDelay

    @property
    def asked_host(self) -> str:
        return self._hostText

    def connect(self, protocolFactory: Any) -> Any:
        """Connect once (IStreamClientEndpoint).

        :returns: a Deferred of the protocol. It fails with ValueError for a name that can't be one; with
            DNSLookupError if it has no address; with what the last attempt failed with, if all did.
            Cancelled, it fails with ConnectingCancelledError, and all attempts are over.
        """
        if self._badHostname:
            defer = vocabulary_of(self._reactor).defer
            return defer.fail(ValueError(f"invalid hostname: {self._hostText}"))
        race = _Race(self, protocolFactory)
        race.begin()
        return race.deferred

    def attempt(self, host: str, port: int) -> TCP4ClientEndpoint | TCP6ClientEndpoint:
        """The endpoint of one attempt, at an IP address."""
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        return kind(self._reactor, host, port, self._timeout, self._bindAddress)

    def __repr__(self) -> str:
        host = self._hostBytes.decode("ascii")
        if is_ipv6(host):
            host = f"[{host}]"
        return f"<HostnameEndpoint {host}:{self._port}>"


def _both_ways(host: str | bytes) -> tuple[bool, bytes, str]:
    """Whether a name can't be one; the name in bytes, as the DNS has it, and in text, as people read it."""
    try:
        if isinstance(host, bytes):
            text = ascii_name = host.decode("ascii")
            with suppress(UnicodeError):  # an older name, of letters that have been given up since
                text = to_unicode(ascii_name)
        else:
            text = normalize("NFC", host)
            ascii_name = text if is_literal(text) else to_ascii(text)
        if is_literal(ascii_name) or is_host_name(ascii_name):
            return False, ascii_name.encode("ascii"), text
    except UnicodeError:
        text = host.decode("latin-1") if isinstance(host, bytes) else host
    in_bytes = text.encode("ascii", "backslashreplace")
    return True, in_bytes, in_bytes.decode("ascii")


@implementer(IResolutionReceiver)
class _Race:
    """The attempts of one connect.

    They begin with the first IPv6 address, or when all addresses are known, or :data:`RESOLUTION_DELAY` after
    the first IPv4 one: what comes on the same turn as that keeps the resolver's order, an IPv6 address that
    comes later goes first. The next attempt begins when the latest has failed, or after the delay.

    :ivar deferred: fires with the winner's protocol.
    :ivar _timer: begins the next attempt.
    :ivar _due: whether the next attempt is to begin as soon as there is an address for it.
    """

    def __init__(self, endpoint: HostnameEndpoint, factory: Any) -> None:
        self._endpoint = endpoint
        self._factory = factory
        self._reactor = endpoint._reactor
        self._words = vocabulary_of(self._reactor)
        self._line = Line()
        self._resolution: Any = None
        self._resolved = False
        self._attempts: list[Any] = []
        self._failure: Any = None
        self._left_out = False
        self._timer: Any = None
        self._turn_is_over = False
        self._due = False
        self._starting = False
        self._over = False
        self._at_stop: Any = None
        self.deferred: Any = connection_deferred(self._words, self._cancelled)

    def begin(self) -> None:
        """Look the name up, unless it is an address."""
        add_trigger = getattr(self._reactor, "addSystemEventTrigger", None)
        if add_trigger is not None:  # a test's reactor may have none
            self._at_stop = add_trigger("during", "shutdown", self._stopped)
        host, port = self._endpoint._hostBytes.decode("ascii"), self._endpoint._port
        if is_literal(host):
            self._add(host, port)
            self.resolutionComplete()
            return
        resolver = getattr(self._reactor, "nameResolver", None)
        if resolver is None:
            resolver = SimpleResolverComplexifier(_ByResolve(self._reactor), self._words)
        try:
            resolver.resolveHostName(self, host, port)
        except Exception:
            if self._over:
                self._words.log.exception("resolveHostName of %r raised", resolver)
            else:
                self._end(self._words.failure.Failure())

    # The addresses, as they come

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        """Remember what to cancel (IResolutionReceiver)."""
        if self._over:
            cancel_resolution(resolutionInProgress, self._words)
        else:
            self._resolution = resolutionInProgress

    def addressResolved(self, address: Any) -> None:
        """One more to try (IResolutionReceiver); what is no IP address, of whichever class, is left out."""
        host = getattr(address, "host", None)
        if self._over or self._resolved or not isinstance(host, str) or not is_literal(host):
            return
        scope = getattr(address, "scopeID", 0)
        if not self._add(f"{host}%{scope}" if scope and "%" not in host else host, address.port):
            return
        if self._due:
            self._next()
        elif self._has_begun():
            return
        elif _version(host) == 6 and (self._timer is None or self._turn_is_over):
            self._line.prefer(6)
            self._next()
        elif self._timer is None:
            self._timer = self._reactor.callLater(0, self._wait_for_ipv6)

    def _add(self, host: str, port: int) -> bool:
        """Put an address into the line; unless there is no way to it from the one that is bound to."""
        if self._endpoint.bound_to not in (None, _version(host)):
            self._left_out = True
            return False
        self._line.add(_version(host), (host, port))
        return True

    def _wait_for_ipv6(self) -> None:
        """An IPv4 address was the first, and its turn is over."""
        self._turn_is_over = True
        if self._line.has(6):
            self._next()
            return
        self._timer = self._reactor.callLater(RESOLUTION_DELAY, self._time_is_up)

    def resolutionComplete(self) -> None:
        """There are no more (IResolutionReceiver)."""
        if self._over or self._resolved:
            return
        self._resolved = True
        self._resolution = None
        if self._due or not self._has_begun():
            self._next()

    def _has_begun(self) -> bool:
        return bool(self._attempts) or self._failure is not None

    # The attempts

    def _time_is_up(self) -> None:
        self._timer = None
        self._next()

    def _next(self) -> None:
        """Begin with the next address; if one fails at once, with the one after it, and so on."""
        self._due = True
        if self._starting:
            return  # an attempt has failed before it returned: the loop below goes on
        self._starting = True
        try:
            self._try_those_due()
        except Exception:  # such as from callLater, for a delay that is none
            self._end(self._words.failure.Failure())
        finally:
            self._starting = False
        if not self._over and not self._attempts and self._due and self._resolved:
            self._end(self._failure or self._not_found())

    def _try_those_due(self) -> None:
        while self._due and not self._over:
            where = self._line.take()
            if where is None:
                return
            self._due = False
            self._try(*where)

    def _try(self, host: str, port: int) -> None:
        call_off(self._timer)
        self._timer = self._reactor.callLater(self._endpoint._attemptDelay, self._time_is_up)
        attempt = self._endpoint.attempt(host, port).connect(self._factory)
        self._attempts.append(attempt)
        attempt.addCallbacks(self._won, self._lost, [attempt], {}, [attempt], {})
        if self._over:  # cancelled by the program's factory as the attempt began
            attempt.cancel()

    def _won(self, protocol: Any, attempt: Any) -> None:
        self._attempts.remove(attempt)
        if not self._over:
            self._end(protocol)

    def _lost(self, failure: Any, attempt: Any) -> None:
        was_latest = attempt is self._attempts[-1]
        self._attempts.remove(attempt)
        if not self._over:
            self._failure = failure
            if was_latest or not self._attempts:
                self._next()

    # The end

    def _not_found(self) -> Any:
        errors, host = self._words.error, self._endpoint._hostText
        if self._left_out:
            local = self._endpoint._bindAddress[0]
            error = errors.ConnectBindError(string=f"{host!r} has no address of the version of IP of {local}")
        else:
            error = errors.DNSLookupError(f"no address found for {host!r}")
        return self._words.failure.Failure(error)

    def _cancelled(self, _: Any) -> None:
        address = self._words.address.HostnameAddress(self._endpoint._hostBytes, self._endpoint._port)
        self._end(self._words.failure.Failure(self._words.error.ConnectingCancelledError(address)))

    def _stopped(self) -> None:
        self._at_stop = None  # it has run
        if not self._over:  # a test's reactor may forget nothing
            self._end(
                self._words.failure.Failure(self._words.error.ConnectError(string="the reactor was stopped"))
            )

    def _end(self, result: Any) -> None:
        """Leave nothing of it behind, and say how it came out: ``result`` is the protocol or a Failure."""
        self._over = True
        call_off(self._timer)
        trigger, self._at_stop = self._at_stop, None
        if trigger is not None:
            self._reactor.removeSystemEventTrigger(trigger)
        resolution, self._resolution = self._resolution, None
        if resolution is not None:
            cancel_resolution(resolution, self._words)
        for attempt in list(self._attempts):
            attempt.cancel()
        self._failure = None
        self.deferred.callback(result)


def _version(host: str) -> int:
    """The version of IP that an address is of."""
    return 6 if ":" in host else 4


class _ByResolve:
    """A reactor's ``resolve`` as an IResolverSimple."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def getHostByName(self, name: str) -> Any:
        return self._reactor.resolve(name)
