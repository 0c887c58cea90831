"""The demo as a person runs it: a process of its own, judged by how it exits and by what it printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import skip_without

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
DEADLINE = 120.0  # seconds


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), "--requests", "2000", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_the_demo_succeeds(loop: str) -> None:
    done = demo("--loop", loop)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it as it should be" in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stderr == ""


def test_real_peers_answered() -> None:
    if not (shutil.which("redis-cli") and shutil.which("redis-benchmark")):
        skip_without("redis-cli or redis-benchmark", "apt-get install redis-tools")
    done = demo("--loop", "asyncio", TWISTED_COMPAT_REQUIRE_PEERS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skip" not in done.stdout
    for test in ("PING_INLINE", "PING_MBULK", "SET", "GET"):
        assert f"ok    {test}: " in done.stdout


def test_missing_tools_are_skipped_with_the_remedy() -> None:
    done = demo("--loop", "asyncio", PATH="", TWISTED_COMPAT_REQUIRE_PEERS="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "redis-cli is not installed. To see this part, write: apt-get install redis-tools" in done.stdout


def test_missing_tools_fail_where_they_are_required() -> None:
    done = demo("--loop", "asyncio", PATH="", TWISTED_COMPAT_REQUIRE_PEERS="1")
    assert done.returncode == 1
    assert (
        "FAIL  redis-cli is required here and not installed. Write: apt-get install redis-tools"
        in done.stdout
    )
