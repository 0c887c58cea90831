"""What is concluded from the samples of a benchmark."""

from __future__ import annotations

import pytest

from benchmarks.model import Case, Goal, Sample, Unit
from benchmarks.report import DISTURBED, PACED, Conclusion, Span, Standing, Verdict, conclude
from tests.benchmarks.samples import case, sample, value

LESS = Unit("bytes", more_is_better=False)


def concluded(asked: Case, **measured: list[Sample]) -> Conclusion:
    """:param measured: by peer, with underscores for dashes."""
    found = {asked.name: {peer.replace("_", "-"): samples for peer, samples in measured.items()}}
    [conclusion] = conclude([asked, case("not measured")], found)
    return conclusion


def standing(conclusion: Conclusion, peer: str) -> Standing:
    return next(each for each in conclusion.standings if each.peer == peer)


def verdict(goal: Goal, ours: list[Sample], other: list[Sample], unit: Unit = Unit("requests/s")) -> Verdict:  # noqa: B008  # it is frozen
    made = case(goals=(goal, Goal("ours-uvloop", "twisted-epoll")), unit=unit)
    [only] = concluded(made, ours_asyncio=ours, twisted_epoll=other).verdicts
    return only


def test_medians_spreads_and_ratios() -> None:
    conclusion = concluded(
        case(),
        ours_asyncio=[sample(300), sample(200), sample(900)],
        twisted_epoll=[sample(100), sample(50), sample(120)],
    )
    assert conclusion.baseline == "twisted-epoll"
    ours, base = conclusion.standings
    assert (ours.peer, ours.value, ours.ratio) == ("ours-asyncio", Span(300, 200, 900), Span(3.0, 3.0, 7.5))
    assert (base.peer, base.ratio, base.multiple) == ("twisted-epoll", Span(1, 1, 1), 1)


def test_where_less_is_better_ratios_say_how_many_times_as_good() -> None:
    conclusion = concluded(case(unit=LESS), ours_asyncio=[value(50)], twisted_epoll=[value(100)])
    assert [(each.peer, each.multiple) for each in conclusion.standings] == [
        ("ours-asyncio", 2.0),
        ("twisted-epoll", 1.0),
    ]


def test_what_is_not_positive_has_no_ratio() -> None:
    conclusion = concluded(case(unit=LESS), ours_asyncio=[value(-3)], twisted_epoll=[value(100)])
    assert standing(conclusion, "ours-asyncio").ratio is None
    assert standing(conclusion, "ours-asyncio").multiple is None


def test_work_for_the_same_cpu_time() -> None:
    conclusion = concluded(
        case(), ours_asyncio=[sample(100, busy=0.5)], twisted_epoll=[sample(100, busy=1.0)]
    )
    assert standing(conclusion, "ours-asyncio").cpu_ratio == 2.0
    assert standing(conclusion, "ours-asyncio").busy == 0.5
    without = concluded(case(), ours_asyncio=[sample(100, busy=None)], twisted_epoll=[sample(100)])
    assert standing(without, "ours-asyncio").cpu_ratio is None


@pytest.mark.parametrize(
    ("measured", "baseline"),
    [
        (("ours-asyncio", "bare-asyncio", "twisted-epoll"), "twisted-epoll"),
        (("ours", "bare-asyncio", "twisted"), "twisted"),
        (("ours-asyncio", "protocol-asyncio"), "protocol-asyncio"),
        (("ours-uvloop", "raw-epoll"), "ours-uvloop"),
    ],
)
def test_who_stands_in_for_the_baseline(measured: tuple[str, ...], baseline: str) -> None:
    [conclusion] = conclude([case(peers=measured)], {"made-up": {peer: [sample(1)] for peer in measured}})
    assert conclusion.baseline == baseline


@pytest.mark.parametrize(
    ("busy", "client", "lockstep", "remark"),
    [
        (0.96, 0.2, False, ""),
        (0.8, 0.9, False, PACED),
        (0.8, 0.5, False, DISTURBED),
        (0.8, None, False, DISTURBED),
        (0.99, 0.98, False, PACED),
        (0.99, 0.96, False, ""),
        (None, None, False, ""),
        (0.4, 0.4, True, "mostly waiting, by its nature"),
    ],
)
def test_remarks(busy: float | None, client: float | None, lockstep: bool, remark: str) -> None:
    conclusion = concluded(case(lockstep=lockstep), ours_asyncio=[sample(1, busy, client)])
    assert conclusion.standings[0].remark == remark


def test_one_disturbed_round_of_many_decides_nothing() -> None:
    rounds = [sample(1), sample(1, busy=0.5), sample(1)]
    assert concluded(case(), ours_asyncio=rounds).standings[0].remark == ""


@pytest.mark.parametrize(
    ("goal", "ours", "outcome"),
    [
        (Goal("ours-asyncio", "twisted-epoll", 2.0), sample(200), "met"),
        (Goal("ours-asyncio", "twisted-epoll", 2.0), sample(199), "MISSED"),
        (Goal("ours-asyncio", "twisted-epoll", 2.0), sample(300, busy=0.5), "undecided: disturbed"),
        (Goal("ours-asyncio", "twisted-epoll", 2.0), sample(0), "undecided: no ratio"),
        (Goal("ours-asyncio", "twisted-epoll"), sample(1), ""),
        (Goal("ours-asyncio", "twisted-epoll"), sample(1, busy=0.5), ""),
        (Goal("ours-asyncio", "twisted-epoll", at_most=50), sample(150), "met"),
        (Goal("ours-asyncio", "twisted-epoll", at_most=50), sample(151), "MISSED"),
        (Goal("ours-asyncio", "twisted-epoll", at_most=-10), sample(91), "MISSED"),
    ],
)
def test_outcomes(goal: Goal, ours: Sample, outcome: str) -> None:
    assert verdict(goal, [ours], [sample(100)]).outcome == outcome


@pytest.mark.parametrize(
    ("ours", "other", "outcome"),
    [
        (sample(200, client=0.98), sample(100), "met"),  # and it could have done more
        (sample(200), sample(100, client=0.98), "undecided: the client held one back"),
        (sample(150, client=0.98), sample(100), "undecided: the client held one back"),
        (sample(150), sample(100, client=0.98), "MISSED"),
    ],
)
def test_a_client_that_held_one_back_leaves_it_undecided(ours: Sample, other: Sample, outcome: str) -> None:
    goal = Goal("ours-asyncio", "twisted-epoll", 2.0)
    assert verdict(goal, [ours], [other]).outcome == outcome


def test_goals_of_those_who_failed_are_not_forgotten() -> None:
    made = case(goals=(Goal("ours-asyncio", "twisted-epoll", 2.0), Goal("ours-asyncio", "raw-epoll", 1.0)))
    found = {made.name: {"twisted-epoll": [sample(1)]}}
    [conclusion] = conclude([made], found, [(made.name, "ours-asyncio")])
    assert [each.outcome for each in conclusion.verdicts] == ["FAILED: ours-asyncio"]


def test_peers_that_are_not_asked_about_are_left_out() -> None:
    found = {"made-up": {peer: [sample(1)] for peer in ("ours-asyncio", "twisted-epoll", "raw-epoll")}}
    [conclusion] = conclude([case()], found)
    assert [each.peer for each in conclusion.standings] == ["ours-asyncio", "twisted-epoll"]


def test_a_goal_where_less_is_better_is_the_inverse() -> None:
    goal = Goal("ours-asyncio", "twisted-epoll", 2.0)
    assert verdict(goal, [value(50)], [value(100)], LESS).outcome == "met"
    assert verdict(goal, [value(51)], [value(100)], LESS).outcome == "MISSED"


def test_spreads_are_of_single_rounds() -> None:
    ours, other = [sample(100), sample(300), sample(200)], [sample(100), sample(100), sample(50)]
    ratio = verdict(Goal("ours-asyncio", "twisted-epoll", 1.0), ours, other)
    assert ratio.figure == Span(2.0, 1.0, 4.0)
    difference = verdict(Goal("ours-asyncio", "twisted-epoll", at_most=1), ours, other)
    assert difference.figure == Span(100, 0, 200)


def test_rounds_that_only_one_of_them_had_are_in_no_spread() -> None:
    interrupted = verdict(
        Goal("ours-asyncio", "twisted-epoll", 1.0), [sample(100), sample(900)], [sample(100)]
    )
    assert interrupted.figure == Span(5.0, 1.0, 1.0)
