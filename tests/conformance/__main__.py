"""``python -m tests.conformance``: run Twisted's tests against this package; see the package's docstring."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.conformance.exceptions import EXCEPTIONS
from tests.conformance.isolation import why_not_isolated
from tests.conformance.report import (
    HEADER,
    Table,
    Verdict,
    idle_exceptions,
    judge,
    print_row,
    print_verdicts,
)
from tests.conformance.runner import Run, run_module
from tests.conformance.suite import COMPARISON, FAMILIES, Module, exists, families_of

Job = tuple[str, str, str]
"""What a child is started for: family, module and loop."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run.

    :returns: 0 if every test passed or is listed as one that can't, else 1.
    """
    options = parse(arguments)
    try:
        version = importlib.metadata.version("twisted")
    except importlib.metadata.PackageNotFoundError:
        print("Twisted is not installed, and its tests with it. Write: pip install 'twisted-compat[dev]'")
        return 1
    print(f"Twisted {version}'s tests against twisted_compat, Python {sys.version.split()[0]}")
    if why := why_not_isolated():
        print(f"Not in network namespaces: {why}. Tests send multicast to the network, and use its ports.")
    jobs = choose(options)
    for module in dict.fromkeys(module for _, module, _ in jobs):
        if not exists(module):
            print(f"{module}: not in Twisted {version}")
    verdicts, status = conduct(
        [job for job in jobs if exists(job[1])],
        EXCEPTIONS,
        only=options.test,
        verbose=options.verbose,
        deadline=options.deadline,
        at_a_time=options.jobs,
    )
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    return status


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    loops = list(dict.fromkeys(loop for family in FAMILIES.values() for loop in family.loops))
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run Twisted's own tests against this package.",
        epilog="\n".join(f"{family.name}: {family.about}" for family in FAMILIES.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--family", action="append", choices=list(FAMILIES), help="a family (repeatable); by default all")
    add("--module", action="append", metavar="NAME", help="a test module (repeatable); by default all")
    add(
        "--loop",
        action="append",
        choices=loops,
        help=f"a loop (repeatable); by default all but {COMPARISON}, which is Twisted's own reactor",
    )
    add("--test", action="append", metavar="ID", help="a test's id, with * for any text (repeatable)")
    add("--fast", action="store_true", help="without the modules that take long")
    add("--verbose", "-v", action="store_true", help="list every test, and the exceptions' reasons")
    add("--deadline", type=float, default=60.0, metavar="S", help="seconds for a single test (default 60)")
    add("--jobs", type=int, default=2, metavar="N", help="how many processes at a time (default 2)")
    add("--json", metavar="FILE", help="write how each test ended to this file")
    return parser.parse_args(arguments)


def choose(options: argparse.Namespace) -> list[Job]:
    """What the command line asks for; in each family the slow modules first: none is left for the end."""
    jobs = []
    for name in options.family or FAMILIES:
        family = FAMILIES[name]
        modules = family.modules
        if options.module:
            modules = tuple(Module(module) for module in options.module if name in families_of(module))
        for module in sorted(modules, key=lambda module: not module.slow):
            if module.slow and options.fast:
                continue
            jobs += [
                (name, module.name, loop)
                for loop in family.loops
                if (loop in options.loop if options.loop else loop != COMPARISON)
            ]
    return jobs


def conduct(
    jobs: Sequence[Job],
    exceptions: Table,
    *,
    only: Sequence[str] | None = None,
    verbose: bool = False,
    deadline: float = 60.0,
    at_a_time: int = 1,
) -> tuple[list[Verdict], int]:
    """Run each module on each loop, and print.

    :param only: patterns of the tests' ids; None for all.
    :param deadline: seconds for a single test.
    :param at_a_time: how many processes.
    :returns: what became of the jobs, and the exit status.
    """

    def run_one(job: Job) -> Run:
        return run_module(*job, only=only, deadline=deadline)

    print(HEADER)
    verdicts = []
    with ThreadPoolExecutor(at_a_time) as pool:
        for run in pool.map(run_one, jobs):
            verdicts.append(judge(run, exceptions))
            print_row(verdicts[-1])
    idle = idle_exceptions(verdicts, exceptions)
    print_verdicts(verdicts, exceptions, idle, verbose)
    if only is not None and not any(verdict.run.outcomes for verdict in verdicts):
        print(f"No test has an id like {' or '.join(only)}. Write --test '*.test_name'.")
        return verdicts, 1
    return verdicts, int(bool(idle) or not all(verdict.ok for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
