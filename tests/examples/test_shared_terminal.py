"""The example of a terminal that windows share: several see one program, and type into it; a window is left
as it was found."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import shared_terminal

from tests.support import until, within
from tests.transport.terminals import Terminal, ended, read_until, run_in, set_size, settings, terminal

pytestmark = pytest.mark.without_debug

SIZE = b"30 100\n"


class Window:
    """A window on plain streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def types(self, data: bytes) -> None:
        self.writer.write(data)

    async def shows(self, sign: bytes) -> bytes:
        return await within(self.reader.readuntil(sign))

    async def rest(self) -> bytes:
        return await within(self.reader.read())


class Served:
    """What is served at a path, and the windows on it."""

    def __init__(self, path: Path, script: str) -> None:
        self.path = path
        self.code = asyncio.create_task(shared_terminal.serve(str(path), ["sh", "-c", script]))
        self.windows: list[Window] = []

    async def window(self, begin: bytes = SIZE) -> Window:
        window = Window(*await asyncio.open_unix_connection(self.path, limit=2**22))
        self.windows.append(window)
        window.types(begin)
        return window

    async def close(self) -> None:
        self.code.cancel()
        await asyncio.wait([self.code])
        for window in self.windows:
            window.writer.transport.abort()
            with suppress(OSError):
                await window.writer.wait_closed()


@asynccontextmanager
async def served(directory: Path, script: str) -> AsyncIterator[Served]:
    """A script of sh(1) in a terminal, while the block runs."""
    found = Served(directory / "socket", script)
    try:
        await until(found.path.exists)
        yield found
    finally:
        await found.close()


async def test_windows_show_the_same_and_type_into_the_same(tmp_path: Path) -> None:
    script = "stty -echo; echo ready; read x; echo one $x; read y; echo two $y; exit 3"
    async with served(tmp_path, script) as there:
        assert stat.S_IMODE(there.path.stat().st_mode) == 0o600
        one = await there.window()
        await one.shows(b"ready\r\n")
        other = await there.window(b"30 ")
        other.types(b"100\n")
        assert await other.shows(b"\n") == b"ready\r\n", "what was shown before it came"
        one.types(b"hello\n")
        for window in (one, other):
            assert await window.shows(b"\n") == b"one hello\r\n"
        other.types(b"bye\n")
        for window in (one, other):
            assert await window.rest() == b"two bye\r\n"
        assert await within(there.code) == 3


async def test_the_terminal_is_as_large_as_the_last_window_to_come(tmp_path: Path) -> None:
    async with served(tmp_path, "stty -echo; echo ready; read x; stty size; read x") as there:
        window = await there.window()
        await window.shows(b"ready\r\n")
        other = await there.window(b"7 20\n")
        other.types(b"\n")
        assert await window.shows(b"\n") == b"7 20\r\n"


async def test_who_is_no_window_sees_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, "echo secret; read x") as there:
        for begin in (b"GET / HTTP/1.0", b"\n", b"a b\n", b"1 2 3\n", b"-1 5\n", b"12345 1\n"):
            assert await (await there.window(begin)).rest() == b""


async def test_a_window_that_is_behind_is_waited_for_until_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Seen(shared_terminal.Terminal):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(shared_terminal, "Terminal", Seen)
    script = "read x; head -c 2000000 /dev/zero; echo done; read x"
    async with served(tmp_path, script) as there:
        slow = await there.window()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        quick = await there.window()
        quick.types(b"go\n")
        reading = asyncio.create_task(quick.shows(b"done\r\n"))
        await until(lambda: made[0].behind)
        assert not reading.done()
        slow.writer.transport.abort()
        assert (await reading).count(b"\0") == 2_000_000
        assert len(made[0].shown) == shared_terminal.KEPT
        quick.types(b"\n")
        await quick.rest()
        assert await within(there.code) == 0


def attached(place: Terminal, path: Path) -> Any:
    return run_in(place, sys.executable, shared_terminal.__file__, "attach", str(path))


def test_a_window_is_left_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with terminal(raw=False) as server, terminal(raw=False) as place:
        command = [sys.executable, shared_terminal.__file__, "serve", path, "sh", "-c"]
        script = "stty -echo; stty size; read x; echo got $x; trap 'echo again' INT; read x; kill -9 $$"
        with run_in(server, *command, script) as serving, terminal(raw=False) as other:
            while not os.path.exists(path):
                assert serving.poll() is None
            set_size(place.slave, 11, 22)
            before = settings(place.slave)
            with attached(place, Path(path)) as window:
                read_until(place.master, b"\r\n")
                assert settings(place.slave) != before
                os.write(place.master, b"it\r")
                assert read_until(place.master, b"got it\r\n")
                os.write(place.master, b"\x1d")
                assert ended(window) == 0
            assert settings(place.slave) == before
            with attached(other, Path(path)) as window:
                read_until(other.master, b"got it\r\n")
                os.write(other.master, b"\x03")  # for the program in the terminal, not for the window
                read_until(other.master, b"again\r\n")
                os.write(other.master, b"\r")
                assert ended(window) == 0
            assert ended(serving) == 1
