"""Sockets that a service manager passes: what the environment says of them, and systemd's own little tool."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import free_port, within
from tests.transport.programs import running
from tests.transport.tls_programs import require
from tests.transport.unix_sockets import socket_path
from twisted_compat.python.systemd import ListenFDs

HERE = "127.0.0.1"
ME = str(os.getpid())

names = st.text(st.characters(blacklist_characters=":", min_codepoint=32, max_codepoint=126), min_size=1)


def environment(count: Any, **more: str) -> dict[str, str]:
    return {"LISTEN_PID": ME, "LISTEN_FDS": str(count), "OTHER": "stays"} | more


@contextmanager
def four_numbers() -> Iterator[int]:
    """The first of four descriptors in a row, the last of which is not open; children inherit them."""
    first, opened = 700, []
    try:
        for number in range(first, first + 3):
            assert os.dup2(0, number, inheritable=True) == number
            opened.append(number)
        yield first
    finally:
        for number in opened:
            with suppress(OSError):
                os.close(number)


@given(st.lists(names, min_size=1, max_size=5))
def test_what_is_told_is_taken_once(said: list[str]) -> None:
    environ = environment(len(said), LISTEN_FDNAMES=":".join(said), LISTEN_PIDFDID="5")
    found = ListenFDs.fromEnvironment(environ, start=700)
    numbers = list(range(700, 700 + len(said)))
    assert found == ListenFDs(numbers, tuple(said))
    assert found.inheritedDescriptors() == numbers
    assert found.inheritedNamedDescriptors() == dict(zip(said, numbers, strict=True))
    assert environ == {"OTHER": "stays"}
    assert ListenFDs.fromEnvironment(environ) == ListenFDs([], ())


def test_the_first_is_3_and_the_environment_the_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", environment(2))
    found = ListenFDs.fromEnvironment()
    assert found.inheritedDescriptors() == [3, 4]
    found.inheritedDescriptors().append(5)
    found.inheritedNamedDescriptors()["more"] = 5
    assert found.inheritedDescriptors() == [3, 4]
    assert found.inheritedNamedDescriptors() == {"unknown": 4}
    assert os.environ == {"OTHER": "stays"}


def test_children_inherit_them_no_more() -> None:
    with four_numbers() as first:
        found = ListenFDs.fromEnvironment(environment(4), start=first)
        assert found.inheritedDescriptors() == [700, 701, 702, 703]
        assert [os.get_inheritable(number) for number in (700, 701, 702)] == [False] * 3


NO_NUMBERS = ["", "0", "-1", "+1", " 1", "1_0", "1.0", "one", "\N{ARABIC-INDIC DIGIT ONE}", str(2**20 + 1)]


@pytest.mark.parametrize("count", [*NO_NUMBERS, pytest.param("9" * 5000, id="endless")])
def test_a_number_that_is_none_means_nothing(count: Any) -> None:
    environ = environment(count)
    assert ListenFDs.fromEnvironment(environ) == ListenFDs([], ())
    assert environ == {"OTHER": "stays"}


@pytest.mark.parametrize("said", ["", "one", "one:two:three"])
def test_as_many_names_as_descriptors_or_none_at_all(said: str) -> None:
    assert ListenFDs.fromEnvironment(environment(2, LISTEN_FDNAMES=said)) == ListenFDs([], ())


@pytest.mark.parametrize(
    "pid", [None, "", "0", f"{ME}0", "me", f" {ME}"], ids=["none", "empty", "0", "other", "a name", "a space"]
)
def test_what_is_another_processs_stays_there(pid: str | None) -> None:
    environ = environment(2)
    if pid is None:
        del environ["LISTEN_PID"]
    else:
        environ["LISTEN_PID"] = pid
    before = dict(environ)
    assert ListenFDs.fromEnvironment(environ) == ListenFDs([], ())
    assert environ == before


# By systemd-socket-activate(1)

PROGRAM = """
import asyncio, importlib, os, sys
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import serverFromString
from twisted_compat.protocol import Factory, Protocol

class Answering(Protocol):
    def dataReceived(self, data):
        left = [name for name in os.environ if name.startswith("LISTEN_")]
        self.transport.write(f"{data.decode()} {self.factory.description} {left}".encode())
        self.transport.loseConnection()

async def main():
    async with AsyncioReactor() as reactor:
        for description in sys.argv[2:]:
            factory = Factory.forProtocol(Answering)
            factory.description = description
            await serverFromString(reactor, description).listen(factory)
        await asyncio.Event().wait()

importlib.import_module(sys.argv[1]).new_event_loop().run_until_complete(main())
"""


def said_to(address: Any, data: bytes) -> socket.socket:
    """A client, to whom nobody may be listening so far."""
    skt = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    skt.connect(address)
    skt.sendall(data)
    skt.setblocking(False)
    return skt


async def answer(skt: socket.socket) -> bytes:
    loop, heard = asyncio.get_running_loop(), b""
    with skt:
        while piece := await within(loop.sock_recv(skt, 1000)):
            heard += piece
    return heard


@pytest.mark.without_debug
@pytest.mark.parametrize("named", [True, False], ids=["by name", "by index"])
async def test_a_program_serves_what_systemd_listens_on_for_it(named: bool) -> None:
    """The first client is what it is started for, and isn't lost."""
    require("systemd-socket-activate", "systemd")
    module = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"
    with socket_path() as path:
        addresses: list[Any] = [(HERE, free_port()), path]
        command = [
            "systemd-socket-activate",
            *(f"--listen={where}" for where in (f"{HERE}:{addresses[0][1]}", path)),
        ]
        if named:
            command.append("--fdname=web:admin")
            descriptions = ["systemd:name=web", "haproxy:systemd:domain=UNIX:name=admin"]
        else:
            descriptions = ["systemd:domain=INET:index=0", "haproxy:systemd:index=1"]
        # -W error: nothing that it inherits is left open
        program = [sys.executable, "-W", "error", "-c", PROGRAM, module, *descriptions]
        async with running(*command, *program, ready=[f"Listening on {path} as 4".encode()]):
            clients = [said_to(addresses[0], b"first"), said_to(path, header + b"second")]
            for client, said, description in zip(clients, ("first", "second"), descriptions, strict=True):
                assert await answer(client) == f"{said} {description} []".encode()
            assert (await answer(said_to(addresses[0], b"third"))).startswith(b"third")
