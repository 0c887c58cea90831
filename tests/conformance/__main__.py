"""``python -m tests.conformance``: run Twisted's tests against this package; see the package's docstring."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.exceptions import EXCEPTIONS, Excepted
from tests.conformance.report import HEADER, Verdict, judge, print_row, print_verdicts, unknown_exceptions
from tests.conformance.runner import run_module
from tests.conformance.suite import LOOPS, MODULES, exists


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run.

    :returns: 0 if every test passed or is listed as one that cannot apply, else 1.
    """
    options = parse(arguments)
    try:
        version = importlib.metadata.version("twisted")
    except importlib.metadata.PackageNotFoundError:
        print("Twisted is not installed, and its tests with it. Write: pip install 'twisted-compat[dev]'")
        return 1
    print(f"Twisted {version}'s tests against twisted_compat, Python {sys.version.split()[0]}")
    modules = options.module or MODULES
    for module in modules:
        if not exists(module):
            print(f"{module}: not in Twisted {version}")
    return conduct(
        [module for module in modules if exists(module)],
        options.loop or list(LOOPS),
        EXCEPTIONS,
        only=options.test,
        verbose=options.verbose,
        deadline=options.deadline,
        jobs=options.jobs,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    add = parser.add_argument
    add("--module", action="append", metavar="NAME", help="a test module (repeatable); by default all")
    add("--loop", action="append", choices=list(LOOPS), help="a loop (repeatable); by default all")
    add("--test", action="append", metavar="ID", help="a test's id, with * for any text (repeatable)")
    add("--verbose", "-v", action="store_true", help="list every test, and the exceptions' reasons")
    add("--deadline", type=float, default=60.0, metavar="S", help="seconds for a single test (default 60)")
    add("--jobs", type=int, default=2, metavar="N", help="how many processes at a time (default 2)")
    return parser.parse_args(arguments)


def conduct(
    modules: Sequence[str],
    loops: Sequence[str],
    exceptions: Sequence[Excepted],
    *,
    only: Sequence[str] | None = None,
    verbose: bool = False,
    deadline: float = 60.0,
    jobs: int = 1,
) -> int:
    """Run each module on each loop, and print.

    :param only: patterns of the tests' ids; None for all.
    :param deadline: seconds for a single test.
    :param jobs: how many processes at a time.
    :returns: the exit status.
    """

    def run_one(module_and_loop: tuple[str, str]) -> Verdict:
        return judge(run_module(*module_and_loop, only=only, deadline=deadline), exceptions)

    print(HEADER)
    verdicts = []
    with ThreadPoolExecutor(jobs) as pool:
        for verdict in pool.map(run_one, [(module, loop) for module in modules for loop in loops]):
            print_row(verdict)
            verdicts.append(verdict)
    unknown = unknown_exceptions([verdict.run for verdict in verdicts], exceptions)
    print_verdicts(verdicts, exceptions, unknown, verbose)
    if only is not None and not any(verdict.run.outcomes for verdict in verdicts):
        print(f"No test has an id like {' or '.join(only)}. Write --test '*.test_name'.")
        return 1
    return int(bool(unknown) or not all(verdict.ok for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
