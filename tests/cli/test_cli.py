"""The ``twisted-compat`` command, as far as it is not the benchmark suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import twisted_compat
from tests.support import DEADLINE
from twisted_compat import cli


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twisted_compat", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def test_the_version() -> None:
    pytest.importorskip("click")
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"twisted-compat, version {twisted_compat.__version__}\n")


def test_an_unknown_command() -> None:
    pytest.importorskip("click")
    done = run("nonsense")
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr


@pytest.mark.parametrize("library", cli.LIBRARIES)
def test_without_a_library_it_says_what_to_write(library: str) -> None:
    if library != "click":
        pytest.importorskip("click")
    program = f"import sys; sys.modules[{library!r}] = None; from twisted_compat.cli import main; main()"
    command = [sys.executable, "-c", program, "bench", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"The twisted-compat command needs {library}. Write: pip install 'twisted-compat[cli]'\n"
    )


def test_another_module_that_is_missing_is_no_matter_of_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "twisted_compat.cli.commands", None)
    with pytest.raises(ModuleNotFoundError, match="commands"):
        cli.main()


def test_the_script_is_declared() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'twisted-compat = "twisted_compat.cli:main"' in project
