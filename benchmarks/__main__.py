"""The command: ``python -m benchmarks``. Measures what is asked for, and shows and writes what was found.

``choose`` knows what names mean, ``runner`` measures, ``progress`` shows how it goes, ``results`` keeps what
was found, ``report`` concludes; ``tables``, ``plots`` and ``page`` show the conclusions.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from .choose import chosen
from .model import BenchmarkError, Case, Scenario
from .page import check, write
from .progress import Watch
from .report import conclude
from .results import Results, facts, load, save
from .runner import Turn, absent, collect, plan, take
from .scenarios import SCENARIOS
from .tables import show, show_facts, show_list

__all__ = ["main"]

QUICK = (1, 0.2)
INTERRUPTED = 130
WIDE = 140  # columns, where it is no terminal that says how many it has
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[SCENARIO or CASE]...")
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Measure this one; may be given again.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(0.001, 3600),
    default=2.0,
    show_default=True,
    help="For each measurement.",
)
@click.option("--quick", is_flag=True, help="One round of 0.2 s: does it run? The figures say little.")
@click.option("--json", "json_file", type=FILE, help="Write all that is found there, after each case.")
@click.option(
    "--plots", type=click.Path(file_okay=False, path_type=Path), help="Draw plots into this directory."
)
@click.option("--page", type=FILE, help="Write what was found into this Markdown page, between its marks.")
@click.option("--from", "source", type=FILE, help="Measure nothing: show what --json wrote in another run.")
@click.option("--list", "listing", is_flag=True, help="Say what there is to measure, and end.")
def main(
    names: tuple[str, ...],
    peers: tuple[str, ...],
    rounds: int,
    seconds: float,
    quick: bool,
    json_file: Path | None,
    plots: Path | None,
    page: Path | None,
    source: Path | None,
    listing: bool,
) -> None:
    """Measure twisted-compat beside Twisted, asyncio and uvloop, at the same work and in the same run.

    Peers take turns (A B C, A B C), so that a slow minute of the machine meets all of them; the median round
    counts, and what is told are ratios.

    Exits with 0; 1 if a measurement failed (a goal missed is no failure); 130 if interrupted: what has been
    measured by then is shown and written all the same.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    try:
        scenarios = chosen(SCENARIOS, names, peers)
        if listing:
            show_list(console, scenarios)
            return
        _check_outputs(plots, page)
        if source is not None:
            results, status = load(source), 0
        else:
            count, length = QUICK if quick else (rounds, seconds)
            results, status = _measure(console, scenarios, count, length, json_file)
        _show(console, scenarios, results, plots, page)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _measure(
    console: Console, scenarios: Sequence[Scenario], count: int, seconds: float, file: Path | None
) -> tuple[Results, int]:
    """Measure; the results, and the exit status.

    :raises BenchmarkError: if nothing can be measured here.
    """
    results = Results(facts(count, seconds))
    cases = _possible(console, scenarios, results)
    turns = plan(cases, count, results.absent)
    if not turns:
        raise BenchmarkError("Nothing is left to measure.")
    done: list[Turn] = []
    status = 0

    def keep() -> None:
        results.found = collect(done)
        results.failed = sorted({(turn.case.name, turn.peer) for turn in done if turn.error})
        if file is not None:
            save(file, results, cases)

    try:
        with _terminable(), Watch(console, turns) as watch:
            for case, group in groupby(turns, key=lambda turn: turn.case):
                _measure_case(group, seconds, watch, done)
                keep()
                watch.case_ended(case, next(iter(conclude([case], results.found, results.failed)), None))
    except KeyboardInterrupt:
        keep()
        console.print("Interrupted. What was measured until then:")
        status = INTERRUPTED
    console.print()
    for turn in done:
        if turn.error:
            console.print(Text(f"{turn.case.name}: {turn.peer} failed. {turn.error}", style="red"))
            status = status or 1
    return results, status


@contextmanager
def _terminable() -> Iterator[None]:
    """While the block runs, SIGTERM ends this process through every ``finally``, which end the children."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _measure_case(turns: Iterable[Turn], seconds: float, watch: Watch, done: list[Turn]) -> None:
    """All rounds of one case. A peer that failed is spared the rest: it has no ratio any more."""
    failed: set[str] = set()
    for turn in turns:
        watch.begins(turn)
        if turn.peer not in failed:
            turn = take(turn, seconds)
            done.append(turn)
        if turn.error:
            failed.add(turn.peer)
        watch.ended(turn)


def _possible(console: Console, scenarios: Sequence[Scenario], results: Results) -> list[Case]:
    """The cases that can be measured here; who and what can't is told, with the reason."""
    results.absent = {
        scenario.name: lack for scenario in scenarios if (lack := scenario.missing()) is not None
    }
    cases = [case for scenario in scenarios if scenario.name not in results.absent for case in scenario.cases]
    results.absent |= absent(cases)
    for name, lack in results.absent.items():
        console.print(Text(f"{name} is left out: this machine lacks {lack}.", style="yellow"))
    return cases


def _check_outputs(plots: Path | None, page: Path | None) -> None:
    """See that what is asked for can be made: now, and not when all has been measured."""
    if plots is not None and find_spec("matplotlib") is None:
        raise BenchmarkError("Plots need matplotlib. Write: pip install matplotlib")
    if page is not None:
        check(page)


def _show(
    console: Console, scenarios: Sequence[Scenario], results: Results, plots: Path | None, page: Path | None
) -> None:
    """Show results, and make of them what else is asked for."""
    cases = [case for scenario in scenarios for case in scenario.cases]
    conclusions = conclude(cases, results.found, results.failed)
    show_facts(console, results.facts)
    show(console, conclusions)
    if plots is not None:
        from .plots import draw  # late: matplotlib takes a while, and is not there for everybody

        draw(plots, scenarios, conclusions, results.facts)
    if page is not None:
        write(page, scenarios, conclusions, results, plots)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
