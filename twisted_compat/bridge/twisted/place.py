"""What is at ``twisted.internet.reactor``, where Twisted's own modules look for a reactor too.

Many of them do, also when they were given one: tasks, TLS, the file server. Where reactors are embedded in
loops and none was installed, importing it would install one that nobody runs. So a stand-in is put there for
that time, which is the reactor of whatever loop asks. ``installing.py`` has what users call.
"""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any
from weakref import WeakSet

import twisted.internet
from twisted.internet.main import installReactor
from zope.interface import implementedBy

from twisted_compat.adapter.embed import ReactorProxy
from twisted_compat.adapter.loops import running_loop
from twisted_compat.adapter.texts import caller
from twisted_compat.current import attached_reactor

__all__ = ["PLACE", "STAND_IN", "attached", "detached", "put", "warn_of_another", "who_is_there"]

PLACE = "twisted.internet.reactor"

_lock = threading.RLock()
_all: WeakSet[Any] = WeakSet()  # every TwistedReactor that has taken a loop and not let go of it
_installed: Any = None  # by install()
_shown: Any = None  # what we have put there last


def _attached() -> list[Any]:
    """Those whose loop is not closed."""
    with _lock:
        return [reactor for reactor in _all if not reactor.has_closed_loop()]


def _find() -> Any:
    reactor, attached = attached_reactor(), _attached()
    if reactor in attached:
        return reactor
    if len(attached) == 1:
        return attached[0]
    raise RuntimeError(
        "twisted.internet.reactor was asked for where no TwistedReactor is attached. "
        "Write `async with TwistedReactor() as reactor: ...` in the loop that is to run this."
    )


class _StandIn(ReactorProxy):
    """The TwistedReactor of the running loop; in a thread without one, the only one that there is."""

    _find = staticmethod(_find)

    @property
    def __providedBy__(self) -> Any:
        return super().__providedBy__ if _attached() else implementedBy(_StandIn)

    def __repr__(self) -> str:
        return f"<the TwistedReactor of the running loop, one of {_attached()!r}>"


STAND_IN = _StandIn()


def who_is_there() -> Any:
    """Another's reactor; else the one that was installed, even if it rests; else the stand-in, or None."""
    there = sys.modules.get(PLACE)
    return there if there is not None and not _is_ours(there) else (_installed or there)


def put(reactor: Any) -> None:
    """Install a reactor, or with None nothing, in place of one of ours."""
    global _installed
    with _lock:
        _installed = reactor
        _show()


def attached(reactor: Any) -> None:
    """A TwistedReactor has taken a loop."""
    with _lock:
        _all.add(reactor)
        _show()


def detached(reactor: Any) -> None:
    """A TwistedReactor has let go of its loop."""
    with _lock:
        _all.discard(reactor)
        _show()


def _is_ours(there: Any) -> bool:
    return there is STAND_IN or there is _installed or there is _shown


def _show() -> None:
    """Have in the place what belongs there, unless another's is there.

    An installed reactor that rests while others are embedded gives way to the stand-in for that time.
    """
    global _shown
    there: Any = sys.modules.get(PLACE)
    attached = _attached()
    if _installed is not None and (_installed in attached or not attached):
        wanted = _installed
    else:
        wanted = STAND_IN if attached else None
    if there is wanted or (there is not None and not _is_ours(there)):
        return
    _shown = wanted
    if there is not None:
        del sys.modules[PLACE]
        del twisted.internet.reactor
    if wanted is not None:
        installReactor(wanted)


def warn_of_another(loop: Any) -> None:
    """``loop`` is to have a TwistedReactor; if it runs, and another's reactor is in the place, warn."""
    there = sys.modules.get(PLACE)
    if there is None or _is_ours(there) or running_loop() is not loop:
        return
    _, level = caller()
    warnings.warn(
        f"twisted.internet.reactor is {there!r}, and the running loop is to have another. Parts of Twisted "
        "that ask for the former will wait for ever unless somebody runs it. Call "
        "twisted_compat.bridge.twisted.install() before anything imports twisted.internet.reactor.",
        RuntimeWarning,
        stacklevel=level,
    )
