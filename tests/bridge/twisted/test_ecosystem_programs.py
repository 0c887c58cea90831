"""Whole programs on our reactor, each in a process of its own: ``task.react``, a klein site, twistd, trial,
pytest-twisted, Scrapy. On asyncio's loop and on uvloop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.bridge.twisted.ecosystem.children import REACTORS, program, run, running
from tests.support import DEADLINE, free_port

pytestmark = pytest.mark.slow

HERE = "tests.bridge.twisted.ecosystem"
each_loop = pytest.mark.parametrize("loop", REACTORS)


@pytest.fixture(autouse=True)
def loop_is_there(loop: str) -> None:
    pytest.importorskip(loop)


@each_loop
def test_react_runs_a_program(loop: str) -> None:
    done = run(program("react_program", loop, "well"))
    module = {"asyncio": "asyncio.unix_events", "uvloop": "uvloop"}[loop]
    assert done.stdout == f"{module} 42\nshutting down\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("loop", "outcome", "code", "said"),
    [("asyncio", "badly", 1, "builtins.LookupError: of mine"), ("uvloop", "code", 7, "42\nshutting down")],
)
def test_react_ends_as_its_program_does(loop: str, outcome: str, code: int, said: str) -> None:
    done = run(program("react_program", loop, outcome))
    assert said in done.stdout
    assert done.returncode == code


@each_loop
def test_react_ends_with_an_interrupt(loop: str) -> None:
    with running(program("react_program", loop, "never")) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(" 42\n")
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "shutting down\n"


def get(port: int, path: str) -> bytes:
    """A page of a site, with its head."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client, client.makefile("rb") as stream:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return stream.read()


@each_loop
def test_klein_runs_a_site_until_it_is_interrupted(loop: str) -> None:
    port = free_port()
    with running(program("klein_program", loop, port)) as process:
        assert process.stdout is not None
        while "Starting factory" not in (line := process.stdout.readline()):
            assert line
        assert get(port, "/").endswith(b"\r\n\r\nhome")
        process.send_signal(signal.SIGINT)
        assert "Stopping factory" in process.stdout.read()


@each_loop
def test_twistd_has_a_daemon_serve_files(loop: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    pid_file, log_file, port = tmp_path / "twistd.pid", tmp_path / "twistd.log", free_port()
    where = [f"--pidfile={pid_file}", f"--logfile={log_file}", f"--reactor={REACTORS[loop]}"]
    what = ["web", f"--listen=tcp:{port}:interface=127.0.0.1", f"--path={tmp_path}"]
    done = run([str(Path(sys.executable).with_name("twistd")), *where, *what])
    assert done.returncode == 0, done.stdout
    process = int(pid_file.read_text())
    try:
        answer = get(port, "/file")
    finally:
        os.kill(process, signal.SIGTERM)
    assert answer.endswith(b"\r\n\r\n" + bytes(1 << 20))
    deadline = time.monotonic() + DEADLINE
    while pid_file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log = log_file.read_text()
    assert "reactor class: twisted_compat.bridge.twisted.TwistedReactor." in log
    assert "Server Shut Down." in log


@each_loop
def test_trial_passes_and_fails_as_on_twisteds_own_reactors(loop: str, tmp_path: Path) -> None:
    modules = [f"{HERE}.trial_cases", f"{HERE}.trial_faults"]
    done = run(program("trial", f"--reactor={REACTORS[loop]}", *modules), tmp_path)
    outcomes = dict(re.findall(r"^    test_(\w+) \.\.\.\s+\[(\w+)\]$", done.stdout, re.MULTILINE))
    assert outcomes.pop("error") == outcomes.pop("logged") == outcomes.pop("timeout") == "ERROR", done.stdout
    assert outcomes.pop("left_call") == "ERROR"
    assert outcomes.pop("fail") == "FAIL"
    assert set(outcomes.values()) == {"OK"}
    assert "Ran 15 tests in" in done.stdout
    assert (
        "FAILED (failures=1, errors=5, successes=10)" in done.stdout
    )  # left_port's error comes after its OK
    assert done.returncode == 1


@each_loop
def test_pytest_twisted_runs_what_its_users_write(loop: str) -> None:
    plugins = ["-p", "no:cacheprovider", "-p", f"{HERE}.pytest_twisted_reactors", "-p", "pytest_twisted"]
    cases = Path(__file__).with_name("ecosystem") / "pytest_twisted_cases.py"
    options = ["--noconftest", "-c", "/dev/null", f"--reactor={REACTORS[loop]}", "-rA"]
    alone = ["env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"]
    done = run([*alone, *program("pytest", *plugins, *options, str(cases))])
    outcomes = dict(re.findall(r"^(PASSED|FAILED) .*::(\w+)", done.stdout, re.MULTILINE))
    assert re.search("1 failed, 5 passed", done.stdout), done.stdout
    assert outcomes["FAILED"] == "test_fails"
    assert "AssertionError: as it should" in done.stdout


# Each loop and each way, and not each with each: a crawl takes seconds.
@pytest.mark.parametrize(("loop", "how"), [("asyncio", "runner"), ("uvloop", "process")])
def test_scrapy_crawls_a_site(loop: str, how: str) -> None:
    done = run(program("scrapy_program", loop, how))
    assert len(done.stdout.splitlines()) == 1, done.stdout  # nothing was logged
    found = json.loads(done.stdout)
    assert found["pages"] == ["", "a", "b", "c"]
    assert found["missing"] == ["gone", "lost"]
    assert found["waited"] == [1] * 4 + [2] * 4
    assert done.returncode == 0
