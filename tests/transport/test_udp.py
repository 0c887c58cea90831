"""UDP ports: where they are bound, to whom they write, and what they refuse."""

from __future__ import annotations

import errno
import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until, within
from tests.transport.datagrams import (
    Failing,
    Notes,
    Words,
    families,
    in_both_words,
    nothing_left_open,
    plain_udp,
    received,
    where_of,
)
from tests.transport.recorders import descriptor_limit, fill_descriptors
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import CannotListenError
from twisted_compat.transport.udp import Port

pytestmark = pytest.mark.without_debug


def link_local_host() -> str:
    """A link-local address of this machine, with its scope."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            for line in table:
                packed, index, _, _, _, name = line.split()
                if packed.startswith("fe80"):
                    assert socket.if_nametoindex(name) == int(index, 16)
                    host = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(packed))
                    return f"{host}%{name}"
    except FileNotFoundError:
        pass
    pytest.skip("no network interface has a link-local address")


# Being bound


@in_both_words
async def test_what_the_reactor_offers(speaking: Any) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        for name in ("IReactorUDP", "IReactorMulticast", "IReactorUNIXDatagram", "IReactorSocket"):
            assert verifyObject(getattr(words.interfaces, name), reactor)
        notes = words.notes()
        reactor.listenUDP(port=0, protocol=notes, interface="127.0.0.1", maxPacketSize=1)
        assert notes.events == ["start"]


@in_both_words
@families
async def test_it_hears_and_answers(speaking: Any, host: str) -> None:
    words: Words = speaking()
    answering = words.notes(datagram=lambda p, data, addr: p.transport.write(data.upper(), addr))
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, answering, interface=host)
        assert answering.events == ["start"] and answering.transport is port
        for name in (
            "IUDPTransport",
            "IListeningPort",
            "IReadDescriptor",
            "ILoggingContext",
            "ISystemHandle",
        ):
            assert verifyObject(getattr(words.interfaces, name), port)
        assert not words.interfaces.IMulticastTransport.providedBy(port)
        skt = port.getHandle()
        assert not skt.getblocking() and not skt.get_inheritable()
        kind = words.address.IPv6Address if ":" in host else words.address.IPv4Address
        assert port.getHost() == kind("UDP", host, skt.getsockname()[1])
        with plain_udp(host) as peer:
            peer.sendto(b"hello", where_of(port))
            assert await received(peer) == (b"HELLO", skt.getsockname())
            assert answering.received == [(b"hello", peer.getsockname()[:2])]
        assert port.datagrams_dropped == 0


@pytest.mark.parametrize(
    ("interface", "host"), [("", "0.0.0.0"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::")]
)
async def test_interfaces(interface: str, host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface)
        assert port.getHost().host == host
        assert isinstance(port.getHost(), IPv6Address) == (":" in host)
        with plain_udp("::1" if ":" in host else "127.0.0.1") as peer:
            peer.sendto(b"hello", where_of(port))
            await until(lambda: notes.data == [b"hello"])


async def test_all_interfaces_of_ipv6_take_ipv4_where_the_system_says_so() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
        port = reactor.listenUDP(0, notes, "::")
        if port.getHandle().getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            pytest.skip("this system keeps the families apart")
        with plain_udp() as peer:
            peer.sendto(b"hello", ("127.0.0.1", port.getHost().port))
            assert (await received(peer))[0] == b"hello"
            mapped = "::ffff:127.0.0.1", peer.getsockname()[1]
            assert notes.received == [(b"hello", mapped)]
            port.connect(*mapped)
            peer.sendto(b"connected", ("127.0.0.1", port.getHost().port))
            assert (await received(peer))[0] == b"connected"


async def test_a_link_local_sender_can_be_answered() -> None:
    host = link_local_host()
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
        port = reactor.listenUDP(0, notes, interface=host)
        address = port.getHost()
        assert address.host == host
        peer_notes = Notes()
        peer = reactor.listenUDP(0, peer_notes, interface=host)
        peer.connect(address.host, address.port)
        peer.write(b"hello")
        peer.write(b"again", (address.host, address.port))
        await until(lambda: len(peer_notes.received) == 2)
        assert notes.received == [(data, (host, peer.getHost().port)) for data in (b"hello", b"again")]
        assert peer_notes.received == [(data, (host, address.port)) for data in (b"hello", b"again")]


@in_both_words
@pytest.mark.parametrize(
    "interface", ["localhost", "nowhere.invalid", "127.1", "127.0.0.1 ", "eth0", "[::1]"]
)
async def test_an_interface_is_given_by_its_address(speaking: Any, interface: str) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        notes = words.notes()
        with nothing_left_open(), pytest.raises(words.error.InvalidAddressError) as caught:
            reactor.listenUDP(0, notes, interface=interface)
        assert caught.value.address == interface
        assert notes.events == [] and notes.transport is None


@pytest.mark.parametrize("interface", ["198.51.100.1", "2001:db8::1", "fe80::1%nosuchif"])
async def test_an_address_that_is_not_ours(interface: str) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open(), pytest.raises(CannotListenError) as caught:
            reactor.listenUDP(0, Notes(), interface=interface)
        assert caught.value.interface == interface


@in_both_words
@families
async def test_a_port_in_use(speaking: Any, host: str) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        number = reactor.listenUDP(0, words.notes(), interface=host).getHost().port
        notes = words.notes()
        with nothing_left_open(), pytest.raises(words.error.CannotListenError) as caught:
            reactor.listenUDP(number, notes, interface=host)
        assert (caught.value.interface, caught.value.port) == (host, number)
        assert caught.value.socketError.errno == errno.EADDRINUSE
        assert notes.events == [] and notes.transport is None


@pytest.mark.parametrize("number", [-1, 65536, 1 << 70, "53", None, 5.3])
async def test_an_impossible_port(number: Any) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open(), pytest.raises((OverflowError, TypeError)):
            reactor.listenUDP(number, Notes(), interface="127.0.0.1")
        assert not reactor.getReaders()


async def test_no_descriptor_left() -> None:
    async with AsyncioReactor() as reactor:
        with plain_udp() as lowest, nothing_left_open():
            with descriptor_limit(lowest.fileno() + 1):
                used = fill_descriptors()
                try:
                    with pytest.raises(CannotListenError) as caught:
                        reactor.listenUDP(0, Notes(), interface="127.0.0.1")
                finally:
                    for number in used:
                        os.close(number)
            assert caught.value.socketError.errno == errno.EMFILE


# Writing


@in_both_words
async def test_what_cannot_be_written_to(speaking: Any) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        ipv4 = reactor.listenUDP(0, words.notes(), interface="127.0.0.1")
        ipv6 = reactor.listenUDP(0, words.notes(), interface="::1")
        for port in (ipv4, ipv6):
            for host in ("localhost", "127.1", "", "nowhere.invalid", "127.0.0.1\0"):
                with pytest.raises(words.error.InvalidAddressError) as caught:
                    port.write(b"x", (host, 9))
                assert caught.value.address == host
            with pytest.raises(ValueError, match="connect"):
                port.write(b"x")
            with pytest.raises(ValueError, match="connect"):
                port.writeSequence([b"x"], None)
        with pytest.raises(words.error.InvalidAddressError):
            ipv4.write(b"x", ("::1", 9))
        for host in ("127.0.0.1", "<broadcast>"):
            with pytest.raises(words.error.InvalidAddressError):
                ipv6.write(b"x", (host, 9))


@pytest.mark.parametrize("addr", [7, (), ("127.0.0.1",), (None, 9), (7, 9), (b"\xff", 9)])
async def test_where_to_write_is_a_pair(addr: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        with pytest.raises(TypeError, match=r"\(\"127\.0\.0\.1\", 8000\)"):
            port.write(b"x", addr)
        port.connect("127.0.0.1", 9)
        with pytest.raises((TypeError, ValueError)):
            port.write(b"x", addr)


@families
async def test_an_address_as_programs_for_twisted_write_it(host: str) -> None:
    """As bytes, and with all that the socket module says of an IPv6 address."""
    async with AsyncioReactor() as reactor:
        port: Any = reactor.listenUDP(0, Notes(), interface=host)
        with plain_udp(host) as peer:
            port.write(b"bytes", (host.encode(), peer.getsockname()[1]))
            port.write(b"all of it", peer.getsockname())
            assert [(await received(peer))[0] for _ in range(2)] == [b"bytes", b"all of it"]


@families
@pytest.mark.parametrize("number", [-1, 65536, "9", None])
async def test_an_impossible_port_to_write_to(host: str, number: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface=host)
        with pytest.raises((OverflowError, TypeError)):
            port.write(b"x", (host, number))
        assert port.connected


@families
@pytest.mark.parametrize("what", ["text", None, 7, ["x"]])
async def test_only_bytes_are_written(host: str, what: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface=host)
        with plain_udp(host) as peer:
            where = peer.getsockname()[:2]
            with pytest.raises(TypeError):
                port.write(what, where)
            with pytest.raises(TypeError):
                port.writeSequence([b"x", what], where)
            port.connect(*where)
            with pytest.raises(TypeError):
                port.write(what)
            port.write(b"end")
            assert (await received(peer))[0] == b"end"  # and nothing before


@families
async def test_each_write_is_one_datagram(host: str) -> None:
    async with AsyncioReactor() as reactor:
        port: Any = reactor.listenUDP(0, Notes(), interface=host)
        with plain_udp(host) as peer:
            where = peer.getsockname()[:2]
            port.write(b"bytes", where)
            port.write(bytearray(b"bytearray"), where)
            port.write(memoryview(b"memoryview"), where)
            port.write(b"", where)
            port.write(b"a list", list(where))
            port.writeSequence([b"in ", b"", b"pieces"], where)
            port.writeSequence((b"%d" % n for n in range(3)), where)
            port.connect(*where)
            port.write(b"connected")
            port.write(b"")
            port.writeSequence([b"also ", b"in pieces"])
            got = [(await received(peer))[0] for _ in range(10)]
        assert got == [
            b"bytes", b"bytearray", b"memoryview", b"", b"a list", b"in pieces", b"012",
            b"connected", b"", b"also in pieces",
        ]  # fmt: skip


async def test_it_is_sent_at_once() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        with plain_udp() as peer:
            peer.setblocking(True)
            peer.settimeout(10)
            port.write(b"now", peer.getsockname())
            assert peer.recv(10) == b"now"  # the loop has not turned


@in_both_words
@pytest.mark.parametrize(("host", "most"), [("127.0.0.1", 65507), ("::1", 65527)])
async def test_the_longest_datagram_and_one_byte_more(speaking: Any, host: str, most: int) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        notes = words.notes()
        port = reactor.listenUDP(0, notes, interface=host, maxPacketSize=1 << 16)
        sender = reactor.listenUDP(0, words.notes(), interface=host)
        sender.write(b"m" * most, where_of(port))
        with pytest.raises(words.error.MessageLengthError, match=str(most + 1)):
            sender.write(b"m" * (most + 1), where_of(port))
        sender.connect(*where_of(port))
        sender.write(b"n" * most)
        with pytest.raises(words.error.MessageLengthError):
            sender.writeSequence([b"n" * most, b"n"])
        sender.write(b"end")
        await until(lambda: len(notes.received) == 3)
        assert notes.data == [b"m" * most, b"n" * most, b"end"]


@families
async def test_what_is_longer_than_the_most_is_cut(host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface=host, maxPacketSize=10)
        usual = Notes()
        usual_port = reactor.listenUDP(0, usual, interface=host)
        with plain_udp(host) as peer:
            for length in (9, 10, 11, 1000, 0):
                peer.sendto(b"x" * length, where_of(port))
            peer.sendto(b"x" * 8193, where_of(usual_port))
            await until(lambda: len(notes.received) == 5 and usual.received)
        assert [len(data) for data in notes.data] == [9, 10, 10, 10, 0]
        assert len(usual.data[0]) == 8192


async def test_what_is_no_number_of_bytes(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with plain_udp() as skt, nothing_left_open():
            sizes: list[Any] = [-1, "8192", None, 1.5]
            for size in sizes:
                for listen in (
                    partial(reactor.listenUDP, 0, Notes(), "127.0.0.1"),
                    partial(reactor.listenMulticast, 0, Notes(), "127.0.0.1"),
                    partial(reactor.adoptDatagramPort, skt.fileno(), socket.AF_INET, Notes()),
                    partial(reactor.listenUNIXDatagram, tmp_path / "socket", Notes()),
                    partial(reactor.connectUNIXDatagram, tmp_path / "socket", Notes()),
                ):
                    with pytest.raises(ValueError, match="maxPacketSize"):
                        listen(size)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "heard"), [(0, b""), (1 << 40, b"hello")])
async def test_numbers_of_bytes_at_the_edge(size: int, heard: bytes) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1", maxPacketSize=size)
        port.write(b"hello", where_of(port))
        await until(lambda: notes.data == [heard])


@in_both_words
async def test_broadcasting(speaking: Any) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        notes = words.notes()
        number = reactor.listenUDP(0, notes).getHost().port
        port = reactor.listenUDP(0, words.notes(), interface="127.0.0.1")  # so it leaves by lo
        assert port.getBroadcastAllowed() is False
        for host in ("<broadcast>", "255.255.255.255", "127.255.255.255"):
            with pytest.raises(PermissionError, match="setBroadcastAllowed") as caught:
                port.write(b"x", (host, number))
            assert caught.value.errno == errno.EACCES
        port.setBroadcastAllowed(True)
        assert port.getBroadcastAllowed() is True
        for host in ("<broadcast>", "255.255.255.255", "127.255.255.255"):
            port.write(host.encode(), (host, number))
        await until(lambda: len(notes.received) == 3)
        assert notes.data == [b"<broadcast>", b"255.255.255.255", b"127.255.255.255"]
        port.setBroadcastAllowed(False)
        assert port.getBroadcastAllowed() is False
        await within(as_future(port.stopListening()))
        for use in (port.getBroadcastAllowed, lambda: port.setBroadcastAllowed(True)):
            with pytest.raises(RuntimeError, match="startListening"):
                use()


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM])
@pytest.mark.parametrize("connected", [False, True])
async def test_what_the_kernel_has_no_room_for_is_dropped_and_counted(code: int, connected: bool) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        with plain_udp() as peer:
            where = None if connected else peer.getsockname()
            if connected:
                port.connect(*peer.getsockname())
            Failing(port, sending=(code, code))
            for data in (b"1", b"2", b"3"):
                port.write(data, where)
            assert port.datagrams_dropped == 2
            assert (await received(peer))[0] == b"3"


async def test_what_else_goes_wrong_is_the_writers_to_know() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        with plain_udp() as peer:
            with pytest.raises(OSError) as caught:
                port.write(b"x", ("198.51.100.1", 9))  # which 127.0.0.1 has no way to
            assert caught.value.errno == errno.EINVAL
            Failing(port, sending=(errno.EPERM, errno.ENETUNREACH))
            with pytest.raises(PermissionError) as refused:
                port.write(b"x", peer.getsockname())
            assert "setBroadcastAllowed" not in str(refused.value)  # a firewall
            with pytest.raises(OSError) as caught:
                port.write(b"x", peer.getsockname())
            assert caught.value.errno == errno.ENETUNREACH
            port.write(b"lives", peer.getsockname())
            assert (await received(peer))[0] == b"lives"
        assert port.datagrams_dropped == 0


@families
async def test_after_the_close_writes_are_dropped(host: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface=host)
        with plain_udp(host) as peer:
            where = peer.getsockname()[:2]
            await within(as_future(port.stopListening()))
            port.write(b"x", where)
            port.write(b"x")
            port.writeSequence([b"x"], where)
            peer.sendto(b"end", peer.getsockname())
            assert (await received(peer))[0] == b"end"
        assert port.datagrams_dropped == 0


# Saying what it is


async def test_what_it_is_called(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        number = port.getHost().port
        assert port.getHost() == IPv4Address("UDP", "127.0.0.1", number)
        assert port.logPrefix() == "Notes (UDP)"
        assert "Notes" in repr(port) and f"on {number}" in repr(port) and str(port) == repr(port)
        assert caplog.messages.count(f"Notes starting on {number}") == 1
        await within(as_future(port.stopListening()))
        assert caplog.messages.count(f"(UDP Port {number} Closed)") == 1
        assert "not listening" in repr(port) and str(number) not in repr(port)
        assert port.logPrefix() == "Notes (UDP)"


async def test_a_protocol_says_what_it_is_called(caplog: pytest.LogCaptureFixture) -> None:
    class Named(Notes):
        def logPrefix(self) -> str:
            return "my own words"

    caplog.set_level("INFO")
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Named(), interface="127.0.0.1")
        assert port.logPrefix() == "my own words (UDP)"
        assert f"my own words starting on {port.getHost().port}" in caplog.messages


async def test_get_host_before_and_after() -> None:
    async with AsyncioReactor() as reactor:
        port = Port(0, Notes(), "127.0.0.1", reactor=reactor)
        with pytest.raises(RuntimeError, match="startListening"):
            port.getHost()
        assert port.fileno() == -1 and port.getHandle() is None and "not listening" in repr(port)
        assert port._realPortNumber is None
        port.startListening()
        address = port.getHost()
        assert port.fileno() == port.getHandle().fileno()
        await within(as_future(port.stopListening()))
        assert port.getHost() == address
        assert port.fileno() == -1 and port.getHandle() is None
