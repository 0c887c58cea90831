"""Sockets that listen already: adopted by their number, or as systemd passes them on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.endpoints.places import HERE, echoed
from tests.support import DEADLINE, within
from tests.transport.recorders import Echo, Listening
from tests.transport.terminals import identity, is_open, open_numbers
from tests.transport.unix_sockets import both_kinds, fired, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted_compat.error import AlreadyListened, UnsupportedAddressFamily, UnsupportedSocketType
from twisted_compat.interfaces import IStreamServerEndpoint

pytestmark = pytest.mark.without_debug

FAMILIES = ["INET", "INET6", "UNIX"]
each_family = pytest.mark.parametrize("family", FAMILIES)


@dataclass
class Numbered:
    """A socket that listens.

    :ivar number: its number, while it is open.
    :ivar address: where it listens.
    """

    number: int
    address: Any

    def __post_init__(self) -> None:
        self._identity = identity(self.number)

    def is_open(self) -> bool:
        """Whether it is open under its number, which may be another's by now."""
        return is_open(self.number) and identity(self.number) == self._identity


@contextmanager
def numbered(family: str) -> Iterator[Numbered]:
    """One of this family; it is closed afterwards if it still is open."""
    with ExitStack() as stack:
        where: Any = {"INET": (HERE, 0), "INET6": ("::1", 0)}.get(family)
        if where is None:
            where = stack.enter_context(socket_path())
        skt = socket.socket(getattr(socket, f"AF_{family}"))
        skt.bind(where)
        skt.listen()
        address = skt.getsockname()
        found = Numbered(skt.detach(), address if isinstance(address, str) else address[:2])
        try:
            yield found
        finally:
            if found.is_open():
                os.close(found.number)


# By its number


@both_kinds
@each_family
async def test_a_listening_socket_is_listened_at(kind: str, family: str) -> None:
    async with make_reactor(kind) as reactor:
        with numbered(family) as given:
            factory = Listening(Echo)
            endpoint = AdoptedStreamServerEndpoint(reactor, given.number, getattr(socket, f"AF_{family}"))
            assert verifyObject(IStreamServerEndpoint, endpoint)
            port = await fired(endpoint.listen(factory))
            await echoed(given.address)
            await fired(port.stopListening())
            assert factory.events == ["start", "stop"]
            assert not given.is_open()
            with pytest.raises(OSError):
                await echoed(given.address)


async def test_the_number_is_closed_once_and_may_be_anothers_then() -> None:
    async with AsyncioReactor() as reactor:
        with numbered("INET") as given, open(os.devnull) as other:
            endpoint = AdoptedStreamServerEndpoint(reactor, given.number, socket.AF_INET)
            listening = endpoint.listen(Listening(Echo))
            assert not is_open(given.number)
            os.dup2(other.fileno(), given.number)
            again = endpoint.listen(Listening(Echo))
            await within((await within(listening)).stopListening())
            with pytest.raises(AlreadyListened):
                await within(again)
            assert identity(given.number) == identity(other.fileno())
            os.close(given.number)


@both_kinds
async def test_it_can_be_listened_at_once(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with numbered("INET") as given:
            endpoint = AdoptedStreamServerEndpoint(reactor, given.number, socket.AF_INET)
            await fired(endpoint.listen(Listening(Echo)))
            second = Listening(Echo)
            with pytest.raises(reactor.vocabulary.error.AlreadyListened):
                await fired(endpoint.listen(second))
            assert second.events == []
            await echoed(given.address)


Making = Callable[[], Any]


def _closed() -> Any:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    return reading


NOT_LISTENING: dict[str, tuple[Making, type[Exception]]] = {
    "file": (lambda: os.open(os.devnull, os.O_RDWR), OSError),
    "closed": (_closed, OSError),
    "negative": (lambda: -1, OSError),
    "datagrams": (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(), UnsupportedSocketType),
    "not listening": (lambda: socket.socket(socket.AF_INET).detach(), OSError),
    "other family": (lambda: socket.socket(socket.AF_INET6).detach(), OSError),
}


@pytest.mark.parametrize("what", NOT_LISTENING)
async def test_what_does_not_listen_fails_the_deferred_and_stays_as_it_is(what: str) -> None:
    make, error = NOT_LISTENING[what]
    number = make()
    was_open = number >= 0 and is_open(number)
    try:
        async with AsyncioReactor() as reactor:
            before = open_numbers()
            factory = Listening(Echo)
            blocking = os.get_blocking(number) if was_open else None
            with pytest.raises(error):
                await within(AdoptedStreamServerEndpoint(reactor, number, socket.AF_INET).listen(factory))
            assert open_numbers() == before
            assert factory.protocols == [] and factory.events in ([], ["start", "stop"])
            if was_open:
                assert os.get_blocking(number) == blocking
    finally:
        if was_open:
            os.close(number)


async def test_a_family_that_nobody_listens_in_fails_the_deferred() -> None:
    async with AsyncioReactor() as reactor:
        with numbered("INET") as given:
            for family in (socket.AF_UNSPEC, 12345):
                endpoint = AdoptedStreamServerEndpoint(reactor, given.number, family)
                with pytest.raises(UnsupportedAddressFamily):
                    await within(endpoint.listen(Listening(Echo)))
                assert given.is_open()


async def test_a_factory_that_fails_to_start_leaves_the_number_with_who_gave_it() -> None:
    class Failing(Listening):
        def doStart(self) -> None:
            raise KeyError("on purpose")

    async with AsyncioReactor() as reactor:
        with numbered("INET") as given:
            before = open_numbers()
            endpoint = AdoptedStreamServerEndpoint(reactor, given.number, socket.AF_INET)
            with pytest.raises(KeyError, match="on purpose"):
                await within(endpoint.listen(Failing(Echo)))
            assert open_numbers() == before
            await within(
                AdoptedStreamServerEndpoint(reactor, given.number, socket.AF_INET).listen(Listening(Echo))
            )
            await echoed(given.address)


# fd:


@both_kinds
@each_family
async def test_fd_listens_at_a_number(kind: str, family: str) -> None:
    async with make_reactor(kind) as reactor:
        for description in (
            "fd:fileno={}",
            "FD:domain={family}:fileno={}",
            "fd:{}",
            "fd:{}:{family}",
        ):
            with numbered(family) as given:
                text = description.format(given.number, family=family)
                endpoint = serverFromString(reactor, text.encode() if kind == "twisted" else text)
                assert isinstance(endpoint, AdoptedStreamServerEndpoint)
                port = await fired(endpoint.listen(Listening(Echo)))
                assert not given.is_open()
                await echoed(given.address)
                await fired(port.stopListening())


@pytest.mark.parametrize("what", [what for what in NOT_LISTENING if what != "negative"])
async def test_fd_refuses_at_once_what_does_not_listen_and_leaves_it_as_it_is(what: str) -> None:
    make, _ = NOT_LISTENING[what]
    number = make()
    was_open = is_open(number)
    try:
        async with AsyncioReactor() as reactor:
            before = open_numbers()
            for domain in ("", ":domain=INET", ":domain=UNIX"):
                with pytest.raises(ValueError, match=rf"\b{number}\b") as caught:
                    serverFromString(reactor, f"fd:fileno={number}{domain}")
                assert "\n" not in str(caught.value)
            assert open_numbers() == before
    finally:
        if was_open:
            os.close(number)


async def test_fd_refuses_at_once_another_domain_than_the_sockets() -> None:
    async with AsyncioReactor() as reactor:
        with numbered("INET") as given:
            for domain in ("UNIX", "INET6", "INETS", "PACKET", "AF_INET"):
                with pytest.raises(ValueError, match=domain):
                    serverFromString(reactor, f"fd:fileno={given.number}:domain={domain}")
            assert given.is_open()


# systemd:

PROGRAM = """
import asyncio, os, sys

numbers = [int(number) for number in sys.argv[1].split(",")]
for place, number in enumerate(numbers, 3):
    os.dup2(number, place)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": sys.argv[2]}

from tests.endpoints.places import echoed
from tests.transport.recorders import Echo, Listening
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import serverFromString

async def main():
    async with AsyncioReactor() as reactor:
        for description in sys.argv[3:]:
            try:
                port = await serverFromString(reactor, description).listen(Listening(Echo))
            except Exception as error:
                print(description, type(error).__name__, error)
                continue
            address = port.getHost()
            await echoed(getattr(address, "name", None) or (address.host, address.port))
            print(description, "listens")

asyncio.run(main())
"""

LISTENS = [
    ("systemd:domain=INET:index=0", "INET"),
    ("systemd:INET6:1", "INET6"),
    ("SYSTEMD:name=third", "UNIX"),
    ("systemd:index=3", "INET"),
    ("systemd:domain=UNIX:name=fifth", "UNIX"),
]
REFUSED = [
    ("systemd:domain=INET:index=5", "ValueError", "5"),
    ("systemd:domain=INET:index=-1", "ValueError", "-1"),
    ("systemd:domain=INET:name=seventh", "ValueError", "seventh third"),
    ("systemd:domain=UNIX:index=4:name=fifth", "ValueError", "index name"),
    ("systemd:domain=UNIX", "ValueError", "index name"),
    ("systemd:domain=INET:name=third", "ValueError", "INET"),
]


def test_systemd_passes_on_sockets_by_index_and_by_name() -> None:
    with ExitStack() as stack:
        passed = []
        for place, (_, family) in enumerate(LISTENS, 60):  # where they aren't in each other's way
            passed.append(os.dup2(stack.enter_context(numbered(family)).number, place))
            stack.callback(os.close, place)
        descriptions = [each[0] for each in (*REFUSED, *LISTENS)]
        ended = subprocess.run(
            [
                *(sys.executable, "-W", "error", "-c", PROGRAM, ",".join(map(str, passed))),
                *("first:second:third:fourth:fifth", *descriptions),
            ],
            pass_fds=passed,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[len(REFUSED) :] == [f"{description} listens" for description, _ in LISTENS]
    for line, (description, error, words) in zip(lines, REFUSED, strict=False):
        assert line.startswith(f"{description} {error} "), line
        assert all(word in line.removeprefix(description) for word in words.split()), line
