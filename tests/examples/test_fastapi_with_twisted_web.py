"""FastAPI and twisted.web in one process, as a person runs them: driven by curl and wrk, ended by signals."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import DEADLINE, free_port, skip_without

pytestmark = pytest.mark.slow

for package in ("fastapi", "twisted", "uvicorn"):
    pytest.importorskip(package)

EXAMPLES = Path(__file__).parents[2] / "examples"
HOST = "127.0.0.1"
OF_TWISTED_ITSELF = "ignore::DeprecationWarning:twisted.web.static"
LOOPS = ["asyncio", "uvloop"]


class Running:
    """The example in a process of its own.

    :ivar api: the address of FastAPI's side.
    :ivar site: the address of Twisted's side.
    """

    def __init__(self, *arguments: str, loop: str = "asyncio") -> None:
        if loop == "uvloop":
            pytest.importorskip("uvloop")
        ports = [free_port(), free_port()]
        self.api, self.site = (f"http://{HOST}:{port}" for port in ports)
        self.process = subprocess.Popen(
            [
                *(sys.executable, *arguments, str(EXAMPLES / "fastapi_with_twisted_web.py")),
                *("--port", str(ports[0]), "--site-port", str(ports[1]), "--loop", loop),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + DEADLINE
        while not all(map(answers, ports)):
            assert self.process.poll() is None and time.monotonic() < end, self.process.communicate()
            time.sleep(0.01)

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal; the exit status, and what was printed and complained of."""
        self.process.send_signal(number)
        printed, complaints = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, printed, complaints


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def running(*arguments: str, loop: str = "asyncio") -> Iterator[Running]:
    example = Running(*arguments, loop=loop)
    try:
        yield example
    finally:
        example.process.kill()
        example.process.communicate()


@pytest.fixture(scope="module", params=LOOPS)
def example(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(loop=request.param) as example:
        yield example
        _, _, complaints = example.end(signal.SIGTERM)
        assert "Traceback" not in complaints


def curl(*arguments: str) -> str:
    """What curl is answered; anything but a status of success is an error."""
    if shutil.which("curl") is None:
        skip_without("curl", "apt-get install curl")
    command = ["curl", "--silent", "--show-error", "--fail", "--location", "--max-time", "10", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def post(address: str, note: str) -> object:
    told = json.dumps({"text": note})
    return json.loads(curl("--header", "content-type: application/json", "--data", told, address))


def test_both_sides_have_the_same_notes(example: Running) -> None:
    assert "a note &amp; from FastAPI" not in curl(example.site)
    assert post(f"{example.api}/notes", "a note & from FastAPI") == ["a note & from FastAPI"]
    assert "<li>a note &amp; from FastAPI</li>" in curl(example.site)
    # The form, and the page that the browser is sent to:
    assert "<li>one from the form</li>" in curl("--data", "text=one from the form", example.site)
    assert json.loads(curl(f"{example.api}/notes")) == ["a note & from FastAPI", "one from the form"]
    # A coroutine of asyncio's, for both:
    assert json.loads(curl(f"{example.api}/words")) == ["FastAPI", "form", "from"]
    assert curl(f"{example.site}/words") == "FastAPI\nform\nfrom"


def test_an_endpoint_awaits_twisteds_client(example: Running) -> None:
    assert json.loads(curl(f"{example.api}/health")) == {"site": 200}


def test_pages_that_take_their_time(example: Running) -> None:
    assert curl(f"{example.site}/slow") == "At last.\n"
    assert curl(f"{example.site}/countdown") == "3\n2\n1\n"
    assert curl(f"{example.site}/source") == (EXAMPLES / "twisted_web_site.py").read_text(encoding="utf-8")


def test_what_is_slow_on_one_side_keeps_nobody_waiting(example: Running) -> None:
    """A hundred at once of what takes 0.2 s each, and FastAPI answers before the first of them is done."""
    host, port = example.site.removeprefix("http://").split(":")

    async def slow(sent: asyncio.Event) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /slow HTTP/1.0\r\n\r\n")
        sent.set()
        try:
            return await reader.read()
        finally:
            writer.close()

    async def main() -> None:
        sent = [asyncio.Event() for _ in range(100)]
        waiting = [asyncio.create_task(slow(each)) for each in sent]
        for each in sent:
            await each.wait()
        assert json.loads(await asyncio.to_thread(curl, f"{example.api}/health")) == {"site": 200}
        answered = await asyncio.wait_for(asyncio.gather(*waiting), DEADLINE)
        assert all(answer.endswith(b"At last.\n") for answer in answered)

    asyncio.run(main())


def test_every_answer_to_wrk_is_a_success(example: Running) -> None:
    if shutil.which("wrk") is None:
        skip_without("wrk", "apt-get install wrk")
    command = ["wrk", "--connections", "20", "--threads", "1", "--duration", "1s"]
    pages = [f"{example.api}/notes", f"{example.api}/words"]
    pages += [f"{example.site}/{path}" for path in ("", "words", "slow")]
    clients = [subprocess.Popen([*command, page], stdout=subprocess.PIPE, text=True) for page in pages]
    for client in clients:  # all at once
        said, _ = client.communicate(timeout=2 * DEADLINE)
        assert client.returncode == 0, said
        served = re.search(r"(\d+) requests in", said)
        assert served is not None and int(served[1]) >= 20, said
        assert "Non-2xx" not in said
        assert "Socket errors" not in said


# Each loop and each signal, and not each with each: a server takes seconds.
@pytest.mark.parametrize(("loop", "number"), [(LOOPS[0], signal.SIGTERM), (LOOPS[-1], signal.SIGINT)])
def test_a_signal_ends_both_sides_and_leaves_nothing(loop: str, number: int) -> None:
    with running("-X", "dev", "-W", OF_TWISTED_ITSELF, loop=loop) as example:
        curl(f"{example.api}/health")
        with socket.create_connection((HOST, int(example.site.rpartition(":")[2]))) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            status, printed, complaints = example.end(number)
            assert idle.recv(65536) == b"", "the site hangs up on who is connected"
        assert status in (0, -number)
        assert printed == f"The site: {example.site}/\n"
        told = [line for line in complaints.splitlines() if not line.startswith("INFO: ")]
        assert told == []
        assert "Application shutdown complete." in complaints
        for address in (example.api, example.site):
            assert not answers(int(address.rpartition(":")[2]))


TWICE = """
import asyncio, os, sys
from fastapi_with_twisted_web import app

async def serve():
    before = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
        writer.write(b"GET /countdown HTTP/1.0\\r\\n\\r\\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.endswith(b"3\\n2\\n1\\n"), answer
    assert asyncio.all_tasks() == before

app.state.site_port = int(sys.argv[1])
descriptors = []
for _ in range(3):
    if sys.argv[2] == "uvloop":
        import uvloop
        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    loop.run_until_complete(serve())
    loop.close()
    descriptors.append(os.listdir("/dev/fd"))
assert descriptors == descriptors[:1] * 3, descriptors
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_it_can_be_started_again_on_another_loop_and_leaves_nothing_on_the_last(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    command = [sys.executable, "-X", "dev", "-W", OF_TWISTED_ITSELF, "-c", TWICE, str(free_port()), loop]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=2 * DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_site_is_served_by_twisted_alone_too() -> None:
    """It is unchanged: the very file runs on Twisted's own reactor."""
    command = [sys.executable, str(EXAMPLES / "twisted_web_site.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert curl(f"{address}countdown") == "3\n2\n1\n"
            assert "<li>alone</li>" in curl("--data", "text=alone", address)
        finally:
            process.terminate()
