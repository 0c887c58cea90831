"""The place of ``twisted.internet.reactor``: taking it, giving it up, and who has it already.

A program's modules say ``from twisted.internet import reactor`` as they are imported and keep what they got.
So one object stays in the place as loops come and go: :func:`install` puts it on the next loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorAlreadyInstalledError

from twisted_compat.adapter.loops import running_loop
from twisted_compat.bridge.twisted import place
from twisted_compat.bridge.twisted.reactor import TwistedReactor
from twisted_compat.current import attached_reactor

__all__ = ["install", "installed_by_us", "uninstall"]


def install(
    loop: asyncio.AbstractEventLoop | None = None,
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> TwistedReactor:
    """Make a :class:`TwistedReactor` what ``from twisted.internet import reactor`` gives.

    Call it before anything imports that, in a running loop or before one runs. Called again, once that
    reactor has stopped or its loop is closed, it puts the same reactor on the next loop, as between tests.

    :param loop: the loop to take; by default the one that runs, or else the one that runs when the reactor is
        first used, or one that ``reactor.run()`` makes.
    :param loop_factory: makes that one, such as ``uvloop.new_event_loop``.
    :returns: the reactor. If the running loop has a TwistedReactor already, it is that one.
    :raises ReactorAlreadyInstalledError: if another is there, or this one is in use. It says which, and which
        file imported it first.
    :raises RuntimeError: if the loop has a reactor already, is closed, or can't watch descriptors.
    """
    there = installed_by_us()
    here = attached_reactor() if running_loop() is not None else None
    if isinstance(here, TwistedReactor) and here is not there and loop in (None, here.loop):
        if there is not None and there.is_attached():
            raise ReactorAlreadyInstalledError(_whose_place(there))
        there = here
    elif there is None:
        there = TwistedReactor(loop, loop_factory=loop_factory)
    elif not there.attach(loop, loop_factory=loop_factory):
        raise ReactorAlreadyInstalledError(_whose_place(there))
    place.put(there)
    return there


def installed_by_us() -> TwistedReactor | None:
    """The TwistedReactor that was installed; None if nothing was, though a stand-in may be there.

    :raises ReactorAlreadyInstalledError: if another's is there.
    """
    there = place.who_is_there()
    if there is None or there is place.STAND_IN:
        return None
    if isinstance(there, TwistedReactor):
        return there
    raise ReactorAlreadyInstalledError(_whose_place(there))


def uninstall() -> None:
    """Take a reactor of :func:`install` away from ``twisted.internet.reactor``; another's is left there.

    Modules that have imported it keep it.
    """
    if isinstance(place.who_is_there(), TwistedReactor):
        place.put(None)


def _whose_place(reactor: Any) -> str:
    importer = _first_importer(reactor)
    where = f", imported first by {importer}" if importer else ", imported elsewhere than at a module's top"
    if isinstance(reactor, TwistedReactor):
        return (
            f"twisted.internet.reactor is {reactor!r} already{where}. "
            "Use that one, or leave it first: `await reactor.stopped()` after `reactor.stop()`."
        )
    kind = type(reactor)
    return (
        f"twisted.internet.reactor is {kind.__module__}.{kind.__qualname__} already{where}. "
        "Call twisted_compat.bridge.twisted.install() above that import, as the first thing of the program."
    )


def _first_importer(reactor: Any) -> str | None:
    """The file at whose top the reactor was imported first, if it was at the top of one.

    A module has its place in ``sys.modules`` by when its import ended, and until then by when it began. So
    the first after the reactor that has it among its names is whose import brought it, or one that this
    imported; if there is none, it is the last before it, which is still being imported or is the program.
    """
    names = list(sys.modules)
    here = names.index(place.PLACE) if place.PLACE in names else len(names)
    for name in (*names[here + 1 :], *reversed(names[:here])):
        module = sys.modules.get(name)
        if name == "twisted.internet" or module is None:
            continue
        if any(value is reactor for value in list(getattr(module, "__dict__", {}).values())):
            return getattr(module, "__file__", None) or name
    return None
