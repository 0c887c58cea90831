"""A host name being resolved: the search that a receiver was told of, and a receiver that wants one address.

What resolvers are made of; the resolvers themselves are in :mod:`.resolvers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from zope.interface import implementer

from twisted_compat.adapter.hostnames import as_text
from twisted_compat.interfaces import IHostResolution, IResolutionReceiver
from twisted_compat.transport.delayed import call_off
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DEFAULT_TIMEOUT", "OneAddress", "Resolution", "Timeout", "cancel_resolution"]

Timeout = float | Sequence[float]

# Seconds for each try, from IReactorCore.resolve; the sum is what counts here.
DEFAULT_TIMEOUT = (1, 3, 11, 45)
TIMEOUT_IF_EMPTY = 60.0  # seconds


@implementer(IHostResolution)
class Resolution:
    """A look-up under way. It can be cancelled; either way the receiver hears of its end once.

    :param host_name: what is looked up, as IHostnameResolver takes it.
    :param receiver: the IResolutionReceiver.
    :param address_types: the classes of addresses that it wants; None for all.
    :param log: where to say that the receiver raised.
    """

    def __init__(
        self, host_name: str | bytes, receiver: Any, address_types: Iterable[Any] | None, log: Any
    ) -> None:
        self.name = as_text(host_name)
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
        if not self.done and (self.types is None or isinstance(address, tuple(self.types))):
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


@implementer(IResolutionReceiver)
class OneAddress:
    """Waits for the first address of a look-up, for a limited time, and fires a Deferred with it.

    :param name: what is looked up.
    :param words: whose Deferred and errors.
    :param under_way: where this one is as long as it waits.
    :ivar deferred: fires with the address as text; cancelling it ends the look-up.
    """

    def __init__(self, name: str, words: Vocabulary, under_way: set[OneAddress]) -> None:
        self._name = name
        self._words = words
        self._resolution: Any = None
        self._timer: Any = None
        self._under_way = under_way
        self.deferred: Any = words.defer.Deferred(lambda _: self._end())
        under_way.add(self)

    def limit(self, clock: Any, timeout: Timeout) -> None:
        """Wait no longer than that.

        :param clock: an IReactorTime.
        :param timeout: seconds; of a sequence, the sum.
        """
        if self in self._under_way:  # the answer may have come at once
            if not isinstance(timeout, (int, float)):
                timeout = sum(timeout) if timeout else TIMEOUT_IF_EMPTY
            self._timer = clock.callLater(timeout, self._time_is_up)

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
        self.fail(self._words.error.DNSLookupError(f"{self._name!r}: {why}"))

    def fail(self, error: Exception) -> None:
        if self._end():
            self.deferred.errback(error)

    def _time_is_up(self) -> None:
        # The interface promises the one, Twisted's reactors give the other; code was written for both.
        both = (self._words.error.DNSLookupError, self._words.defer.TimeoutError)
        kind = type("LookupTimeout", both, {})
        self.fail(kind(f"{self._name!r}: no answer in time"))

    def _end(self) -> bool:
        """Stop whatever still works at this. False: it had ended before."""
        if self not in self._under_way:
            return False
        self._under_way.remove(self)
        call_off(self._timer)
        resolution, self._resolution = self._resolution, None
        if resolution is not None:
            cancel_resolution(resolution, self._words)
        return True


def cancel_resolution(resolution: Any, words: Vocabulary) -> None:
    """Cancel somebody's IHostResolution, if it can be cancelled; those of Twisted's own resolvers can't."""
    try:
        resolution.cancel()
    except NotImplementedError:  # it runs on, and nobody listens
        words.log.debug("The look-up of %r can't be cancelled", resolution.name)
