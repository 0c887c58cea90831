"""Which reactor is meant when none is named: the registry of loop -> reactor.

The adapter writes it as a reactor binds to its loop and leaves it; anything that takes ``reactor=None`` reads
it. It knows reactors as opaque objects, so it sits at the bottom of the layers. asyncio is imported only when
somebody asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = [
    "attached_reactor",
    "current_reactor",
    "register_reactor",
    "set_default_reactor_factory",
    "unregister_reactor",
    "work_for",
]

_by_loop: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_thread = threading.local()
_lock = threading.RLock()  # making the default reactor may register it
_default: Any = None
_default_factory: Callable[[], Any] | None = None


def register_reactor(loop: Any, reactor: Any) -> None:
    """Make ``reactor`` the one of ``loop``.

    :raises RuntimeError: if another one has the loop.
    """
    with _lock:
        # A reactor knows its loop, so an entry keeps itself alive. Of those that were never left, forget the
        # ones whose loop is closed.
        for closed in [known for known in _by_loop if known.is_closed()]:
            del _by_loop[closed]
        other = _by_loop.setdefault(loop, reactor)
    if other is not reactor:
        raise RuntimeError(
            f"This event loop has a reactor already, {other!r}. "
            "Use that one: twisted_compat.current_reactor()."
        )


def unregister_reactor(loop: Any, reactor: Any) -> None:
    """Undo :func:`register_reactor`; does nothing if another reactor has taken the loop since."""
    with _lock:
        if _by_loop.get(loop) is reactor:
            del _by_loop[loop]


def set_default_reactor_factory(factory: Callable[[], Any]) -> None:
    """Say how the process's default reactor is made; it is made when first asked for.

    :param factory: if what it makes can ``leave_closed_loop()``, it is told to whenever it is asked for, as
        it outlives the loops it is used on.
    """
    global _default_factory
    _default_factory = factory


def work_for(loop: Any) -> None:
    """Say, in a thread, that it is one of the pool of the reactor that ``loop`` has."""
    _thread.loop = loop


def _without_a_loop() -> Any | None:
    loop = getattr(_thread, "loop", None)
    if loop is not None:
        return _by_loop.get(loop)
    with _lock:
        running = [reactor for loop, reactor in _by_loop.items() if loop.is_running()]
    return running[0] if len(running) == 1 else None


def attached_reactor() -> Any | None:
    """The reactor of the running loop, if one is attached to that.

    In a thread without a loop: in one of a reactor's pool, that reactor; else the one whose loop runs in
    another thread, if it is the only one, so that any thread may say ``reactor.callFromThread``.
    """
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _without_a_loop()
    return _by_loop.get(loop)


def current_reactor() -> Any:
    """The :func:`attached_reactor`; where there is none, the process's default reactor.

    :returns: an :class:`~twisted_compat.adapter.reactor.AsyncioReactor`.
    """
    global _default
    reactor = attached_reactor()
    if reactor is not None:
        return reactor
    with _lock:
        if _default is None:
            if _default_factory is None:
                raise RuntimeError(
                    "No reactor exists and none can be made yet. "
                    "Write `import twisted_compat` before asking for the reactor."
                )
            _default = _default_factory()
        leave_closed_loop = getattr(_default, "leave_closed_loop", None)
        if leave_closed_loop is not None:
            leave_closed_loop()
        return _default
