"""``twisted-compat bench``: the benchmark suite, wherever it is.

A wheel has it inside this package, as ``_benchmarks``; a checkout has it beside that, as ``benchmarks``.
Everything on the command line is the suite's, and so is the help.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

import twisted_compat

__all__ = ["bench", "suite"]


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Measure it on this machine, beside Twisted, asyncio and uvloop.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Hand the command line to the suite."""
    command = import_module(f"{suite()}.__main__").main
    command(list(arguments), prog_name="twisted-compat bench")


def suite() -> str:
    """The name of the package that is the suite.

    :raises click.ClickException: if this installation has none.
    """
    package = Path(twisted_compat.__file__).parent
    for name, place in (
        ("twisted_compat._benchmarks", package / "_benchmarks"),
        ("benchmarks", package.parent / "benchmarks"),
    ):
        spec = find_spec(name)
        # Somebody else's package may be called benchmarks, too.
        if spec is not None and spec.origin is not None and Path(spec.origin).parent == place:
            return name
    raise click.ClickException("This installation has no benchmarks. Write: pip install twisted-compat")
