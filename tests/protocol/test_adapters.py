"""Protocols as consumers, consumers as protocols, files as transports."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from twisted_compat.interfaces import IConsumer, IProtocol, ITransport
from twisted_compat.protocol import (
    ConsumerToProtocolAdapter,
    FileWrapper,
    Protocol,
    ProtocolToConsumerAdapter,
    connectionDone,
)


class Receiver(Protocol):
    received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data


@implementer(IConsumer)
class Consumer:
    written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        raise AssertionError("a protocol has no producer to register")

    def unregisterProducer(self) -> None:
        raise AssertionError("a protocol has no producer to unregister")


class TestProtocolAsConsumer:
    def test_found_by_its_interface(self) -> None:
        receiver = Receiver()
        consumer = IConsumer(receiver)
        assert type(consumer) is ProtocolToConsumerAdapter
        assert verifyObject(IConsumer, consumer)
        consumer.registerProducer(object(), True)
        consumer.write(b"abc")
        consumer.unregisterProducer()
        assert receiver.received == b"abc"
        assert consumer.original is receiver


class TestConsumerAsProtocol:
    def test_found_by_its_interface(self) -> None:
        consumer = Consumer()
        protocol = IProtocol(consumer)
        assert type(protocol) is ConsumerToProtocolAdapter
        assert verifyObject(IProtocol, protocol)
        protocol.makeConnection(object())
        protocol.connectionMade()
        protocol.dataReceived(b"abc")
        protocol.connectionLost(connectionDone)
        assert consumer.written == b"abc"


class TestAdapting:
    def test_what_provides_it_is_left_alone(self) -> None:
        receiver, consumer = Receiver(), Consumer()
        assert IProtocol(receiver) is receiver
        assert IConsumer(consumer) is consumer

    def test_nothing_else_is_adapted(self) -> None:
        with pytest.raises(TypeError):
            IConsumer(object())
        with pytest.raises(TypeError):
            IProtocol(object())

    def test_the_original_answers_for_a_third_interface(self) -> None:
        class IThird(Interface):
            pass

        class Knowing:
            def __conform__(self, interface: Any) -> Any:
                return "third" if interface is IThird else None

        assert IThird(ProtocolToConsumerAdapter(Knowing())) == "third"
        assert IThird(ProtocolToConsumerAdapter(object()), None) is None


class Unwell(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError("full")

    def close(self) -> None:
        super().close()  # as a real file, which tells of a failed flush and is closed all the same
        raise OSError("stuck")


class PullProducer:
    def __init__(self) -> None:
        self.asked = 0

    def resumeProducing(self) -> None:
        self.asked += 1


class TestFileWrapper:
    def test_provides(self) -> None:
        assert verifyObject(ITransport, FileWrapper(io.BytesIO()))

    def test_writes_and_closes(self) -> None:
        file = io.BytesIO()
        transport = FileWrapper(file)
        transport.write(b"a")
        transport.writeSequence([b"b", b"c"])
        assert file.getvalue() == b"abc"
        assert (transport.closed, transport.disconnecting) == (0, 0)
        transport.loseConnection()
        assert file.closed
        assert transport.closed == 1
        assert transport.getPeer() == ("file", "file")
        assert transport.getHost() == "file"

    def test_what_goes_wrong_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        transport = FileWrapper(Unwell())
        with caplog.at_level(logging.ERROR):
            transport.write(b"a")
            transport.loseConnection()
        assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["full", "stuck"]

    def test_producers(self) -> None:
        transport = FileWrapper(io.BytesIO())
        pull, push = PullProducer(), PullProducer()
        transport.registerProducer(pull, False)
        transport._checkProducer()
        assert (transport.producer, transport.streamingProducer, pull.asked) == (pull, False, 2)
        transport.unregisterProducer()
        transport._checkProducer()
        assert pull.asked == 2
        transport.registerProducer(push, True)
        assert (transport.producer, push.asked) == (push, 0)
        transport.stopConsuming()
        assert (transport.producer, transport.closed) == (None, 1)

    def test_as_a_producer(self) -> None:
        transport = FileWrapper(io.BytesIO())
        transport.pauseProducing()
        transport.resumeProducing()
        assert not transport.closed
        transport.stopProducing()
        assert transport.closed
