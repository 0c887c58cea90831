"""Twisted's own benchmarks, as a scenario: its cases name kinds of work that there are, and are measured."""

from __future__ import annotations

from benchmarks.peers import PEERS
from benchmarks.scenarios.twisted_own import SCENARIO
from benchmarks.work import twisted_own, twisted_own_inside

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case() -> None:
    kinds = {"twisted_own": twisted_own.KINDS, "twisted_own_inside": twisted_own_inside.KINDS}
    assert [case.measure.args for case in SCENARIO.cases] == [
        (module, what) for module in kinds for what in kinds[module]
    ]
    assert list(CASES) == [f"twisted-own-{what}" for each in kinds.values() for what in each]


def test_what_is_waited_for_is_told_to_be() -> None:
    assert [name for name, case in CASES.items() if case.lockstep] == ["twisted-own-calls"]


def test_it_is_measured_by_a_process() -> None:
    assert CASES["twisted-own-lines-64"].measure(PEERS["ours"], 0).work == twisted_own.SIZE
    assert CASES["twisted-own-transfer"].measure(PEERS["ours-asyncio"], 0).work == 1
