"""How fast Deferreds are, beside Twisted's and asyncio's futures: ``python -m benchmarks.deferreds``, or
``make bench-deferreds``.

There is one process for what needs no event loop, and one for each kind of loop. In each the peers take turns
(ours, Twisted's, ours, ...), so that a slow minute of the machine meets all of them, and the median round
counts. A row whose process did not have its core to itself decides nothing: run again when the machine is
quiet.

``deferred_work`` has the work and does it; ``report`` judges.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.command import BenchmarkError, cores, duration, module, names_among, output_of, whole_number
from benchmarks.deferred_work import LOOPS, NO_LOOP, TASKS, WORK
from benchmarks.load import Load
from benchmarks.report import Rounds, Verdict, judge, outcome, verdict_as_json

SLACK = 60  # seconds that a process may take beyond what it measures
Found = dict[str, dict[str, Rounds]]
"""By loop, kind of work and peer."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    seconds: float
    rounds: int
    batch: int
    loops: tuple[str, ...]
    json: Path | None


def _batch(text: str) -> int:
    size = whole_number(text, 1_000_000)
    if size % TASKS:
        raise argparse.ArgumentTypeError(f"{size} is not a multiple of {TASKS}")
    return size


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options on the command line; argparse ends the process if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deferreds", description="Compare Deferreds.")
    add = parser.add_argument
    add("--seconds", type=duration, default=0.5, help="of each measurement (default 0.5)")
    add("--rounds", type=lambda text: whole_number(text, 1000), default=7, help="default 7")
    add("--batch", type=_batch, default=5000, help="how often between two looks at the clock (default 5000)")
    add(
        "--loops",
        type=lambda text: names_among(LOOPS, text, "loop"),
        default=LOOPS,
        metavar="NAME,...",
        help=", ".join(LOOPS),
    )
    add("--json", type=Path, metavar="FILE", help="write everything measured there too")
    return Options(**vars(parser.parse_args(arguments)))


def choose(loops: Sequence[str]) -> list[str]:
    """The loops that are there; a line is printed for each that isn't.

    :raises BenchmarkError: without Twisted, since nothing can be compared then.
    """
    if find_spec("twisted") is None:
        raise BenchmarkError("There is no Twisted to compare with. Write: pip install twisted.")
    absent = [loop for loop in loops if loop == "uvloop" and find_spec("uvloop") is None]
    for loop in absent:
        print(f"{loop} is left out: it is not installed.")
    return [loop for loop in loops if loop not in absent]


def measure(loop: str, options: Options) -> dict[str, Rounds]:
    """Everything that is done on one kind of loop, in a process of its own.

    :raises BenchmarkError: if that fails.
    """
    command = module("deferred_work", cores()[0], loop)
    command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
    command += ["--batch", str(options.batch)]
    measurements = options.rounds * sum(len(work.peers) for work in WORK.values() if loop in work.loops)
    limit = 2 * measurements * options.seconds + SLACK
    found = json.loads(output_of(command, limit, f"What is measured with the loop {loop!r}"))
    return {
        name: {peer: [Load(**load) for load in loads] for peer, loads in peers.items()}
        for name, peers in found.items()
    }


def verdicts(found: Found) -> list[tuple[str, str, Verdict]]:
    """Every ratio, with its loop and kind of work."""
    return [
        (loop, name, verdict)
        for loop, by_work in found.items()
        for name, rounds in by_work.items()
        for verdict in judge(rounds, WORK[name].goals)
    ]


def _each(loads: Sequence[Load]) -> str:
    return f"{median(1e6 / load.rate for load in loads):.2f} us"


def _row(work: str, loop: str, verdict: Verdict, rounds: Rounds) -> str:
    goal, (low, high) = verdict.goal, verdict.spread
    least = f"{goal.least:.2f}" if goal.least else "-"
    return (
        f"{WORK[work].title:<38}{'-' if loop == NO_LOOP else loop:<9}{goal.other:<10}"
        f"{_each(rounds[goal.ours]):>11}{_each(rounds[goal.other]):>11}"
        f"{verdict.ratio:>7.2f}  {f'{low:.2f} to {high:.2f}':<14}{least:>5}  {outcome(verdict) or '-'}"
    )


def table(found: Found) -> str:
    """Every ratio as a line of text: how often ours does the work while the other does it once."""
    heading = (
        f"{'work':<38}{'loop':<9}{'beside':<10}{'ours':>11}{'that':>11}"
        f"{'ratio':>7}  {'rounds':<14}{'goal':>5}  verdict"
    )
    rows = [_row(work, loop, verdict, found[loop][work]) for loop, work, verdict in verdicts(found)]
    return "\n".join([heading, *rows])


def as_json(found: Found) -> dict[str, object]:
    """Everything measured and concluded, for ``json.dump``."""
    told = [
        {"loop": loop, "work": work, **verdict_as_json(verdict)} for loop, work, verdict in verdicts(found)
    ]
    return {"loops": found, "verdicts": told}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and return the exit status.

    :returns: 0; 1 if a process failed (a missed goal is told, but is no failure); 130 if interrupted.
    """
    options = parse(arguments)
    found: Found = {}
    try:
        loops = choose(options.loops)
        pinned = "pinned to a core" if cores()[0] is not None else "NOT pinned: no two cores here"
        print(f"{options.rounds} rounds of {options.seconds:g} s for each peer, {pinned}.", flush=True)
        for position, loop in enumerate(loops, 1):
            print(f"[{position}/{len(loops)}] loop: {loop}", flush=True)
            found[loop] = measure(loop, options)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    print(f"\n{table(found)}")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(found), indent=2, default=vars) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
