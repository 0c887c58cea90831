"""Lines and raw bytes out of any chunks: the same events however the stream is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.protocols import basic
from twisted_compat.protocols.basic import LineOnlyReceiver, LineReceiver

Event = tuple[str, bytes]


class Transport:
    """Remembers what it is told; ``disconnecting`` as a real one has it."""

    def __init__(self) -> None:
        self.disconnecting = False
        self.written = b""
        self.calls: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.written += b"".join(data)

    def loseConnection(self) -> None:
        self.disconnecting = True

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class Obedient(LineReceiver):
    """Does what the lines say; the stream is its own script.

    ``raw N`` takes N bytes raw, ``cut X`` makes X the delimiter, ``pause`` pauses, ``blink`` pauses and
    resumes, ``peek`` looks at the buffer, ``close`` closes.
    """

    MAX_LENGTH = 40

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.missing = 0
        self.depth = 0

    def lineReceived(self, line: bytes) -> None:
        assert self.depth == 0, "re-entered"
        self.depth = 1
        self.events.append(("line", line))
        word, _, argument = line.partition(b" ")
        if word == b"raw":
            self.missing = int(argument)
            if self.missing:
                self.setRawMode()
        elif word == b"cut":
            self.delimiter = argument
        elif word == b"pause":
            self.pauseProducing()
        elif word == b"blink":
            self.pauseProducing()
            self.resumeProducing()
        elif word == b"peek":
            self._buffer += b""
        elif word == b"close":
            self.transport.loseConnection()
        self.depth = 0

    def rawDataReceived(self, data: bytes) -> None:
        assert self.depth == 0, "re-entered"
        taken, rest = data[: self.missing], data[self.missing :]
        self.missing -= len(taken)
        self.events.append(("raw", taken))
        if not self.missing:
            self.setLineMode(rest)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.events.append(("exceeded", b""))
        self.transport.loseConnection()


def model(stream: bytes) -> list[Event]:
    """What :class:`Obedient` must see of ``stream``, worked out with all of it at hand."""
    events: list[Event] = []
    delimiter = b"\r\n"
    while True:
        line, found, rest = stream.partition(delimiter)
        if len(line) > Obedient.MAX_LENGTH:
            # Without its end, a line is too long for certain once not even a whole delimiter is missing.
            if found or len(line) >= Obedient.MAX_LENGTH + len(delimiter):
                events.append(("exceeded", b""))
            return events
        if not found:
            return events
        events.append(("line", line))
        stream = rest
        word, _, argument = line.partition(b" ")
        if word == b"close":
            return events
        if word == b"cut":
            delimiter = argument
        elif word == b"raw" and int(argument):
            if stream[: int(argument)]:
                events.append(("raw", stream[: int(argument)]))
            stream = stream[int(argument) :]


def joined(events: Iterable[Event]) -> list[Event]:
    """Raw bytes that come in several pieces are one piece of raw bytes."""
    result: list[Event] = []
    for kind, data in events:
        if kind == "raw" and result and result[-1][0] == "raw":
            result[-1] = ("raw", result[-1][1] + data)
        else:
            result.append((kind, data))
    return result


DELIMITERS = [b"\r\n", b"\n", b"\0", b"aab", b"\r\n\r\n"]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Scripts for :class:`Obedient`, with some noise that looks like parts of delimiters."""
    stream, delimiter = b"", b"\r\n"
    noise = st.binary(max_size=6) | st.text("\r\nab", max_size=50).map(str.encode)
    for _ in range(draw(st.integers(0, 25))):
        step = draw(
            st.sampled_from(["line", "lines", "raw", "cut", "pause", "blink", "peek", "noise", "close"])
        )
        if step == "line":
            stream += draw(noise) + delimiter
        elif step == "lines":
            stream += (b"abc" + delimiter) * draw(st.integers(1, 40))
        elif step == "raw":
            payload = draw(noise)
            stream += b"raw %d" % len(payload) + delimiter + payload
        elif step == "cut":
            new = draw(st.sampled_from(DELIMITERS))
            stream += b"cut " + new + delimiter
            delimiter = new if new not in (b"", delimiter) else delimiter
        elif step == "noise":
            stream += draw(noise)
        elif step != "close" or draw(st.booleans()):
            stream += step.encode() + delimiter
    return stream


def chunks(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def feed(protocol: Obedient, pieces: Iterable[bytes], resume: Callable[[], bool]) -> list[Event]:
    transport = Transport()
    protocol.makeConnection(transport)
    for piece in pieces:
        if transport.disconnecting:
            break  # a transport that is closing reads no more
        protocol.dataReceived(piece)
        while protocol.paused and resume():
            protocol.resumeProducing()
    while protocol.paused:
        protocol.resumeProducing()
    return joined(protocol.events)


def survives_the_model(stream: bytes) -> bool:
    """Whether the model can follow: noise may have become a command that means nothing."""
    try:
        model(stream)
    except ValueError:
        return False
    return True


class TestAnyChunking:
    @given(streams().filter(survives_the_model), st.lists(st.integers(0, 10_000)), st.data())
    def test_same_events(self, stream: bytes, cuts: list[int], data: st.DataObject) -> None:
        """However it is cut, and whether a pause ends at once or holds while more arrives."""
        pieces = chunks(stream, cuts)
        seen = feed(Obedient(), pieces, lambda: data.draw(st.booleans()))
        assert seen == model(stream)

    @given(streams().filter(survives_the_model))
    def test_byte_by_byte(self, stream: bytes) -> None:
        pieces = [stream[i : i + 1] for i in range(len(stream))]
        assert feed(Obedient(), pieces, lambda: True) == model(stream)

    @given(st.lists(st.binary(max_size=2500)), st.lists(st.integers(0, 100_000)), st.sampled_from(DELIMITERS))
    def test_lines_only(self, lines: list[bytes], cuts: list[int], delimiter: bytes) -> None:
        class Collector(LineOnlyReceiver):
            def lineReceived(self, line: bytes) -> None:
                got.append(line)

        got: list[bytes] = []
        protocol = Collector()
        protocol.delimiter = delimiter
        protocol.makeConnection(Transport())
        stream = delimiter.join(lines)
        for piece in chunks(stream, cuts):
            protocol.dataReceived(piece)
        assert [*got, protocol._buffer] == stream.split(delimiter)

    @pytest.mark.parametrize("base", [LineReceiver, LineOnlyReceiver])
    @given(length=st.integers(90, 110), cuts=st.lists(st.integers(0, 200)))
    def test_exactly_the_longest_line(self, base: Any, length: int, cuts: list[int]) -> None:
        class Collector(base):  # type: ignore[misc]
            MAX_LENGTH = 100

            def lineReceived(self, line: bytes) -> None:
                got.append(len(line))

        got: list[int] = []
        transport = Transport()
        protocol = Collector()
        protocol.makeConnection(transport)
        for piece in chunks(b"x" * length + b"\r\n", cuts):
            if not transport.disconnecting:
                protocol.dataReceived(piece)
        assert (got, transport.disconnecting) == (([length], False) if length <= 100 else ([], True))


class Collector(LineReceiver):
    """Collects; what to do with a line besides is given to it."""

    def __init__(self, act: Callable[[Collector, bytes], Any] = lambda protocol, line: None) -> None:
        self.act = act
        self.got: list[bytes] = []
        self.makeConnection(Transport())

    def lineReceived(self, line: bytes) -> Any:
        self.got.append(line)
        return self.act(self, line)

    def rawDataReceived(self, data: bytes) -> Any:
        self.got.append(b"raw:" + data)
        return self.act(self, data)


TWENTY = [b"%d" % number for number in range(20)]
CHUNK = b"\r\n".join([*TWENTY, b""])


class TestStopping:
    @pytest.mark.parametrize("where", [0, 1, 9, 18, 19])
    def test_true_result_is_returned_and_stops(self, where: int) -> None:
        protocol = Collector(
            lambda p, line: "why" if line == TWENTY[where] and len(p.got) <= where + 1 else None
        )
        assert protocol.dataReceived(CHUNK) == "why"
        assert protocol.got == TWENTY[: where + 1]
        assert protocol.dataReceived(b"") is None
        assert protocol.got == TWENTY

    def test_true_result_of_raw(self) -> None:
        protocol = Collector(lambda p, data: "why")
        protocol.setRawMode()
        assert protocol.dataReceived(b"abc") == "why"

    @pytest.mark.parametrize("where", [0, 9, 19])
    def test_disconnecting(self, where: int) -> None:
        def act(protocol: Collector, line: bytes) -> None:
            if line == TWENTY[where]:
                protocol.transport.loseConnection()

        protocol = Collector(act)
        assert protocol.dataReceived(CHUNK) is None
        assert protocol.got == TWENTY[: where + 1]
        assert protocol.clearLineBuffer() == b"".join(line + b"\r\n" for line in TWENTY[where + 1 :])

    @pytest.mark.parametrize("where", [0, 9, 19])
    def test_exception_loses_nothing_else(self, where: int) -> None:
        def act(protocol: Collector, line: bytes) -> None:
            if line == TWENTY[where]:
                raise ZeroDivisionError

        protocol = Collector(act)
        with pytest.raises(ZeroDivisionError):
            protocol.dataReceived(CHUNK)
        assert not protocol._busyReceiving
        protocol.dataReceived(b"more\r\n")
        assert protocol.got == [*TWENTY, b"more"]

    def test_without_a_transport(self) -> None:
        protocol = Collector()
        protocol.transport = None
        protocol.dataReceived(CHUNK)
        assert protocol.got == TWENTY


class TestPausing:
    @given(st.sets(st.integers(0, 19)), st.booleans())
    def test_at_any_line(self, pauses: set[int], more: bool) -> None:
        protocol = Collector(lambda p, line: p.pauseProducing() if int(line) in pauses else None)
        protocol.dataReceived(CHUNK)
        expected: list[int] = []
        for number in range(20):
            expected.append(number)
            if number in pauses:
                assert protocol.got == [b"%d" % n for n in expected]
                if more:
                    protocol.dataReceived(b"")
                protocol.resumeProducing()
        assert protocol.got == TWENTY
        assert protocol.transport.calls == ["pause", "resume"] * len(pauses)

    def test_what_arrives_while_paused_comes_last(self) -> None:
        protocol = Collector(lambda p, line: p.pauseProducing() if line == b"5" else None)
        protocol.dataReceived(CHUNK)
        for _ in range(3000):
            protocol.dataReceived(b"x")
        protocol.dataReceived(b"\r\n")
        assert protocol.got == TWENTY[:6]
        protocol.resumeProducing()
        assert protocol.got == [*TWENTY, b"x" * 3000]

    def test_in_raw_mode(self) -> None:
        protocol = Collector()
        protocol.setRawMode()
        protocol.pauseProducing()
        protocol.dataReceived(b"one")
        protocol.dataReceived(b"two")
        assert protocol.got == []
        protocol.resumeProducing()
        assert protocol.got == [b"raw:onetwo"]

    def test_delimiter_changed_during_the_pause(self) -> None:
        protocol = Collector(lambda p, line: p.pauseProducing() if line == b"a" else None)
        protocol.dataReceived(b"a\r\nb\nc\r\nd")
        protocol.delimiter = b"\n"
        protocol.resumeProducing()
        assert protocol.got == [b"a", b"b", b"c\r"]
        assert protocol.clearLineBuffer() == b"d"

    def test_raw_mode_chosen_during_the_pause(self) -> None:
        protocol = Collector(lambda p, line: p.pauseProducing() if line == b"3" else None)
        protocol.dataReceived(CHUNK)
        protocol.setRawMode()
        protocol.resumeProducing()
        assert protocol.got == [*TWENTY[:4], b"raw:" + b"".join(line + b"\r\n" for line in TWENTY[4:])]

    def test_stop_producing(self) -> None:
        protocol = Collector(lambda p, line: p.stopProducing() if line == b"3" else None)
        protocol.dataReceived(CHUNK)
        assert protocol.got == TWENTY[:4]
        assert protocol.transport.calls == ["stop"]

    def test_a_thousand_pauses_do_not_nest(self) -> None:
        def blink(protocol: Collector, line: bytes) -> None:
            protocol.pauseProducing()
            protocol.resumeProducing()

        protocol = Collector(blink)
        protocol.dataReceived(b"x\r\n" * 5000)
        assert len(protocol.got) == 5000


class TestBuffer:
    @pytest.mark.parametrize("where", [0, 9])
    def test_cleared_inside_line_received(self, where: int) -> None:
        def act(protocol: Collector, line: bytes) -> None:
            if line == TWENTY[where]:
                cleared.append(protocol.clearLineBuffer())

        cleared: list[bytes] = []
        protocol = Collector(act)
        protocol.dataReceived(CHUNK + b"tail")
        assert protocol.got == TWENTY[: where + 1]
        assert cleared == [b"".join(line + b"\r\n" for line in TWENTY[where + 1 :]) + b"tail"]
        assert protocol._buffer == b""

    def test_assigned_inside_line_received(self) -> None:
        def act(protocol: Collector, line: bytes) -> None:
            if line == b"9":
                protocol._buffer = b"x\r\ny\r\nz"

        protocol = Collector(act)
        protocol.dataReceived(CHUNK)
        assert protocol.got == [*TWENTY[:10], b"x", b"y"]
        assert protocol._buffer == b"z"

    def test_new_data_inside_line_received_comes_last(self) -> None:
        protocol = Collector(lambda p, line: p.dataReceived(b"new%s\r\n" % line) if len(line) < 3 else None)
        protocol.dataReceived(CHUNK)
        assert protocol.got == [*TWENTY, *(b"new" + line for line in TWENTY)]

    def test_before_any_data(self) -> None:
        protocol = Collector()
        assert (protocol.clearLineBuffer(), protocol._buffer, protocol._busyReceiving) == (b"", b"", False)
        protocol._buffer = b"a\r\n"
        protocol.dataReceived(b"b\r\n")
        assert protocol.got == [b"a", b"b"]

    def test_unfinished_long_line_is_in_it(self) -> None:
        protocol = Collector()
        for _ in range(5000):
            protocol.dataReceived(b"x")
        assert protocol._buffer == b"x" * 5000
        protocol.dataReceived(b"\r")
        protocol.dataReceived(b"\n")
        assert protocol.got == [b"x" * 5000]

    def test_set_line_mode_outside_delivers_at_once(self) -> None:
        protocol = Collector(lambda p, line: "why" if line == b"b" else None)
        protocol.setRawMode()
        assert protocol.setLineMode(b"a\r\nb\r\n") == "why"
        assert protocol.setLineMode() is None
        assert protocol.got == [b"a", b"b"]


class TestLength:
    @pytest.mark.parametrize("before", [0, 20])
    def test_default_closes_and_delivers_nothing_more(self, before: int) -> None:
        protocol = Collector()
        protocol.dataReceived(b"x\r\n" * before + b"y" * 16385 + b"\r\nz\r\n")
        assert protocol.got == [b"x"] * before
        assert protocol.transport.disconnecting
        assert protocol._buffer == b""

    @pytest.mark.parametrize("before", [0, 20])
    def test_override_is_given_all_and_its_result_returned(self, before: int) -> None:
        class Lenient(Collector):
            MAX_LENGTH = 5

            def lineLengthExceeded(self, line: bytes) -> Any:
                given.append(line)
                return "why"

        given: list[bytes] = []
        protocol = Lenient()
        assert protocol.dataReceived(b"x\r\n" * before + b"123456\r\nmore\r\nrest") == "why"
        assert given == [b"123456\r\nmore\r\nrest"]
        protocol.dataReceived(b"1234567")
        assert given[1:] == [b"1234567"]
        protocol.dataReceived(b"ok\r\n")
        assert protocol.got[before:] == [b"ok"]

    def test_changed_on_the_way(self) -> None:
        def act(protocol: Collector, line: bytes) -> None:
            protocol.MAX_LENGTH = 1

        protocol = Collector(act)
        protocol.dataReceived(b"abc\r\nd\r\nabc\r\n")
        assert protocol.got == [b"abc", b"d"]
        assert protocol.transport.disconnecting


class TestCost:
    """Work grows with the input and not with its square, told by counting or by coming to an end."""

    def test_small_lines_in_one_chunk(self) -> None:
        protocol = Collector()
        protocol.dataReceived(b"\r\n" * 1_000_000)
        assert len(protocol.got) == 1_000_000

    @pytest.mark.parametrize("base", [LineReceiver, LineOnlyReceiver])
    def test_long_line_byte_by_byte(self, base: Any) -> None:
        searched = 0

        class Counting(basic._Backlog):
            def find(self, delimiter: bytes, start: int = 0) -> int:  # type: ignore[override]
                nonlocal searched
                searched += len(self) - start
                return super().find(delimiter, start)

        class Long(base):  # type: ignore[misc]
            MAX_LENGTH = 10**9

            def lineReceived(self, line: bytes) -> None:
                got.append(len(line))

        got: list[int] = []
        protocol = Long()
        protocol.makeConnection(Transport())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(basic, "_Backlog", Counting)
            for _ in range(200_000):
                protocol.dataReceived(b"x")
            protocol.dataReceived(b"\r\n")
        assert got == [200_000]
        assert 0 < searched < 5 * 200_000


class TestSending:
    @pytest.mark.parametrize("base", [LineReceiver, LineOnlyReceiver])
    def test_send_line(self, base: Any) -> None:
        protocol = base()
        protocol.makeConnection(Transport())
        protocol.sendLine(b"hello")
        protocol.delimiter = b"\0"
        protocol.sendLine(b"world")
        assert protocol.transport.written == b"hello\r\nworld\0"


class TestSubclassing:
    @pytest.mark.parametrize("base", [LineReceiver, LineOnlyReceiver])
    def test_unwritten_methods_teach(self, base: Any) -> None:
        protocol = base()
        protocol.makeConnection(Transport())
        with pytest.raises(NotImplementedError, match=r"def lineReceived\(self, line\)"):
            protocol.dataReceived(b"a\r\n")

    def test_unwritten_raw_teaches(self) -> None:
        protocol = LineReceiver()
        protocol.setRawMode()
        with pytest.raises(NotImplementedError, match=r"def rawDataReceived\(self, data\)"):
            protocol.dataReceived(b"a")

    def test_raw_from_the_start(self) -> None:
        class Raw(Collector):
            line_mode = 0

        protocol = Raw()
        protocol.dataReceived(b"a\r\n")
        assert protocol.got == [b"raw:a\r\n"]

    def test_delimiter_as_a_property(self) -> None:
        class Odd(Collector):
            @property
            def delimiter(self) -> bytes:  # type: ignore[override]
                return bytes(bytearray(b";"))

        protocol = Odd()
        protocol.dataReceived(b"a;b;c")
        protocol.dataReceived(b";")
        assert protocol.got == [b"a", b"b", b"c"]

    def test_pauseable_for_strangers(self) -> None:
        class Stranger(basic._PauseableMixin):
            def __init__(self) -> None:
                self.transport = Transport()
                self.got: list[bytes] = []

            def dataReceived(self, data: bytes) -> None:
                self.got.append(data)

        stranger = Stranger()
        stranger.pauseProducing()
        assert stranger.paused
        stranger.resumeProducing()
        assert (stranger.paused, stranger.got) == (False, [b""])
        stranger.stopProducing()
        assert stranger.paused
        assert stranger.transport.calls == ["pause", "resume", "stop"]


class TestLineOnly:
    def test_disconnecting(self) -> None:
        class Closing(LineOnlyReceiver):
            def lineReceived(self, line: bytes) -> None:
                got.append(line)
                self.transport.loseConnection()

        got: list[bytes] = []
        protocol = Closing()
        protocol.makeConnection(Transport())
        protocol.dataReceived(b"a\r\nb\r\n")
        assert got == [b"a"]

    def test_buffer_can_be_assigned(self) -> None:
        class Collecting(LineOnlyReceiver):
            def lineReceived(self, line: bytes) -> None:
                got.append(line)

        got: list[bytes] = []
        protocol = Collecting()
        protocol.makeConnection(Transport())
        protocol.dataReceived(b"x" * 2000)
        assert protocol._buffer == b"x" * 2000
        protocol._buffer = b"a"
        protocol.dataReceived(b"b\r\n")
        assert got == [b"ab"]
