"""Connecting that is measured: that as many connections are made as is said, by whom it says."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress

import pytest

from benchmarks.peers import PEERS
from benchmarks.processes import HOST
from benchmarks.scenarios.connecting import SCENARIO
from benchmarks.work import connecting
from benchmarks.work.inside import Inside
from tests.support import free_port

from .in_process import usable

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case() -> None:
    assert list(CASES) == list(connecting.KINDS)
    assert {PEERS[name].kind for case in CASES.values() for name in case.peers} == set(connecting.WAYS)


# Twisted's HostnameEndpoint imports the global reactor, which would then be there for all other tests.
WORK = [(what, name) for what in CASES for name in CASES[what].peers]
ALONE = [(what, name) for what, name in WORK if what == "connect-host" and name.startswith("twisted")]


@pytest.mark.parametrize(("what", "name"), [work for work in WORK if work not in ALONE])
def test_every_peer_does_every_kind(what: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with usable(name) as peer, socket.create_server((HOST, 0)) as listener:  # the kernel accepts
        port = nullcontext(listener.getsockname()[1])
        monkeypatch.setattr(connecting, "accepting", lambda seconds, core: port)
        sample = connecting.measure(peer, what, seconds=0, size=3)
        listener.setblocking(False)
        made = 0
        with suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
                made += 1
    assert (sample.work, made) == (3, 6), "the first batch warms"
    assert sample.value > 0


@pytest.mark.parametrize("name", ["ours-asyncio", "protocol-asyncio"])
def test_who_is_refused_ends_the_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = nullcontext(free_port())
    monkeypatch.setattr(connecting, "accepting", lambda seconds, core: port)
    with usable(name) as peer, pytest.raises(Exception, match=r"111|refused"):
        connecting.measure(peer, "connect-tcp", seconds=0)


@pytest.mark.parametrize(("size", "most"), [(4, 4), (50, connecting.LANES)])
def test_so_many_at_a_time_and_no_more(size: int, most: int) -> None:
    there: list[Callable[[], object]] = []
    over: list[int] = []
    came = peak = 0

    def connect(then: Callable[[], object]) -> None:
        nonlocal came, peak
        came += 1
        there.append(then)
        peak = max(peak, len(there))

    inside = Inside(lambda seconds, call: call(), lambda: None)
    connecting.connecting(inside, connect, size)(lambda: over.append(came))
    while there:
        assert not over
        there.pop(0)()
    assert (came, peak, over) == (size, most, [size])


@pytest.mark.parametrize(("what", "name"), [("connect-tcp", "protocol-asyncio"), *ALONE])
def test_it_is_measured_by_a_process(what: str, name: str) -> None:
    with usable(name) as peer:
        assert CASES[what].measure(peer, 0).work == connecting.SIZE
