"""docs/howto: each page's code does what the page says, as its reader would run it.

A block that begins with a comment that is a file's name is that file. Other blocks of Python are programs or,
in a notebook's page, cells. All that they promise (``print(...)  # what it prints``) they print.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.endpoints.plugged import GROUP, installed
from tests.support import free_port, skip_without, within
from twisted_compat.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    clientFromString,
    serverFromString,
)

pytest.importorskip("twisted.internet")

HOWTO = Path(__file__).parents[1] / "docs" / "howto"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE = 60.0  # seconds, for a child
LOOPS = ["asyncio", "uvloop"]
HOST = "127.0.0.1"


def blocks(page: str) -> list[str]:
    """All code of a page."""
    found = FENCE.findall((HOWTO / f"{page}.md").read_text(encoding="utf-8"))
    assert {language for language, _ in found} <= {"python", "ini", "toml"}
    return [code for _, code in found]


def name_of(block: str) -> str | None:
    named = re.match(r"# (\w+\.\w+)\n", block)
    return named and named[1]


def write_files(page: str, directory: Path) -> list[str]:
    """Write a page's files, and return their names."""
    files = {name: block for block in blocks(page) if (name := name_of(block))}
    for name, block in files.items():
        (directory / name).write_text(block, encoding="utf-8")
    return list(files)


def unnamed(page: str) -> list[str]:
    return [block for block in blocks(page) if name_of(block) is None]


def promised(code: str) -> list[str]:
    return re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)


def run(
    *arguments: str, directory: Path, dev: bool = True, given: str = ""
) -> subprocess.CompletedProcess[str]:
    mode = ["-X", "dev", "-W", "error"] if dev else []
    return subprocess.run(
        [sys.executable, *mode, *arguments],
        cwd=directory,
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


# Child processes, datagrams and UNIX sockets, endpoints, names, TLS


@pytest.mark.parametrize(
    ("page", "count"),
    [("child-processes", 4), ("datagrams-and-unix", 2), ("endpoints", 3), ("names", 2), ("tls", 2)],
)
def test_programs_of_one_file(tmp_path: Path, page: str, count: int) -> None:
    programs = unnamed(page)
    assert len(programs) == count
    if any('"bash"' in program for program in programs) and shutil.which("bash") is None:
        skip_without("bash", "apt-get install bash")
    if any("import dns." in program for program in programs):
        pytest.importorskip("dns")
    for program in programs:
        done = run("-c", program, directory=tmp_path)
        assert done.stdout.splitlines() == promised(program) != [], done.stderr
        assert done.stderr == ""


def test_a_prompt(tmp_path: Path) -> None:
    assert write_files("child-processes", tmp_path) == ["prompt.py"]
    shown = {
        "visits\nwhat\nquit\nvisits\n": "> 0 visits\n> Say visits, or quit.\n> ",
        "visits\n": "> 0 visits\n> ",
    }
    for typed, expected in shown.items():
        done = run("prompt.py", directory=tmp_path, given=typed)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


# What stands around endpoints: systemd, HAProxy, other packages

CHECKED_BY = {"haproxy.cfg": ["haproxy", "-c", "-f"], "shout.service": ["systemd-analyze", "verify"]}
PACKAGES = {"haproxy": "haproxy", "systemd-analyze": "systemd"}


@pytest.mark.parametrize("name", CHECKED_BY)
def test_a_configuration_is_good(name: str, tmp_path: Path) -> None:
    written = write_files("endpoints", tmp_path)
    assert written == ["shout.socket", "shout.service", "haproxy.cfg", "pyproject.toml", "loopback.py"]
    command = CHECKED_BY[name]
    if shutil.which(command[0]) is None:
        skip_without(command[0], f"apt-get install {PACKAGES[command[0]]}")
    files = [file for file in written if Path(file).stem == Path(name).stem]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_kind_of_endpoint_from_another_package(tmp_path: Path) -> None:
    _, _, _, declaration, module = (block for block in blocks("endpoints") if name_of(block))
    assert re.findall(r'^\[project.entry-points."(.*)"\]$', declaration, re.MULTILINE) == [GROUP]
    assert re.findall(r"^(\w+) = .*:(\w+).$", declaration, re.MULTILINE) == [("loopback", "Loopback")]
    with installed(tmp_path, module, "Loopback"):
        assert isinstance(serverFromString(None, "loopback:80:backlog=5"), TCP4ServerEndpoint)
        assert isinstance(clientFromString(None, "loopback:80"), TCP4ClientEndpoint)


# FastAPI


async def get(port: int, path: str) -> str:
    """The body of an answer, which has to be a success."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    head, _, body = (await within(reader.read())).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.split()[1] == "200", head
    return body


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize("loop", LOOPS)
def test_fastapi(loop: str, tmp_path: Path) -> None:
    for package in ("fastapi", "uvicorn", *["uvloop"][: loop == "uvloop"]):
        pytest.importorskip(package)
    assert write_files("fastapi", tmp_path) == ["counter.py", "app.py"]
    port, site = free_port(), free_port()
    app = tmp_path / "app.py"
    assert "listenTCP(8001," in app.read_text()
    app.write_text(app.read_text().replace("listenTCP(8001,", f"listenTCP({site},"))
    command = ["-X", "dev", "-m", "uvicorn", "app:app", "--port", str(port), "--loop", loop]

    async def visit() -> None:
        async def answers() -> None:
            while not await listens(port):
                assert server.poll() is None, "it ended"
                await asyncio.sleep(0.01)

        await within(answers(), DEADLINE)
        assert await get(site, "/") == "visit 1\n"
        assert await get(site, "/") == "visit 2\n"
        assert json.loads(await get(port, "/visits")) == 2
        assert json.loads(await get(port, "/double/21")) == 42
        assert json.loads(await get(port, "/double-in-thread/21")) == 42
        server.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.wait, DEADLINE)
        assert not await listens(site)

    with (
        (tmp_path / "log").open("w+") as log,
        subprocess.Popen([sys.executable, *command], cwd=tmp_path, stderr=log) as server,
    ):
        try:
            asyncio.run(visit())
        finally:
            server.kill()
        log.seek(0)
        assert [line for line in log if not line.startswith("INFO: ")] == []


def test_fastapi_the_other_way_round(tmp_path: Path) -> None:
    [program] = unnamed("fastapi")
    done = run("-c", program, directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == promised(program) == ["2"]


# Jupyter


def check_cells(output: str) -> None:
    expected = [line for cell in blocks("jupyter") for line in promised(cell)]
    assert len(expected) == 6
    assert output.splitlines() == expected


@pytest.mark.slow
def test_jupyter_in_a_real_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook with the page's cells, executed by the kernel that Jupyter starts for one."""
    for package in ("ipykernel", "nbclient", "nbformat"):
        try:
            __import__(package)
        except ImportError:
            skip_without(package, f"pip install {package}")
    program = (
        "import json, sys, nbformat, nbclient\n"
        "notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, json.load(sys.stdin))])\n"
        "nbclient.NotebookClient(notebook, timeout=50, kernel_name='python3').execute()\n"
        "for cell in notebook.cells:\n"
        "    for output in cell.outputs:\n"
        "        print(output.text, end='', file=getattr(sys, output.name))\n"
    )
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(blocks("jupyter")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    check_cells(done.stdout)


IN_IPYTHON = """
import json, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what IPython has to say of itself
    from IPython.core.interactiveshell import InteractiveShell

async def main():
    shell = InteractiveShell.instance()
    for cell in json.load(sys.stdin):
        code = shell.transform_cell(cell)
        (await shell.run_cell_async(cell, store_history=False, transformed_cell=code)).raise_error()

if sys.argv[1] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop()
else:
    import asyncio
    loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_jupyter_in_ipythons_loop(loop: str, tmp_path: Path) -> None:
    for package in ("IPython", *["uvloop"][: loop == "uvloop"]):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-c", IN_IPYTHON, loop],
        input=json.dumps(blocks("jupyter")),
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    check_cells(done.stdout)


# pytest


@pytest.mark.slow
def test_pytest(tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    assert write_files("pytest", tmp_path) == ["conftest.py", "shout.py", "test_shout.py", "pytest.ini"]
    assert unnamed("pytest") == []
    done = run("-m", "pytest", "-v", "-p", "no:twisted", "-p", "no:cacheprovider", directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 8 passed in " in done.stdout.splitlines()[-1]
    for name in re.findall(r"async def (test_\w+)", (tmp_path / "test_shout.py").read_text()):
        for loop in LOOPS:
            assert re.search(rf"::{name}\[{loop}\] PASSED", done.stdout), done.stdout


# Scrapy


class Page(BaseHTTPRequestHandler):
    """A page with a title, whatever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>It is here</title>")

    def log_message(self, format: str, *arguments: object) -> None: ...


@contextmanager
def website() -> Iterator[str]:
    with ThreadingHTTPServer((HOST, 0), Page) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()


@pytest.fixture(params=LOOPS)
def scrapy_on(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The page's files are written; the loop that is to be crawled on."""
    for package in ("scrapy", *["uvloop"][: request.param == "uvloop"]):
        pytest.importorskip(package)
    assert write_files("scrapy", tmp_path) == ["titles.py", "settings.py", "crawl.py"]
    assert unnamed("scrapy") == []
    return str(request.param)


FOUND = [{"title": "It is here"}] * 2


@pytest.mark.slow
def test_scrapys_own_command(scrapy_on: str, tmp_path: Path) -> None:
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = settings\n")
    if scrapy_on == "uvloop":  # as the page says
        settings = tmp_path / "settings.py"
        settings.write_text("import uvloop; uvloop.install()\n" + settings.read_text())
    with website() as address:
        crawl = ["crawl", "titles", "-O", "found.json", "-a", f"urls={address}1 {address}2"]
        done = run("-m", "scrapy", *crawl, directory=tmp_path, dev=False)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr
    assert json.loads((tmp_path / "found.json").read_text()) == FOUND
    assert "Using reactor: twisted_compat.bridge.twisted.scrapy.ScrapyReactor" in done.stderr
    assert f"Using asyncio event loop: {'uvloop' if scrapy_on == 'uvloop' else 'asyncio'}." in done.stderr


@pytest.mark.slow
def test_scrapy_in_an_application(scrapy_on: str, tmp_path: Path) -> None:
    program = tmp_path / "crawl.py"
    if scrapy_on == "uvloop":  # as the page says
        text = program.read_text().replace("    asyncio.run(main())", "    import uvloop; uvloop.run(main())")
        program.write_text(text)
    with website() as address:
        done = run("crawl.py", f"{address}1 {address}2", directory=tmp_path, dev=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{FOUND} True"] * 2
