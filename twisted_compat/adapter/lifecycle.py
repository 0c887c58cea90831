"""What happens when a reactor starts and stops: its states, and the system events with their triggers.

``reactor.py`` walks through the states and fires the events; this module knows neither loops nor sockets.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from twisted_compat.failure import exc_info_of
from twisted_compat.vocabulary import Vocabulary

__all__ = ["State", "SystemEvents", "TriggerID"]

PHASES = ("before", "during", "after")

TriggerID = tuple[str, tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]]


class State(enum.Enum):
    """Where a reactor is in its life::

    UNBOUND  -> BOUND        it has taken a loop (its first use, or run, or `async with`)
    BOUND    -> RUNNING      the "startup" event has been fired on that loop
    RUNNING  -> STOPPING     stop(): the "shutdown" event is being fired, and what was opened is closing
    RUNNING  -> BOUND        crash(): no event, nothing closed; run() goes on from here
    STOPPING -> UNBOUND      everything is closed and the loop is let go; it may start again, on any loop
    """

    UNBOUND = "unbound"
    BOUND = "bound"
    RUNNING = "running"
    STOPPING = "stopping"


class SystemEvents:
    """The triggers of the "startup", "shutdown" and any other system event (IReactorCore).

    An event has three phases. The triggers of "before" may return Deferreds, which are waited for; those of
    "during" and "after" may not.

    :param vocabulary: whose Deferred is recognised.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._triggers: dict[str, dict[str, list[Any]]] = {}
        self._first_during: dict[str, Callable[[], None]] = {}
        self._between: dict[str, Callable[[Callable[[], None]], None]] = {}

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> TriggerID:
        """Call ``callable(*args, **kw)`` when an event occurs.

        :param phase: "before", "during" or "after".
        :param eventType: the event's name: "startup", "shutdown", "persist", or one of your own.
        :returns: an ID for :meth:`removeSystemEventTrigger`.
        :raises KeyError: if there is no such phase.
        :raises TypeError: if ``callable`` can't be called.
        """
        if phase not in PHASES:
            raise KeyError(f"{phase!r} is no phase of a system event. Use one of {', '.join(PHASES)}.")
        if not builtin_callable(callable):
            raise TypeError(
                f"A trigger of {eventType!r} must be callable, not {callable!r}. "
                "Pass the function itself, without calling it."
            )
        trigger = (eventType, callable, args, kw)
        phases = self._triggers.setdefault(eventType, {name: [] for name in PHASES})
        phases[phase].append(trigger)
        return phase, trigger

    def removeSystemEventTrigger(self, triggerID: TriggerID) -> None:
        """Undo :meth:`addSystemEventTrigger`.

        :raises ValueError: if the trigger isn't there: removed already, or run.
        :raises KeyError: if there is no such event or phase.
        :raises TypeError: if that is no trigger's ID.
        """
        if not isinstance(triggerID, tuple) or len(triggerID) != 2 or not isinstance(triggerID[1], tuple):
            raise TypeError(f"{triggerID!r} is no trigger's ID. Pass what addSystemEventTrigger returned.")
        phase, trigger = triggerID
        event = trigger[0]
        if event not in self._triggers or phase not in PHASES:
            raise KeyError(
                f"No trigger was ever added to the phase {phase!r} of an event {event!r} here. "
                "Pass what this reactor's addSystemEventTrigger returned."
            )
        triggers = self._triggers[event][phase]
        for index, candidate in enumerate(triggers):
            if candidate is trigger:
                del triggers[index]
                return
        raise ValueError(f"No such trigger of {phase!r} {event!r} is left: it was removed, or has run.")

    def happens(self, event: str, call: Callable[[], None]) -> None:
        """Call ``call()`` as ``event`` itself happens: after "before", as the first of "during"."""
        self._first_during[event] = call

    def between(self, event: str, wait: Callable[[Callable[[], None]], None]) -> None:
        """Put ``wait(proceed)`` between the "during" and the "after" phase of ``event``: "after" begins when
        it calls ``proceed()``."""
        self._between[event] = wait

    def fireSystemEvent(self, eventType: str) -> None:
        """Run all triggers of an event, phase after phase.

        Each trigger runs once. What one raises is logged, and the others run; a KeyboardInterrupt or
        SystemExit gets out of here, but not before they have.

        A Deferred that "before" waited for keeps its result. If it fails, that is logged, and so is handled.

        :param eventType: the event's name. One without triggers does nothing.
        """
        awaited: list[Any] = []
        try:
            self._run_phase(eventType, "before", awaited)
        finally:  # an event that has begun is finished, or the reactor would never have stopped
            self._wait_for(eventType, awaited)

    def _wait_for(self, event: str, results: list[Any]) -> None:
        """Go on to "during" when every Deferred of "before" has fired."""
        deferreds = [result for result in results if isinstance(result, self._vocabulary.defer.Deferred)]
        left = len(deferreds)
        if not left:
            self._fire_during(event)

        def one_done(result: Any) -> Any:
            nonlocal left
            if isinstance(result, self._vocabulary.failure.Failure):
                self._vocabulary.log.error(
                    "a Deferred that the event %r waited for failed", event, exc_info=exc_info_of(result)
                )
                result = None
            left -= 1
            if not left:
                self._fire_during(event)
            return result

        for deferred in deferreds:
            deferred.addBoth(one_done)

    def _fire_during(self, event: str) -> None:
        try:
            self._first_during.get(event, _nothing)()
            self._run_phase(event, "during")
        finally:
            wait = self._between.get(event)
            if wait is None:
                self._fire_after(event)
            else:
                wait(lambda: self._fire_after(event))

    def _fire_after(self, event: str) -> None:
        self._run_phase(event, "after")

    def _run_phase(self, event: str, phase: str, results: list[Any] | None = None) -> None:
        """Take the triggers off their list one by one, so that one which adds or removes others sees the
        list as it is. What they return is put into ``results``."""
        phases = self._triggers.get(event)
        while phases and phases[phase]:
            _, callable, args, kw = phases[phase].pop(0)
            try:
                result = callable(*args, **kw)
            except (KeyboardInterrupt, SystemExit):
                self._run_phase(event, phase, results)
                raise
            except BaseException:  # CancelledError too: it is the trigger's, and nobody cancelled the event
                self._vocabulary.log.exception("a trigger of the event %r raised: %r", event, callable)
            else:
                if results is not None:
                    results.append(result)


def _nothing() -> None:
    """Happens with most events."""


builtin_callable = callable  # Twisted names a parameter of addSystemEventTrigger so
