"""What is at ``twisted.internet.reactor``, where Twisted's own modules look for a reactor too.

Many of them do, also when they were given one: tasks, TLS, the file server. Where reactors are embedded in
loops and none was installed, importing it would install one that nobody runs. So a stand-in is put there for
that time, which is the reactor of whatever loop asks. ``installing.py`` has what users call.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any
from weakref import WeakSet

import twisted.internet
from twisted.internet.main import installReactor

from twisted_compat.adapter.embed import ReactorProxy
from twisted_compat.adapter.loops import running_loop
from twisted_compat.current import attached_reactor

__all__ = ["PLACE", "STAND_IN", "attached", "detached", "put", "who_is_there"]

PLACE = "twisted.internet.reactor"

_all: WeakSet[Any] = WeakSet()  # every TwistedReactor that has taken a loop and not let go of it


def _attached() -> list[Any]:
    """Those whose loop is not closed."""
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

    def __repr__(self) -> str:
        return f"<the TwistedReactor of the running loop, one of {_attached()!r}>"


STAND_IN = _StandIn()

_installed: Any = None  # by install()
_shown: list[Any] = []  # what we have put there


def who_is_there() -> Any:
    """The reactor that was installed; else the stand-in, or None."""
    return _installed or sys.modules.get(PLACE)


def put(reactor: Any) -> None:
    """Install a reactor, or with None nothing, in place of one of ours."""
    global _installed
    _installed = reactor
    _show()


def attached(reactor: Any) -> None:
    """A TwistedReactor has taken a loop."""
    _all.add(reactor)
    _show()
    there: Any = sys.modules.get(PLACE)
    if there is not STAND_IN and type(there) is not type(reactor) and running_loop() is reactor.loop:
        warnings.warn(
            f"twisted.internet.reactor is {there!r}, and the running loop's is {reactor!r}. Parts of Twisted "
            "that ask for the former will wait for ever unless somebody runs it. Call "
            "twisted_compat.bridge.twisted.install() before anything imports twisted.internet.reactor.",
            RuntimeWarning,
            stacklevel=4,
        )


def detached(reactor: Any) -> None:
    """A TwistedReactor has let go of its loop."""
    _all.discard(reactor)
    _show()


def _show() -> None:
    """Have in the place what belongs there, unless it is another's.

    An installed reactor that rests while others are embedded gives way to the stand-in for that time.
    """
    there: Any = sys.modules.get(PLACE)
    attached = _attached()
    if _installed is not None and (_installed in attached or not attached):
        wanted = _installed
    else:
        wanted = STAND_IN if attached else None
    if there is wanted or (there is not None and there not in (STAND_IN, *_shown)):
        return
    _shown[:] = [] if wanted is None else [wanted]
    if there is not None:
        del sys.modules[PLACE]
        del twisted.internet.reactor
    if wanted is not None:
        installReactor(wanted)
