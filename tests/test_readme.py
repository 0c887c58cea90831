"""The README and its sisters say nothing that isn't so: programs run, commands and links exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/cancellation.md",
]
HOWTOS = [
    f"docs/howto/{name}.md"
    for name in (
        *("child-processes", "datagrams-and-unix", "endpoints", "fastapi", "jupyter", "names", "pytest"),
        *("scrapy", "tls"),
    )
]
"""Their programs are of many files, or run in other programs: ``test_howto.py`` runs them."""
DEADLINE = 60.0  # seconds
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[object]:
    """Every fenced block of a language, named by its page and line."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[2], id=f"{page}:{line}"))
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("source", blocks("python"))
def test_python_blocks_run(source: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", source],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for promised in re.findall(r"^ *print\(.*\)  # (.*)$", source, re.MULTILINE):
        assert promised in done.stdout.splitlines()


@pytest.mark.parametrize("commands", blocks("sh"))
def test_commands_can_be_written_like_that(commands: str) -> None:
    """Only make targets: those run in CI anyway; here, that they are there and that make can read them."""
    for command in filter(None, map(str.strip, commands.splitlines())):
        program, *targets = shlex.split(command)
        assert program == "make"
        assert targets
        dry_run = ["make", "--dry-run", *targets]
        subprocess.run(dry_run, cwd=ROOT, check=True, capture_output=True, timeout=DEADLINE)


@pytest.mark.parametrize("page", PAGES + HOWTOS)
def test_make_targets_named_in_the_text_exist(page: str) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8")))
    assert named <= make_targets()


@pytest.mark.parametrize("page", PAGES + HOWTOS)
def test_links_and_files_named_in_the_text_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    files = re.findall(r"`((?:[\w.]+/)+[\w.]+\.py)`", text)
    bases = ((ROOT / page).parent, ROOT, ROOT / "twisted_compat")
    absent = [name for name in links + files if not any((base / name).exists() for base in bases)]
    assert not absent


def test_every_page_is_looked_at() -> None:
    found = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}
    assert found <= {*PAGES, *HOWTOS}


def test_readme_has_programs_and_commands() -> None:
    assert len(blocks("python")) >= 3
    assert len(blocks("sh")) >= 1
