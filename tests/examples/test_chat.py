"""The chat on any endpoints: who comes by one is heard at the others; nobody can hold it up."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import chat
import pytest

from tests.support import DEADLINE, until, within

pytestmark = pytest.mark.without_debug


class Person:
    """A guest on plain streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def says(self, text: bytes) -> None:
        self.writer.write(text)

    async def hears(self) -> bytes:
        return await within(self.reader.readline())

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


Come = Callable[[str], Coroutine[Any, Any, Person]]


@asynccontextmanager
async def chatting(directory: Path, *prefixes: str) -> AsyncIterator[Come]:
    """A chat on UNIX sockets, each with one of these prefixes; yields how to come to it."""
    ended = asyncio.Event()
    paths = {prefix: directory / str(number) for number, prefix in enumerate(prefixes)}
    running = asyncio.create_task(chat.chat([f"{prefix}{path}" for prefix, path in paths.items()], ended))
    people: list[Person] = []

    async def come(prefix: str) -> Person:
        person = Person(*await within(asyncio.open_unix_connection(paths[prefix], limit=2**24)))
        people.append(person)
        return person

    try:
        await until(lambda: all(path.exists() for path in paths.values()) or running.done())
        yield come
        ended.set()
        await within(running)
        for person in people:
            await within(person.reader.read())  # to its end
        assert not any(path.exists() for path in paths.values())
    finally:
        running.cancel()
        for person in people:
            await person.close()


async def test_people_talk_whichever_way_they_have_come(tmp_path: Path) -> None:
    async with chatting(tmp_path, "unix:", "haproxy:unix:") as come:
        one = await come("unix:")
        one.says(b"is anybody here?\n")
        other = await come("haproxy:unix:")
        other.says(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 8080\r\nhel")
        assert await one.hears() == b"* guest 2 has come, from 192.0.2.7\n"
        other.says(b"lo\r\n")
        assert await one.hears() == b"guest 2: hello\n"
        one.says(b"good evening\n")
        assert await other.hears() == b"guest 1: good evening\n"
        one.writer.close()
        assert await other.hears() == b"* guest 1 has gone\n"


async def test_who_does_not_listen_misses_something_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[chat.Room] = []

    class Seen(chat.Room):
        def __init__(self) -> None:
            super().__init__()
            rooms.append(self)

    monkeypatch.setattr(chat, "Room", Seen)
    async with chatting(tmp_path, "unix:") as come:
        deaf = await come("unix:")
        await until(lambda: len(rooms[0].guests) == 1)
        [guest] = rooms[0].guests
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        talker, listener = await come("unix:"), await come("unix:")
        await until(lambda: len(rooms[0].guests) == 3)
        said = b"x" * 1000 + b"\n"
        while not guest.behind:
            talker.says(said * 100)
            for _ in range(100):
                assert await listener.hears() == b"guest 2: " + said
        talker.says(b"the end\n")
        assert await listener.hears() == b"guest 2: the end\n"
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await until(lambda: not guest.behind)
        talker.says(b"once more\n")
        assert await within(deaf.reader.readuntil(b"once more\n"))


def test_a_mistake_in_a_description_is_told() -> None:
    with pytest.raises(ValueError, match="port is a number"):
        asyncio.run(chat.chat(["tcp:eighty"], asyncio.Event()))


def test_run_from_a_shell() -> None:
    """With the terminal as a guest, on a socket that it was given, until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        with subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", chat.__file__, "stdio:", f"fd:{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[number],
        ) as process:
            assert process.stdin is not None and process.stdout is not None and process.stderr is not None
            try:
                with socket.create_connection(listener.getsockname(), DEADLINE) as guest:
                    assert process.stdout.readline() == b"* guest 2 has come, from 127.0.0.1\n"
                    process.stdin.write(b"hello\n")
                    process.stdin.flush()
                    assert guest.makefile("rb").readline() == b"guest 1: hello\n"
                    process.send_signal(signal.SIGTERM)
                    assert guest.recv(100) == b""
                rest, complaints = process.communicate(timeout=DEADLINE)
            finally:
                process.kill()
    assert (process.returncode, rest) == (0, b"")
    places = [line.rpartition(b" is ")[0] for line in complaints.splitlines()]
    assert places == [b"stdio:", f"fd:{number}".encode()], complaints
