"""What tests of several parts share: a descriptor set on the running loop, and what is let go afterwards."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.adapter.strangers import make_set, pair
from twisted_compat.adapter.fdset import DescriptorSet


@pytest.fixture
async def fdset() -> AsyncIterator[DescriptorSet]:
    made = make_set(asyncio.get_running_loop())
    yield made
    made.close()
    assert made.descriptors() == []


@pytest.fixture
def sockets() -> Any:
    """``pair`` and ``tcp_pair`` whose sockets are closed afterwards."""
    made: list[socket.socket] = []

    def make(kind: Callable[[], tuple[socket.socket, socket.socket]] = pair) -> Any:
        two = kind()
        made.extend(two)
        return two

    yield make
    for skt in made:
        skt.close()


@pytest.fixture
def numbers() -> Any:
    """Bare numbers of sockets, closed afterwards."""
    made: list[int] = []

    def take(skt: socket.socket) -> int:
        made.append(skt.detach())
        return made[-1]

    yield take
    for number in made:
        try:
            os.close(number)
        except OSError:
            continue  # the test closed it


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Work that waits for it is over, at the latest, when the test is."""
    event = threading.Event()
    yield event
    event.set()
