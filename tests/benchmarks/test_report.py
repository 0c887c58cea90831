"""What is concluded from the rounds of a benchmark."""

from __future__ import annotations

import json

from benchmarks.load import Load
from benchmarks.report import Goal, judge, outcome, verdict_as_json, verdict_line


def _load(requests: int, cpu: float | None = 1.0) -> Load:
    return Load(requests, 1.0, client_cpu=0.0, server_cpu=cpu)


def test_the_median_round_counts_and_the_spread_is_told() -> None:
    rounds = {"a": [_load(300), _load(200), _load(900)], "b": [_load(100), _load(100), _load(100)]}
    [verdict] = judge(rounds, [Goal("a", "b", 3.0), Goal("a", "absent", 1.0)])
    assert (verdict.ratio, verdict.spread, verdict.met, verdict.disturbed) == (3.0, (2.0, 9.0), True, False)
    assert outcome(verdict) == "met"
    assert "goal 3.00: met  (rounds 2.00 to 9.00" in verdict_line(verdict)
    assert json.loads(json.dumps(verdict_as_json(verdict)))["met"] is True


def test_outcomes() -> None:
    def of(ours: Load, least: float) -> str:
        [verdict] = judge({"a": [ours], "b": [_load(100)]}, [Goal("a", "b", least)])
        return outcome(verdict)

    assert of(_load(199), 2.0) == "MISSED"
    assert of(_load(200, cpu=0.5), 2.0) == "undecided: disturbed"
    assert of(_load(200), 0) == ""
    assert of(_load(200, cpu=0.5), 0) == "disturbed"
