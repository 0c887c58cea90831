"""``twisted-compat bench``: which suite it finds, and that it gets the whole command line."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("click")

import click
from click.testing import CliRunner

import twisted_compat
from twisted_compat.cli.bench import bench, suite

PACKAGE = Path(twisted_compat.__file__).parent
MODULE = sys.modules["twisted_compat.cli.bench"]


def finding(monkeypatch: pytest.MonkeyPatch, **origins: Path) -> None:
    """Have these packages found, and no others."""

    def find(name: str) -> ModuleSpec | None:
        place = origins.get(name.rpartition(".")[2])
        return None if place is None else ModuleSpec(name, None, origin=str(place / "__init__.py"))

    monkeypatch.setattr(MODULE, "find_spec", find)


def test_in_a_checkout_it_is_beside_the_package() -> None:
    assert suite() == "benchmarks"


def test_in_a_wheel_it_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, _benchmarks=PACKAGE / "_benchmarks", benchmarks=PACKAGE.parent / "benchmarks")
    assert suite() == "twisted_compat._benchmarks"


def test_somebody_elses_package_of_that_name_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, benchmarks=Path("/elsewhere/benchmarks"))
    with pytest.raises(click.ClickException, match="has no benchmarks"):
        suite()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--quick", "echo-64-1", "--peer", "ours-asyncio", "--peer", "protocol-asyncio"],
        ["--help"],
        ["echo", "--json", "file", "--rounds=3"],
        [],
    ],
)
def test_the_suite_gets_the_whole_command_line(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[object] = []

    def main(given: list[str], prog_name: str) -> None:
        got.append((given, prog_name))

    monkeypatch.setattr(MODULE, "import_module", lambda name: SimpleNamespace(main=main))
    done = CliRunner().invoke(bench, arguments)
    assert done.exit_code == 0, done.output
    assert got == [(arguments, "twisted-compat bench")]


def test_it_is_the_suite() -> None:
    pytest.importorskip("rich")
    done = CliRunner().invoke(bench, ["--list", "echo-64-1"])
    assert done.exit_code == 0, done.output
    assert "echo of 64 B on 1 connection" in done.output
