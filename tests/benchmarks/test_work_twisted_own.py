"""What Twisted's own benchmarks became: that each does what it says, with either library's parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.model import Sample
from benchmarks.peers import LIBRARIES, PEERS, TWISTED_STYLE
from benchmarks.work import twisted_own, twisted_own_inside
from benchmarks.work.inside import Inside
from benchmarks.work.twisted_own import CHUNKS, LINE, PIECES, SIZE

from .in_process import usable


@pytest.mark.parametrize("what", twisted_own.KINDS)
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_library_does_every_kind(name: str, what: str) -> None:
    with usable(name) as peer:
        sample = twisted_own.measure(peer, what, seconds=0)
    assert sample.work == SIZE
    assert sample.value == sample.work / sample.wall


@pytest.mark.parametrize("what", twisted_own_inside.KINDS)
@pytest.mark.parametrize("name", TWISTED_STYLE)
def test_every_reactor_does_every_kind(name: str, what: str) -> None:
    with usable(name) as peer:
        sample = twisted_own_inside.measure(peer, what, seconds=0)
    assert sample.work == twisted_own_inside.KINDS[what][1]


@pytest.mark.parametrize("chunk", CHUNKS)
def test_lines_come_in_chunks_and_whole(chunk: int) -> None:
    given: list[bytes] = []

    class Recorder:
        def makeConnection(self, transport: object) -> None:
            pass

        def dataReceived(self, data: bytes) -> None:
            given.append(data)

    twisted_own.lines("Lines", chunk)(SimpleNamespace(basic=SimpleNamespace(Lines=Recorder)))(2 * SIZE)
    assert b"".join(given) == LINE * 2 * SIZE
    assert {len(data) for data in given[:10]} == {chunk}


@pytest.mark.parametrize("receiver", ["LineReceiver", "LineOnlyReceiver"])
def test_what_is_fed_is_lines(receiver: str) -> None:
    from twisted_compat.protocols import basic

    lost: list[bytes] = []

    class Strict(getattr(basic, receiver)):  # type: ignore[misc]
        MAX_LENGTH = len(LINE) - 2

        def lineLengthExceeded(self, line: bytes) -> None:
            lost.append(line)

    twisted_own.lines(receiver, 64)(SimpleNamespace(basic=SimpleNamespace(**{receiver: Strict})))(SIZE)
    assert not lost


@pytest.mark.parametrize("name", PIECES)
def test_pieces_are_sent(name: str) -> None:
    from twisted_compat.transport.descriptor import FileDescriptor

    sent: list[int] = []

    class Watched(FileDescriptor):
        def doWrite(self) -> Any:
            sent.append(len(self.dataBuffer))
            result = super().doWrite()
            assert not self.dataBuffer
            return result

    twisted_own.pieces(PIECES[name])(SimpleNamespace(FileDescriptor=Watched))(3)
    assert sent == [sum(map(len, PIECES[name]))] * 3


def test_calls_are_told_by_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Sample(value=50.0, work=100, wall=2.0, cpu=0.5)
    monkeypatch.setattr(twisted_own_inside, "run_inside", lambda peer, start: found)
    told = {
        what: twisted_own_inside.measure(PEERS["ours-asyncio"], what, 0).value
        for what in ("calls", "transfer")
    }
    assert told == {"calls": 200.0, "transfer": 50.0}


def test_the_last_of_the_calls_ends_the_batch() -> None:
    asked: list[tuple[float, Any]] = []
    ended: list[int] = []
    inside = Inside(lambda *call: asked.append(call), lambda: None)
    twisted_own_inside.calls(inside, None)(lambda: ended.append(1))
    assert len({when for when, _ in asked}) == twisted_own_inside.CALLS
    for _, call in asked:
        assert not ended
        call()
    assert ended == [1]
