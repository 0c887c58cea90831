"""Connections over real sockets: what is read and written, and every way in which one ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import logging
import operator
import random
import socket
import weakref
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support import until, within
from tests.transport.peers import Notes, errors, serving, turns
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted_compat.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    ILoggingContext,
    IPushProducer,
    IReadWriteDescriptor,
    ISystemHandle,
    ITCPTransport,
    ITransport,
)
from twisted_compat.protocol import ClientFactory
from twisted_compat.transport.tcp_listen import Server

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * 40_000  # 10 MB
FAMILIES = [socket.AF_INET, socket.AF_INET6]


class Echo(Notes):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


@implementer(IHalfCloseableProtocol)
class Halves(Notes):
    """Is told of each half, and remembers."""

    def readConnectionLost(self) -> None:
        self.events.append("read lost")

    def writeConnectionLost(self) -> None:
        self.events.append("write lost")


class Dialling(ClientFactory):
    def __init__(self, protocol: Any) -> None:
        self.built = protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self.built


async def dialled(reactor: Any, port: int, protocol: Any, host: str = "127.0.0.1") -> Any:
    """Connect ``protocol`` by way of the reactor."""
    reactor.connectTCP(host, port, Dialling(protocol))
    await until(lambda: "made" in protocol.events)
    return protocol


# -- data


@pytest.mark.parametrize("family", FAMILIES)
async def test_ten_megabytes_arrive_whole_in_both_directions(family: int) -> None:
    async with serving(family=family) as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(BIG)
        _, got = await asyncio.gather(peer.send(BIG[::-1]), peer.read(len(BIG)))
        assert got == BIG
        await until(lambda: len(protocol.received) == len(BIG))
        assert protocol.received == BIG[::-1]


async def test_ten_megabytes_are_echoed_to_an_asyncio_stream() -> None:
    async with serving(Echo) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port.getHost().port)
        writer.write(BIG)
        assert await within(reader.readexactly(len(BIG))) == BIG
        writer.close()
        await writer.wait_closed()


async def test_a_subclass_may_send_in_its_own_way() -> None:
    class Careful(Server):
        def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
            sizes.append(len(data))
            return super().writeSomeData(data[:3])

    sizes: list[int] = []
    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            protocol = Notes()
            transport = Careful(ours, protocol, ("127.0.0.1", 1), None, 0, reactor)
            protocol.makeConnection(transport)
            transport.write(b"12345678")
            transport.loseConnection()
            loop = asyncio.get_running_loop()
            received = b""
            while more := await within(loop.sock_recv(theirs, 100)):
                received += more
    assert (received, sizes) == (b"12345678", [8, 5, 2])


async def test_many_small_writes_and_a_large_one() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        for _ in range(1100):
            protocol.transport.write(b"x")
        protocol.transport.write(b"y" * 9_100_000)
        protocol.transport.loseConnection()
        assert await peer.read_all() == b"x" * 1100 + b"y" * 9_100_000


async def test_what_doing_a_write_tells() -> None:
    """None: the kernel took all that it was given. 0: it took less, so trying again is of no use."""
    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with theirs:
            transport = Server(ours, Notes(), ("127.0.0.1", 1), None, 0, reactor)
            limit = transport.SEND_LIMIT
            transport.write(b"x" * (limit + 1))
            assert transport.doWrite() is None and transport.dataBuffer == b"x"
            assert transport.doWrite() is None and transport.dataBuffer == b""
            transport.write(b"y" * limit)
            transport.write(b"z" * limit)
            while (told := transport.doWrite()) is None:
                transport.write(b"z" * limit)
            assert told == 0 and transport.doWrite() == 0
            left = len(transport.dataBuffer)
            theirs.recv(limit)
            transport.doWrite()
            assert len(transport.dataBuffer) < left
            transport.abortConnection()


@pytest.mark.parametrize("family", FAMILIES)
async def test_addresses_handle_and_prefix(family: int) -> None:
    async with serving(family=family) as bench:
        protocol, peer = await bench.dial()
        transport = protocol.transport
        kind = IPv6Address if family == socket.AF_INET6 else IPv4Address
        ours, theirs = peer.socket.getpeername(), peer.socket.getsockname()
        assert transport.getHost() == kind("TCP", *ours)
        assert transport.getPeer() == kind("TCP", *theirs)
        assert transport.getHandle().fileno() == transport.fileno() > 0
        assert transport.getHandle().getblocking() is False
        assert transport.logPrefix().startswith("Notes,")
        client = await dialled(bench.reactor, ours[1], Notes(), bench.host)
        assert client.transport.getPeer() == kind("TCP", *ours)
        assert client.transport.logPrefix() == "Notes,client"


@pytest.mark.parametrize("option", ["TcpNoDelay", "TcpKeepAlive"])
async def test_socket_options(option: str) -> None:
    async with serving() as bench:
        protocol, _ = await bench.dial()
        get, set_ = (getattr(protocol.transport, verb + option) for verb in ("get", "set"))
        for value in (1, 0, True, False):
            set_(value)
            assert get() is bool(value)
        level, name = {
            "TcpNoDelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
            "TcpKeepAlive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        }[option]
        set_(True)
        assert protocol.transport.getHandle().getsockopt(level, name)


@pytest.mark.parametrize(
    "interface",
    [
        ITransport,
        ITCPTransport,
        ISystemHandle,
        IPushProducer,
        IConsumer,
        IReadWriteDescriptor,
        IHalfCloseableDescriptor,
        ILoggingContext,
    ],
)
async def test_both_ends_provide_what_they_claim(interface: Any) -> None:
    async with serving() as bench:
        client = await dialled(bench.reactor, bench.port.getHost().port, Notes())
        await until(lambda: bench.protocols)
        assert verifyObject(interface, client.transport)
        assert verifyObject(interface, bench.protocols[0].transport)


async def test_the_protocol_can_be_replaced_in_mid_stream() -> None:
    class Switching(Notes):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            after.transport = self.transport
            self.transport.protocol = after

    after = Notes()
    async with serving(Switching) as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"first")
        await until(lambda: protocol.received)
        await peer.send(b"second")
        await until(lambda: after.received)
        peer.socket.close()
        await until(lambda: after.lost)
        assert protocol.received == b"first"
        assert after.received == b"second"
        assert protocol.events == ["made"]


async def test_pausing_inside_data_received_holds_the_next_piece_back() -> None:
    class OneAtATime(Notes):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()

    async with serving(OneAtATime) as bench:
        protocol, peer = await bench.dial()
        protocol.transport.bufferSize = 3
        await peer.send(b"abcdefgh")
        for expected in (b"abc", b"abcdef", b"abcdefgh"):
            size = len(expected)
            await until(lambda size=size: len(protocol.received) >= size)  # type: ignore[misc]
            await turns()
            assert protocol.received == expected
            protocol.transport.resumeProducing()


async def test_paused_from_the_beginning() -> None:
    class Paused(Notes):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.pauseProducing()

    async with serving(Paused) as bench:
        for protocol, send in [await _server_side(bench), await _client_side(bench)]:
            await send(b"early")
            await turns(20)
            assert protocol.received == b""
            protocol.transport.resumeProducing()
            protocol.transport.resumeProducing()
            await until(functools.partial(operator.eq, protocol.received, b"early"))


async def _server_side(bench: Any) -> Any:
    protocol, peer = await bench.dial()
    return protocol, peer.send


async def _client_side(bench: Any) -> Any:
    client = await dialled(bench.reactor, bench.port.getHost().port, type(bench.protocols[0])())
    await until(lambda: bench.protocols[-1].transport is not None)

    async def send(data: bytes) -> None:
        bench.protocols[-1].transport.write(data)

    return client, send


async def test_a_reader_of_less_than_all_is_called_until_the_end_of_the_stream() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.bufferSize = 1000
        await peer.send(b"x" * 30_500)
        peer.socket.close()
        await until(lambda: protocol.lost)
        assert len(protocol.received) == 30_500
        assert protocol.reason.check(ConnectionDone)


# -- the peer ends it


async def test_the_end_of_the_stream_is_connection_done() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"bye")
        peer.socket.shutdown(socket.SHUT_WR)
        await until(lambda: protocol.lost)
        assert protocol.received == b"bye"
        assert protocol.reason.check(ConnectionDone)
        assert await peer.read_all() == b""


async def test_a_reset_while_reading_is_connection_lost_with_its_cause() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        peer.reset()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionLost)
        assert protocol.reason.value.__cause__.errno == errno.ECONNRESET
        assert "reset" in protocol.reason.getErrorMessage()


async def test_a_reset_while_writing_is_connection_lost_with_its_cause() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.pauseProducing()  # so that only the writing can find out
        protocol.transport.write(BIG)
        await turns()
        peer.reset()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionLost)
        assert protocol.reason.value.__cause__.errno in (errno.ECONNRESET, errno.EPIPE)
        assert protocol.transport.dataBuffer == b""


# -- closing


async def test_what_the_peer_sent_and_nobody_read_does_not_cost_it_the_answer() -> None:
    """Closing over unread bytes makes a kernel send a reset instead of what is still to be sent."""
    async with serving() as bench:
        protocol, peer = await bench.dial(receive_buffer=4096)
        protocol.transport.pauseProducing()
        protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        await peer.send(b"unread" * 10_000)
        protocol.transport.write(b"answer" * 20_000)
        protocol.transport.loseConnection()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionDone)
        assert await peer.read_all() == b"answer" * 20_000


@pytest.mark.parametrize("where", ["made", "received"])
async def test_closing_inside_a_callback(where: str) -> None:
    class Brief(Notes):
        def connectionMade(self) -> None:
            super().connectionMade()
            if where == "made":
                self.say_goodbye()

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.say_goodbye()

        def say_goodbye(self) -> None:
            self.transport.write(b"goodbye")
            self.transport.loseConnection()
            assert not self.lost

    async with serving(Brief) as bench:
        protocol, peer = await bench.dial()
        if where == "received":
            await peer.send(b"x")
        assert await peer.read_all() == b"goodbye"
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionDone)


# -- aborting


async def test_abort_resets_and_sends_nothing_of_a_write_just_before() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(b"never")
        protocol.transport.abortConnection()
        protocol.transport.write(b"nor this")
        protocol.transport.loseConnection()
        protocol.transport.abortConnection()
        protocol.transport.resumeProducing()
        assert protocol.events == ["made"]  # it hears of it on a later turn
        with pytest.raises(ConnectionResetError):
            await peer.read_all()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionAborted)
        await turns()
        assert protocol.events == ["made", "lost"]
        protocol.transport.abortConnection()
        protocol.transport.write(b"or this")


async def test_abort_with_nobody_watching() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.pauseProducing()
        protocol.transport.abortConnection()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionAborted)
        with pytest.raises(ConnectionResetError):
            await peer.read_all()


async def test_abort_ends_a_closing_that_cannot_finish() -> None:
    async with serving() as bench:
        protocol, _ = await bench.dial()
        stopped: list[str] = []

        class Producer:
            def stopProducing(self) -> None:
                stopped.append("stop")

            def pauseProducing(self) -> None:
                stopped.append("pause")

        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.write(BIG)
        protocol.transport.loseConnection()
        await turns()
        protocol.transport.abortConnection()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionAborted)
        assert stopped == ["pause", "stop"]


@pytest.mark.parametrize("where", ["made", "received"])
async def test_abort_inside_a_callback(where: str) -> None:
    class Brusque(Notes):
        def connectionMade(self) -> None:
            super().connectionMade()
            if where == "made":
                self.transport.abortConnection()

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.write(data)
            self.transport.abortConnection()

    async with serving(Brusque) as bench:
        protocol, peer = await bench.dial()
        if where == "received":
            await peer.send(b"data")
        with pytest.raises(ConnectionResetError):
            await peer.read_all()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionAborted)
        assert protocol.received == (b"" if where == "made" else b"data")


async def test_raising_after_an_abort_still_resets(caplog: pytest.LogCaptureFixture) -> None:
    class Brusque(Notes):
        def dataReceived(self, data: bytes) -> None:
            self.transport.abortConnection()
            raise ZeroDivisionError("after abort")

    async with serving(Brusque) as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"x")
        with pytest.raises(ConnectionResetError):
            await peer.read_all()
        await until(lambda: protocol.lost)
        await turns()
        assert protocol.events == ["made", "lost"]
        assert len(errors(caplog)) == 1


# -- half-closing


async def test_the_peer_ends_its_half_first() -> None:
    async with serving(Halves) as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"question")
        peer.socket.shutdown(socket.SHUT_WR)
        await until(lambda: "read lost" in protocol.events)
        assert protocol.received == b"question"
        protocol.transport.resumeProducing()  # as the consumer of a relay does: there is nothing more to read
        protocol.transport.write(BIG)
        assert await peer.read(len(BIG)) == BIG
        protocol.transport.loseConnection()
        assert await peer.read_all() == b""
        await until(lambda: protocol.lost)
        assert protocol.events == ["made", "read lost", "lost"]
        assert protocol.reason.check(ConnectionDone)


async def test_we_end_our_half_first() -> None:
    async with serving(Halves) as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(BIG)
        protocol.transport.loseWriteConnection()
        protocol.transport.loseWriteConnection()
        await turns()
        assert protocol.events == ["made"]
        assert await peer.read_all() == BIG
        await until(lambda: "write lost" in protocol.events)
        protocol.transport.write(b"dropped")
        await peer.send(b"answer")
        await until(lambda: protocol.received == b"answer")
        peer.socket.shutdown(socket.SHUT_WR)
        await until(lambda: "read lost" in protocol.events)
        assert protocol.events == ["made", "write lost", "read lost"]
        protocol.transport.loseConnection()
        assert not protocol.lost
        await until(lambda: protocol.lost)
        assert protocol.events == ["made", "write lost", "read lost", "lost"]


async def test_half_closing_waits_for_the_producer() -> None:
    class Producer:
        def stopProducing(self) -> None:
            raise AssertionError("it has unregistered")

    async with serving(Halves) as bench:
        protocol, peer = await bench.dial()
        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.loseWriteConnection()
        protocol.transport.write(b"one")
        assert await peer.read(3) == b"one"
        await turns()
        protocol.transport.write(b"two")
        assert await peer.read(3) == b"two"
        assert protocol.events == ["made"]
        protocol.transport.unregisterProducer()
        assert await peer.read_all() == b""
        await until(lambda: protocol.events == ["made", "write lost"])


async def test_half_closing_when_the_protocol_does_not_care() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(b"all")
        protocol.transport.loseWriteConnection()
        assert await peer.read_all() == b"all"
        await peer.send(b"still heard")
        await until(lambda: protocol.received == b"still heard")
        peer.socket.close()
        await until(lambda: protocol.lost)
        assert protocol.events == ["made", "lost"]


@pytest.mark.parametrize("half", ["read", "write"])
async def test_a_half_close_handler_that_raises(half: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Halves):
        def readConnectionLost(self) -> None:
            raise ZeroDivisionError("in read")

        def writeConnectionLost(self) -> None:
            raise ZeroDivisionError("in write")

    async with serving(Broken) as bench:
        protocol, peer = await bench.dial()
        if half == "read":
            peer.socket.shutdown(socket.SHUT_WR)
        else:
            protocol.transport.loseWriteConnection()
        assert await peer.read_all() == b""
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ZeroDivisionError)
        assert len(errors(caplog)) == 1


async def test_lose_connection_inside_the_half_close_handlers() -> None:
    class Leaving(Halves):
        def readConnectionLost(self) -> None:
            super().readConnectionLost()
            self.transport.write(b"last")
            self.transport.loseConnection()

        def writeConnectionLost(self) -> None:
            super().writeConnectionLost()
            self.transport.loseConnection()

    async with serving(Leaving) as bench:
        protocol, peer = await bench.dial()
        peer.socket.shutdown(socket.SHUT_WR)
        assert await peer.read_all() == b"last"
        await until(lambda: protocol.events == ["made", "read lost", "lost"])
        protocol, peer = await bench.dial()
        protocol.transport.loseWriteConnection()
        assert await peer.read_all() == b""
        await until(lambda: protocol.events == ["made", "write lost", "lost"])


# -- protocols that raise


@pytest.mark.parametrize("callback", ["connectionMade", "dataReceived", "connectionLost"])
@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_an_exception_ends_its_connection_alone_and_is_logged_once(
    callback: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Notes):
        def _may_raise(self, name: str) -> None:
            if name == callback:
                raise ZeroDivisionError(f"in {name}")

        def connectionMade(self) -> None:
            super().connectionMade()
            self._may_raise("connectionMade")

        def dataReceived(self, data: bytes) -> None:
            self._may_raise("dataReceived")
            self.transport.loseConnection() if ending == "close" else self.transport.abortConnection()

        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            self._may_raise("connectionLost")

    async with serving(Broken) as bench:
        protocol, peer = await bench.dial()
        with contextlib.suppress(ConnectionError):
            await peer.send(b"x")
            assert await peer.read_all() == b""
        await until(lambda: protocol.lost)
        await turns()
        assert protocol.events == ["made", "lost"]
        if callback == "connectionLost":
            assert protocol.reason.check(ConnectionDone if ending == "close" else ConnectionAborted)
        else:
            assert protocol.reason.check(ZeroDivisionError)
            assert protocol.reason.getErrorMessage() == f"in {callback}"
        [record] = errors(caplog)
        assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
        assert protocol.transport.fileno() == -1
        another, _ = await bench.dial()  # the server lives on
        assert another.events[0] == "made"


async def test_an_exception_after_a_write_sends_what_was_written_before_it_or_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Notes):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"written")
            raise ZeroDivisionError

    async with serving(Broken) as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"x")
        assert await peer.read_all() in (b"", b"written")
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ZeroDivisionError)


# -- nothing stays behind


@pytest.mark.parametrize(
    "ending",
    [
        "lose",
        "abort",
        "peer closes",
        "peer resets",
        "raises",
        "producer",
        "half",
    ],
)
async def test_no_reference_cycle_is_left(ending: str) -> None:
    class Raising(Notes):
        def dataReceived(self, data: bytes) -> None:
            raise ZeroDivisionError

        def connectionLost(self, reason: Any = None) -> None:
            self.events.append("lost")  # keeping the reason would keep the frame above, and so this

    async with serving({"raises": Raising, "half": Halves}.get(ending, Notes)) as bench:
        protocol, peer = await bench.dial()
        gc.collect()
        gc.disable()
        logging.disable()  # pytest keeps what is logged, and with it a traceback, and with that its frames
        try:
            watched = [weakref.ref(protocol), weakref.ref(protocol.transport)]
            if ending == "lose":
                protocol.transport.write(b"x")
                protocol.transport.loseConnection()
            elif ending == "abort":
                protocol.transport.abortConnection()
            elif ending == "peer closes":
                peer.socket.close()
            elif ending == "peer resets":
                peer.reset()
            elif ending == "raises":
                await peer.send(b"x")
            elif ending == "producer":
                protocol.stopProducing = int  # does nothing
                protocol.transport.registerProducer(protocol, True)
                peer.socket.close()
            else:
                protocol.transport.loseWriteConnection()
                await until(lambda: "write lost" in bench.protocols[0].events)
                protocol.transport.loseConnection()
            await until(lambda: bench.protocols[0].lost)
            bench.protocols.clear()
            del protocol
            await turns()
            assert [reference() for reference in watched] == [None, None]
        finally:
            gc.enable()
            logging.disable(logging.NOTSET)


# -- nothing is lost

pieces = st.lists(st.one_of(st.integers(1, 300), st.integers(1, 400_000)), max_size=12)


@given(
    ours=pieces,
    theirs=pieces,
    read_size=st.sampled_from([1000, 65536]),
    pauses=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    ending=st.sampled_from(["lose", "half", "peer"]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_two_way_transfer_arrives_or_the_protocol_hears_why(
    loop_factory: Any,
    ours: list[int],
    theirs: list[int],
    read_size: int,
    pauses: list[int],
    ending: str,
    seed: int,
) -> None:
    noise = random.Random(seed)
    outgoing = [noise.randbytes(count) for count in ours]
    incoming = [noise.randbytes(count) for count in theirs]

    class Fitful(Halves):
        """Pauses and resumes as it reads."""

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if noise.random() < 0.2:
                self.transport.pauseProducing()
                self.transport.reactor.callLater(0, self.transport.resumeProducing)

    async def write(protocol: Any) -> None:
        for index, piece in enumerate(outgoing):
            protocol.transport.write(piece)
            await turns(pauses[index % len(pauses)])

    async def send(peer: Any) -> None:
        for index, piece in enumerate(incoming):
            await peer.send(piece)
            await turns(pauses[-index % len(pauses)])

    async def transfer() -> None:
        async with serving(Fitful) as bench:
            protocol, peer = await bench.dial(receive_buffer=noise.choice([None, 4096]))
            protocol.transport.bufferSize = read_size
            reading = asyncio.ensure_future(peer.read(sum(ours)))
            await asyncio.gather(write(protocol), send(peer))
            if ending == "half":
                protocol.transport.loseWriteConnection()
            elif ending == "peer":
                peer.socket.shutdown(socket.SHUT_WR)
            await until(lambda: len(protocol.received) == sum(theirs))
            if ending == "lose":
                protocol.transport.loseConnection()
            assert await reading == b"".join(outgoing)
            assert protocol.received == b"".join(incoming)
            if ending == "half":
                await until(lambda: "write lost" in protocol.events)
            elif ending == "peer":
                await until(lambda: "read lost" in protocol.events)
            protocol.transport.loseConnection()
            assert await peer.read_all() == b""
            await until(lambda: protocol.lost)
            assert protocol.reason.check(ConnectionDone)

    loop = loop_factory()
    try:
        loop.run_until_complete(transfer())
    finally:
        loop.close()


async def test_between_two_of_our_own_ends_everything_arrives() -> None:
    async with serving(Echo) as bench:
        client = await dialled(bench.reactor, bench.port.getHost().port, Notes())
        client.transport.write(BIG)
        await until(lambda: len(client.received) == len(BIG))
        assert client.received == BIG
        client.transport.loseConnection()
        await until(lambda: client.lost and bench.protocols[0].lost)


async def test_a_reactor_that_stops_sends_what_was_accepted() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        reading = asyncio.ensure_future(peer.read_all())
        protocol.transport.write(BIG)
        bench.reactor.stop()
        assert await reading == BIG
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionDone)


async def test_a_connection_is_made_of_any_socket_and_gets_its_protocol_later() -> None:
    from twisted_compat.transport.tcp import Connection

    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with theirs:
            connection = Connection(ours, None, reactor)
            assert (connection.connected, connection.logPrefix()) == (0, "Uninitialized")
            connection.protocol = protocol = Notes()
            connection.connected = 1
            protocol.makeConnection(connection)
            connection.startReading()
            theirs.sendall(b"hello")
            await until(lambda: protocol.received == b"hello")
            connection.loseConnection()
            await until(lambda: protocol.lost)
            assert theirs.recv(10) == b""
