"""Which scenarios, cases and peers are meant by the names on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .model import BenchmarkError, Case, Scenario
from .peers import PEERS

__all__ = ["chosen"]


def chosen(scenarios: Mapping[str, Scenario], names: Sequence[str], peers: Sequence[str]) -> list[Scenario]:
    """The scenarios that are meant, with those of their cases and peers that are meant.

    :param names: of scenarios and cases; none means all.
    :param peers: names of peers; none means all.
    :raises BenchmarkError: if there is no such scenario, case or peer, or if nothing is left.
    """
    cases = [case.name for scenario in scenarios.values() for case in scenario.cases]
    choices = f"Scenarios: {', '.join(scenarios)}. Cases: {', '.join(cases)}."
    _known(names, {*scenarios, *cases}, "scenario or case", choices)
    _known(peers, PEERS, "peer", f"Peers: {', '.join(PEERS)}.")

    def wanted(scenario: Scenario, case: Case) -> Case | None:
        if names and scenario.name not in names and case.name not in names:
            return None
        left = tuple(peer for peer in case.peers if not peers or peer in peers)
        return replace(case, peers=left) if left else None

    narrowed = [
        replace(scenario, cases=tuple(filter(None, (wanted(scenario, case) for case in scenario.cases))))
        for scenario in scenarios.values()
    ]
    left = [scenario for scenario in narrowed if scenario.cases]
    if not left:
        raise BenchmarkError(f"None of these cases has any of these peers: {', '.join(peers)}.")
    return left


def _known(names: Sequence[str], known: Mapping[str, object] | set[str], what: str, choices: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchmarkError(f"No such {what}: {', '.join(unknown)}. {choices}")
