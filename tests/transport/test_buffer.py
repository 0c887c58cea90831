"""The write buffer: appended, looked at and consumed in whatever pieces, it is one row of bytes."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from twisted_compat.transport import buffer as buffer_module
from twisted_compat.transport.buffer import WriteBuffer

pieces = st.one_of(st.binary(min_size=1, max_size=5), st.binary(min_size=20, max_size=70))


class BufferMachine(RuleBasedStateMachine):
    """The buffer against a plain bytes object, with limits small enough that every way to send is taken."""

    @initialize()
    def start(self) -> None:
        self.buffer = WriteBuffer()
        self.model = b""

    @rule(data=pieces)
    def append(self, data: bytes) -> None:
        self.buffer.append(data)
        self.model += data

    @rule(limit=st.integers(1, 64))
    def head(self, limit: int) -> None:
        head = bytes(self.buffer.head(limit))
        assert self.model.startswith(head)
        assert len(head) <= limit
        assert bool(head) == bool(self.model)

    @precondition(lambda self: self.model)
    @rule(limit=st.integers(1, 64), data=st.data())
    def send(self, limit: int, data: st.DataObject) -> None:
        """What a transport does: the kernel takes some of what it is offered."""
        head = self.buffer.head(limit)
        accepted = data.draw(st.integers(0, len(head)))
        self.buffer.consume(accepted)
        self.model = self.model[accepted:]

    @precondition(lambda self: self.model)
    @rule(limit=st.integers(1, 64), data=st.data())
    def send_pieces(self, limit: int, data: st.DataObject) -> None:
        """What a transport does that can send several pieces at once."""
        found = self.buffer.pieces(limit)
        if found is not None:
            assert len(found) > 1
            offered = b"".join(found)
            assert self.model.startswith(offered) and 0 < len(offered) <= limit
            accepted = data.draw(st.integers(0, len(offered)))
            self.buffer.consume(accepted)
            self.model = self.model[accepted:]

    @rule(data=st.data())
    def consume_any(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.model)))
        self.buffer.consume(count)
        self.model = self.model[count:]

    @rule(excess=st.integers(1, 5))
    def consume_too_much(self, excess: int) -> None:
        with pytest.raises(ValueError):
            self.buffer.consume(len(self.model) + excess)
        if self.model:
            with pytest.raises(ValueError):
                self.buffer.consume(-excess)

    @rule()
    def clear(self) -> None:
        self.buffer.clear()
        self.model = b""

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        if hasattr(self, "buffer"):
            assert bytes(self.buffer) == self.model
            assert self.buffer.size == len(self.buffer) == len(self.model)
            assert self.buffer.single is None or self.buffer.single == self.model
            assert bool(self.buffer) == bool(self.model)


class LargePiecesMachine(BufferMachine):
    """The same where pieces count as large from two bytes on, so that they are sent as they are."""

    @initialize()
    def count_little_as_much(self) -> None:
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(buffer_module, "LARGE", 2)

    def teardown(self) -> None:
        if hasattr(self, "patched"):
            self.patched.undo()


TestBufferMachine = BufferMachine.TestCase
TestLargePiecesMachine = LargePiecesMachine.TestCase
TestLargePiecesMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBufferMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(pieces, max_size=20), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_draining_gives_everything_in_order(written: list[bytes], limit: int) -> None:
    buffer = WriteBuffer()
    for piece in written:
        buffer.append(piece)
    sent = b""
    while buffer.size:
        head = bytes(buffer.head(limit))
        sent += head
        buffer.consume(len(head))
    assert sent == b"".join(written)
    assert buffer.head(limit) == b""


def test_one_whole_write_is_not_copied() -> None:
    buffer = WriteBuffer()
    data = b"x" * 1000
    buffer.append(data)
    assert buffer.single is data
    assert buffer.head(1000) is data


def test_small_writes_leave_as_one_piece() -> None:
    buffer = WriteBuffer()
    for _ in range(100):
        buffer.append(b"0123456789")
    assert bytes(buffer.head(2000)) == b"0123456789" * 100


def test_a_piece_larger_than_a_send_is_only_looked_at() -> None:
    buffer = WriteBuffer()
    large = bytes(range(256)) * 1000
    buffer.append(large)
    sent = b""
    while buffer.size:
        head = buffer.head(1000)
        assert isinstance(head, memoryview) and head.obj is large
        sent += head
        buffer.consume(min(len(head), 777))
        sent = sent[: len(large) - buffer.size]
    assert sent == large


def test_a_slow_peer_has_nothing_joined_again_for_each_few_bytes() -> None:
    buffer = WriteBuffer()
    for _ in range(1000):
        buffer.append(b"x" * 10)
    joined = buffer.head(1000)
    for _ in range(50):
        buffer.consume(10)
        head = buffer.head(1000)
        assert isinstance(head, memoryview) and head.obj is joined
    assert buffer.size == 10_000 - 500


def test_a_buffer_that_is_empty_or_has_one_piece_is_small() -> None:
    buffer = WriteBuffer()
    empty = buffer.chunks
    assert sys.getsizeof(empty) < 100
    buffer.append(b"one")
    assert buffer.chunks is empty
    buffer.append(b"two")
    assert buffer.chunks is not empty
    buffer.consume(buffer.size)
    assert buffer.chunks is empty


def test_the_writes_of_a_turn_leave_in_one_piece() -> None:
    buffer = WriteBuffer()
    for number in range(20):
        buffer.append(b"%d " % number)
    joined = buffer.head(1000)
    assert joined == bytes(buffer) == b"".join(b"%d " % number for number in range(20))
    assert buffer.head(1000) is joined  # and is not joined again
    buffer.append(b"more")  # before the kernel takes any
    assert buffer.head(1000) == bytes(buffer) == joined + b"more"
    buffer.consume(len(joined))
    assert buffer.head(1000) == b"more"


def test_a_few_large_pieces_are_sent_as_they_are() -> None:
    buffer = WriteBuffer()
    pieces = [bytes([number]) * 60_000 for number in range(3)]
    buffer.append(pieces[0])
    assert buffer.pieces(131_072) is None  # alone: what head() gives is as good
    buffer.append(pieces[1])
    buffer.append(pieces[2])
    found = buffer.pieces(131_072)
    assert found is not None
    assert (found[0], found[1]) == (pieces[0], pieces[1])
    assert isinstance(found[0], memoryview) and found[0].obj is pieces[0]
    assert len(found[2]) == 131_072 - 120_000
    buffer.consume(50_000)
    found = buffer.pieces(131_072)
    assert found is not None and [len(each) for each in found] == [10_000, 60_000, 60_000]
    buffer.consume(10_000)
    assert buffer.pieces(131_072) == pieces[1:]


def test_pieces_are_never_more_than_a_kernel_takes() -> None:
    buffer = WriteBuffer()
    for _ in range(1100):
        buffer.append(b"x")
    buffer.append(b"y" * 9_100_000)  # large enough for all of them to be large on average
    assert buffer.pieces(131_072) is None
    assert buffer.head(131_072) == b"x" * 1100


def test_small_pieces_are_joined() -> None:
    buffer = WriteBuffer()
    for _ in range(100):
        buffer.append(b"x" * 1000)
    assert buffer.pieces(131_072) is None
    assert buffer.head(131_072) == b"x" * 100_000
