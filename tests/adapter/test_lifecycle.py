"""System events: phases, Deferreds that are waited for, and triggers that misbehave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.adapter.lifecycle import SystemEvents
from twisted_compat.defer import Deferred, fail, succeed
from twisted_compat.vocabulary import NATIVE

PHASES = ("before", "during", "after")


@pytest.fixture
def events() -> SystemEvents:
    return SystemEvents(NATIVE)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the errors logged were about."""
    return [str(r.exc_info[1]) for r in caplog.records if r.levelno >= logging.ERROR and r.exc_info]


def raising(error: BaseException) -> Callable[[], None]:
    def trigger() -> None:
        raise error

    return trigger


# Phases


@given(st.lists(st.sampled_from(PHASES)))
def test_phase_after_phase_and_within_one_in_the_order_they_were_added(phases: list[str]) -> None:
    events, ran = SystemEvents(NATIVE), []
    for number, phase in enumerate(phases):
        events.addSystemEventTrigger(phase, "shutdown", ran.append, (PHASES.index(phase), number))
    events.fireSystemEvent("shutdown")
    assert ran == sorted(ran)
    assert len(ran) == len(phases)


def test_arguments_are_passed(events: SystemEvents) -> None:
    seen: list[Any] = []

    def trigger(*args: Any, **kw: Any) -> None:
        seen.append((args, kw))

    events.addSystemEventTrigger("during", "mine", trigger, 1, 2, key="word")
    events.fireSystemEvent("mine")
    assert seen == [((1, 2), {"key": "word"})]


def test_each_runs_once(events: SystemEvents) -> None:
    ran: list[str] = []
    for phase in PHASES:
        events.addSystemEventTrigger(phase, "mine", ran.append, phase)
    events.fireSystemEvent("mine")
    events.fireSystemEvent("mine")
    assert ran == list(PHASES)


def test_events_are_apart_and_one_without_triggers_does_nothing(events: SystemEvents) -> None:
    ran: list[str] = []
    events.addSystemEventTrigger("before", "mine", ran.append, "mine")
    events.fireSystemEvent("yours")
    assert ran == []


def test_something_waits_between_during_and_after(events: SystemEvents) -> None:
    ran: list[str] = []
    proceed: list[Callable[[], None]] = []
    for phase in PHASES:
        events.addSystemEventTrigger(phase, "shutdown", ran.append, phase)
    events.between("shutdown", proceed.append)
    events.fireSystemEvent("shutdown")
    assert ran == ["before", "during"]
    proceed[0]()
    assert ran == ["before", "during", "after"]


# Deferreds


def test_deferreds_of_before_are_waited_for_all_of_them(events: SystemEvents) -> None:
    ran: list[str] = []
    waited: list[Deferred[Any]] = [Deferred(), succeed("at once"), Deferred()]
    for deferred in waited:
        events.addSystemEventTrigger("before", "mine", lambda deferred=deferred: deferred)
    events.addSystemEventTrigger("before", "mine", ran.append, "before")
    events.addSystemEventTrigger("during", "mine", ran.append, "during")
    events.fireSystemEvent("mine")
    waited[2].callback(None)
    assert ran == ["before"]
    waited[0].callback(None)
    assert ran == ["before", "during"]


def test_their_results_stay_theirs(events: SystemEvents) -> None:
    waited: Deferred[str] = Deferred()
    results: list[Any] = []
    events.addSystemEventTrigger("before", "mine", lambda: waited)
    events.fireSystemEvent("mine")
    waited.callback("result")
    waited.addCallback(results.append)
    assert results == ["result"]


@pytest.mark.parametrize("phase", ["during", "after"])
def test_deferreds_of_other_phases_are_not_waited_for(events: SystemEvents, phase: str) -> None:
    ran: list[str] = []
    events.addSystemEventTrigger(phase, "mine", Deferred[None])
    events.addSystemEventTrigger("after", "mine", ran.append, "after")
    events.fireSystemEvent("mine")
    assert ran == ["after"]


def test_a_failing_deferred_is_logged_once_and_the_event_goes_on(
    events: SystemEvents, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    waited: Deferred[None] = Deferred()
    events.addSystemEventTrigger("before", "mine", lambda: fail(ValueError("at once")))
    events.addSystemEventTrigger("before", "mine", lambda: waited)
    events.addSystemEventTrigger("during", "mine", ran.append, "during")
    events.fireSystemEvent("mine")
    waited.errback(ValueError("later"))
    assert ran == ["during"]
    assert logged(caplog) == ["at once", "later"]


def test_a_cancelled_deferred_lets_the_event_go_on(
    events: SystemEvents, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    waited: Deferred[None] = Deferred()
    events.addSystemEventTrigger("before", "mine", lambda: waited)
    events.addSystemEventTrigger("during", "mine", ran.append, "during")
    events.fireSystemEvent("mine")
    waited.cancel()
    assert ran == ["during"]
    assert len(logged(caplog)) == 1


# Triggers that raise


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, GeneratorExit])
def test_what_a_trigger_raises_is_logged_and_the_others_run(
    events: SystemEvents, caplog: pytest.LogCaptureFixture, phase: str, error: type[BaseException]
) -> None:
    ran: list[str] = []
    events.addSystemEventTrigger(phase, "mine", raising(error("oops")))
    for each in PHASES:
        events.addSystemEventTrigger(each, "mine", ran.append, each)
    events.fireSystemEvent("mine")
    assert ran == list(PHASES)
    assert logged(caplog) == ["oops"]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_gets_out_after_all_have_run(
    events: SystemEvents, caplog: pytest.LogCaptureFixture, phase: str, error: type[BaseException]
) -> None:
    ran: list[str] = []
    events.addSystemEventTrigger(phase, "shutdown", raising(error()))
    for each in PHASES:
        events.addSystemEventTrigger(each, "shutdown", ran.append, each)
    events.between("shutdown", lambda proceed: proceed())
    with pytest.raises(error):
        events.fireSystemEvent("shutdown")
    assert ran == list(PHASES)
    assert logged(caplog) == []


def test_an_exit_does_not_cut_waiting_short(events: SystemEvents) -> None:
    ran: list[str] = []
    waited: Deferred[None] = Deferred()
    events.addSystemEventTrigger("before", "mine", lambda: waited)
    events.addSystemEventTrigger("before", "mine", raising(SystemExit()))
    events.addSystemEventTrigger("during", "mine", ran.append, "during")
    with pytest.raises(SystemExit):
        events.fireSystemEvent("mine")
    assert ran == []
    waited.callback(None)
    assert ran == ["during"]


# Removing


@pytest.mark.parametrize("phase", PHASES)
def test_removed_it_does_not_run_and_cannot_be_removed_again(events: SystemEvents, phase: str) -> None:
    ran: list[int] = []
    first = events.addSystemEventTrigger(phase, "mine", ran.append, 1)
    events.addSystemEventTrigger(phase, "mine", ran.append, 1)  # equal, but another
    events.removeSystemEventTrigger(first)
    with pytest.raises(ValueError, match="removed, or has run"):
        events.removeSystemEventTrigger(first)
    events.fireSystemEvent("mine")
    assert ran == [1]


def test_removed_after_it_has_run(events: SystemEvents) -> None:
    trigger = events.addSystemEventTrigger("before", "mine", list)
    events.fireSystemEvent("mine")
    with pytest.raises(ValueError, match="has run"):
        events.removeSystemEventTrigger(trigger)


def test_removed_while_the_event_waits(events: SystemEvents) -> None:
    ran: list[str] = []
    waited: Deferred[None] = Deferred()
    before = events.addSystemEventTrigger("before", "mine", lambda: waited)
    during = events.addSystemEventTrigger("during", "mine", ran.append, "during")
    events.addSystemEventTrigger("after", "mine", ran.append, "after")
    events.fireSystemEvent("mine")
    events.removeSystemEventTrigger(during)
    with pytest.raises(ValueError, match="has run"):
        events.removeSystemEventTrigger(before)
    waited.callback(None)
    assert ran == ["after"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_trigger_may_remove_those_to_come_but_not_itself(events: SystemEvents, phase: str) -> None:
    ran: list[str] = []
    ids: list[Any] = []

    def removing() -> None:
        for trigger in ids[1:]:
            events.removeSystemEventTrigger(trigger)
        with pytest.raises(ValueError, match="has run"):
            events.removeSystemEventTrigger(ids[0])
        ran.append("removing")

    ids.append(events.addSystemEventTrigger(phase, "mine", removing))
    ids.extend(events.addSystemEventTrigger(each, "mine", ran.append, each) for each in (phase, "after"))
    events.addSystemEventTrigger(phase, "mine", ran.append, "last")
    events.fireSystemEvent("mine")
    assert ran == ["removing", "last"]


@pytest.mark.parametrize("phase", PHASES)
def test_a_trigger_may_add_others_to_its_phase_and_later_ones(events: SystemEvents, phase: str) -> None:
    ran: list[str] = []

    def adding() -> None:
        for each in PHASES[PHASES.index(phase) :]:
            events.addSystemEventTrigger(each, "mine", ran.append, each)

    events.addSystemEventTrigger(phase, "mine", adding)
    events.fireSystemEvent("mine")
    assert ran == list(PHASES[PHASES.index(phase) :])


def test_one_that_adds_to_a_phase_that_is_over_adds_for_the_next_time(events: SystemEvents) -> None:
    ran: list[str] = []
    events.addSystemEventTrigger(
        "after", "mine", lambda: events.addSystemEventTrigger("before", "mine", ran.append, "next time")
    )
    events.fireSystemEvent("mine")
    assert ran == []
    events.fireSystemEvent("mine")
    assert ran == ["next time"]


# Errors


def test_an_unknown_phase(events: SystemEvents) -> None:
    with pytest.raises(KeyError, match="before, during, after"):
        events.addSystemEventTrigger("between", "mine", list)


def test_what_cannot_be_called(events: SystemEvents) -> None:
    with pytest.raises(TypeError, match="without calling it"):
        events.addSystemEventTrigger("before", "mine", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("thing", [None, 3, "abc", (), ("before", "mine")])
def test_what_is_no_id(events: SystemEvents, thing: Any) -> None:
    with pytest.raises(TypeError, match="addSystemEventTrigger returned"):
        events.removeSystemEventTrigger(thing)


def test_an_id_of_another_phase_or_event(events: SystemEvents) -> None:
    phase, trigger = events.addSystemEventTrigger("before", "mine", list)
    with pytest.raises(KeyError, match="addSystemEventTrigger returned"):
        events.removeSystemEventTrigger(("between", trigger))
    with pytest.raises(KeyError, match="addSystemEventTrigger returned"):
        events.removeSystemEventTrigger((phase, ("yours", *trigger[1:])))
    with pytest.raises(ValueError, match="No such trigger"):
        events.removeSystemEventTrigger(("after", trigger))
