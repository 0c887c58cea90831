"""What the tests of resolvers share: receivers and resolvers that leave the talking to the test, and a loop
whose ``getaddrinfo`` is the test's."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from zope.interface import implementer

from tests.support import until
from twisted_compat.adapter.names import Names
from twisted_compat.adapter.timers import Timers
from twisted_compat.defer import Deferred
from twisted_compat.interfaces import IHostnameResolver, IResolutionReceiver, IResolverSimple
from twisted_compat.vocabulary import NATIVE

__all__ = [
    "V4",
    "V6",
    "Hosts",
    "Lookups",
    "LoopWithLookups",
    "Recorder",
    "Simple",
    "make",
    "make_with_lookups",
    "outcome",
]

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::7", 0, 0, 3))


@implementer(IResolutionReceiver)
class Recorder:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.resolution: Any = None

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self.resolution = resolutionInProgress
        self.events.append("began")

    def addressResolved(self, address: Any) -> None:
        self.events.append(address)

    def resolutionComplete(self) -> None:
        self.events.append("complete")

    @property
    def complete(self) -> bool:
        return "complete" in self.events


@implementer(IHostnameResolver)
class Hosts:
    """An IHostnameResolver that leaves the answering to the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.receiver: Any = None
        self.cancelled = False
        self.can_cancel = True

    def resolveHostName(self, resolutionReceiver: Any, *args: Any) -> Any:
        self.asked.append(args)
        self.receiver = resolutionReceiver
        self.name = args[0]
        resolutionReceiver.resolutionBegan(self)
        return self

    def cancel(self) -> None:
        if not self.can_cancel:
            raise NotImplementedError
        self.cancelled = True


@implementer(IResolverSimple)
class Simple:
    """An IResolverSimple that leaves the answering to the test."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.cancelled = False
        self.deferred: Deferred[str] = Deferred(self._cancel)

    def getHostByName(self, name: str, timeout: Any = ()) -> Deferred[str]:
        self.asked.append((name, timeout))
        return self.deferred

    def _cancel(self, deferred: Any) -> None:
        self.cancelled = True


def make() -> Names:
    loop = asyncio.get_running_loop()
    return Names(loop, NATIVE, Timers(loop, NATIVE))


class Lookups:
    """Stands in for ``socket.getaddrinfo``: answers when the test says so, and remembers the questions."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __call__(self, host: Any, port: Any, *, family: int, type: int) -> Any:
        self.asked.append((host, port, family, type))
        return await self.answer


class LoopWithLookups:
    """A loop whose ``getaddrinfo`` is the test's, as uvloop's can't be replaced in place."""

    def __init__(self, lookups: Lookups) -> None:
        self._loop = asyncio.get_running_loop()
        self.getaddrinfo = lookups

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def make_with_lookups() -> tuple[Names, Lookups, Timers]:
    lookups = Lookups()
    timers = Timers(asyncio.get_running_loop(), NATIVE)
    loop: Any = LoopWithLookups(lookups)
    return Names(loop, NATIVE, timers), lookups, timers


async def outcome(deferred: Any) -> Any:
    """The result of a Deferred; a failure is returned, not raised."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    await until(lambda: results)
    return results[0]
