"""Groups on one machine, over its loopback interface: joined and left, and what is asked of a port that sends
to them."""

from __future__ import annotations

import itertools
import os
import socket
import sys
from functools import partial
from typing import Any

import pytest
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from tests.support import until, within
from tests.transport.connecting import FixedNames
from tests.transport.datagrams import (
    Notes,
    Words,
    families,
    in_both_words,
    linux_only,
    nothing_left_open,
    plain_udp,
    unused_address,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.error import CannotListenError, DNSLookupError, MulticastJoinError
from twisted_compat.transport import multicast

pytestmark = pytest.mark.without_debug

_groups = itertools.count(os.getpid() << 8)

if sys.platform == "linux":
    LOOPBACK = socket.if_nametoindex("lo")


@pytest.fixture
def group() -> str:
    """An IPv4 group that no other test uses, also none that runs beside this one."""
    return socket.inet_ntoa((239 << 24 | next(_groups) & 0xFFFFFF).to_bytes(4, "big"))


@pytest.fixture
def group6() -> str:
    """As group, for IPv6."""
    return socket.inet_ntop(socket.AF_INET6, b"\xff\x12" + next(_groups).to_bytes(14, "big"))


def groups_joined() -> list[str]:
    """The IPv4 groups that some socket of this machine has joined on its loopback interface."""
    joined, name = [], ""
    with open("/proc/net/igmp", encoding="ascii") as table:
        for line in table:
            if line[0].isdigit():
                name = line.split()[1].rstrip(":")
            elif name == "lo":
                joined.append(socket.inet_ntoa(bytes.fromhex(line.split()[0])[:: _byte_order()]))
    return joined


def _byte_order() -> int:
    return -1 if sys.byteorder == "little" else 1


def groups6_joined() -> list[str]:
    """As groups_joined, for IPv6."""
    with open("/proc/net/igmp6", encoding="ascii") as table:
        lines = [line.split() for line in table]
    return [
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(hexed)) for _, on, hexed, *_ in lines if on == "lo"
    ]


async def sender(reactor: Any) -> Any:
    """A port whose datagrams to groups stay on this machine."""
    port = reactor.listenMulticast(0, Notes(), interface="127.0.0.1")
    assert await within(port.setOutgoingInterface("127.0.0.1")) == 1
    return port


# Groups


@in_both_words
@families
async def test_it_is_a_udp_port_too(speaking: Any, host: str) -> None:
    port: Any
    words: Words = speaking()
    notes = words.notes(datagram=lambda p, data, addr: p.transport.write(data.upper(), addr))
    asking = words.notes(start=lambda p: p.transport.write(b"hello", where_of(port)))
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, notes, interface=host)
        for name in ("IMulticastTransport", "IUDPTransport", "IListeningPort", "ISystemHandle"):
            assert verifyObject(getattr(words.interfaces, name), port)
        assert port.getHost().host == host and port.getHost().type == "UDP"
        reactor.listenMulticast(0, asking, interface=host)
        await until(lambda: asking.received)
        assert asking.received == [(b"HELLO", where_of(port))]
        await within(as_future(port.stopListening()))
        assert notes.events == ["start", "stop"]


@linux_only
@in_both_words
async def test_joining_and_leaving_a_group(speaking: Any, group: str) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    results: list[Any] = []
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, notes)
        number = port.getHost().port
        sending = reactor.listenMulticast(0, words.notes(), interface="127.0.0.1")
        sending.setOutgoingInterface("127.0.0.1").addCallback(results.append)
        port.joinGroup(group, "127.0.0.1").addCallback(results.append)
        assert results == [1, None]
        assert group in groups_joined()
        sending.write(b"to the group", (group, number))
        await until(lambda: notes.received)
        assert notes.received == [(b"to the group", where_of(sending))]
        port.leaveGroup(group, "127.0.0.1").addCallback(results.append)
        assert results == [1, None, None]
        assert group not in groups_joined()
        sending.write(b"to nobody", (group, number))
        sending.write(b"to it alone", ("127.0.0.1", number))
        await until(lambda: len(notes.received) > 1)
        assert notes.data == [b"to the group", b"to it alone"]


@linux_only
@pytest.mark.parametrize(
    "interface", ["lo", "::1", "0:0::1", "fe80::1%lo", pytest.param("index", id="index"), ""]
)
async def test_joining_and_leaving_a_group_of_ipv6(interface: Any, group6: str) -> None:
    on: Any = LOOPBACK if interface == "index" else interface
    group = f"{group6}%lo" if interface == "" else group6
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes(), interface="::")
        assert await within(port.joinGroup(group, on)) is None
        assert group6 in groups6_joined()
        with pytest.raises(MulticastJoinError):
            await within(port.joinGroup(group, on))
        assert await within(port.leaveGroup(group, on)) is None
        assert group6 not in groups6_joined()


@linux_only
async def test_joined_twice_and_left_twice(group: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes())
        await within(port.joinGroup(group, "127.0.0.1"))
        with pytest.raises(MulticastJoinError) as caught:
            await within(port.joinGroup(group, "127.0.0.1"))
        assert group in caught.value.args and "127.0.0.1" in caught.value.args
        await within(port.leaveGroup(group, "127.0.0.1"))
        with pytest.raises(MulticastJoinError):
            await within(port.leaveGroup(group, "127.0.0.1"))


@linux_only
async def test_several_groups_and_those_of_others(group: str) -> None:
    groups = [group[:-1] + digit for digit in "123"]
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenMulticast(0, notes)
        sending = await sender(reactor)
        for each in groups:
            await within(port.joinGroup(each, "127.0.0.1"))
        await within(port.leaveGroup(groups[1], "127.0.0.1"))
        for each in [*groups, group[:-1] + "4"]:
            sending.write(each.encode(), (each, port.getHost().port))
        sending.write(b"end", where_of(port))
        await until(lambda: b"end" in notes.data)
        assert notes.data == [groups[0].encode(), groups[2].encode(), b"end"]


@linux_only
async def test_a_closed_port_has_left_its_groups(group: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes())
        await within(port.joinGroup(group, "127.0.0.1"))
        await within(as_future(port.stopListening()))
        assert group not in groups_joined()


@in_both_words
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_what_cannot_be_joined(speaking: Any, host: str, group: str, group6: str) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, words.notes(), interface=host)
        ipv6 = ":" in host
        for address, interface in [
            ("127.0.0.1", ""),
            ("::1", ""),
            (group if ipv6 else group6, ""),
            (group6 if ipv6 else group, "127.0.0.1" if ipv6 else "::1"),
            (group6 if ipv6 else group, "2001:db8::1" if ipv6 else "198.51.100.1"),
            (group6 if ipv6 else group, 1 << 40),
            (group6 if ipv6 else group, -1),
        ]:
            for change in (port.joinGroup, port.leaveGroup):
                failed: list[Any] = []
                change(address, interface).addErrback(failed.append)
                await until(partial(bool, failed))
                assert failed[0].check(words.error.MulticastJoinError), (address, interface, failed[0])
                assert str(failed[0].value)
        assert port.connected


@linux_only
async def test_an_interface_of_ipv6_that_is_not_there(group6: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes(), interface="::")
        for interface in ("nosuchif", "fe80::1%nosuchif", 99_999):
            with pytest.raises(MulticastJoinError):
                await within(port.joinGroup(group6, interface))
            with pytest.raises(MulticastJoinError):
                await within(port.setOutgoingInterface(interface))


async def test_where_addresses_of_interfaces_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any, **kw: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(multicast, "open", missing, raising=False)
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes(), interface="::")
        with pytest.raises(MulticastJoinError, match="if_nametoindex"):
            await within(port.setOutgoingInterface("::1"))


# Names


@linux_only
async def test_names_are_looked_up(group: str) -> None:
    async with AsyncioReactor() as reactor:
        names = FixedNames([group])
        reactor.installNameResolver(names)
        notes = Notes()
        port = reactor.listenMulticast(0, notes)
        await within(port.joinGroup("group.test", "127.0.0.1"))
        assert names.resolution is not None and names.resolution.name == "group.test"
        assert group in groups_joined()
        await within(port.leaveGroup("group.test", "127.0.0.1"))
        assert group not in groups_joined()
        reactor.installNameResolver(FixedNames(["127.0.0.1"]))
        await within(port.joinGroup(group, "interface.test"))
        assert group in groups_joined()
        assert await within(port.setOutgoingInterface("interface.test")) == 1
        assert port.getOutgoingInterface() == "127.0.0.1"


async def test_a_name_that_is_not_known(group: str) -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(FixedNames([]))
        port = reactor.listenMulticast(0, Notes())
        for attempt in (
            lambda: port.joinGroup("nowhere.invalid"),
            lambda: port.joinGroup(group, "nowhere.invalid"),
            lambda: port.leaveGroup("nowhere.invalid"),
            lambda: port.setOutgoingInterface("nowhere.invalid"),
        ):
            with pytest.raises((MulticastJoinError, DNSLookupError)):
                await within(attempt())  # type: ignore[no-untyped-call]  # of several, by turns


class Answers:
    """A resolver that answers when told to."""

    def __init__(self, deferred: Any) -> None:
        self.deferred = deferred
        self.asked: dict[str, Any] = {}

    def getHostByName(self, name: str, timeout: Any = None) -> Any:
        return self.asked.setdefault(name, self.deferred())


@in_both_words
async def test_closed_while_a_name_is_looked_up(speaking: Any, group: str) -> None:
    """It is too late then, and nothing else comes of it; the number is another socket's by now."""
    words: Words = speaking()
    async with words.reactor() as reactor:
        names = Answers(reactor.vocabulary.defer.Deferred)
        directlyProvides(names, words.interfaces.IResolverSimple)
        reactor.installResolver(names)
        port = reactor.listenMulticast(0, words.notes())
        told: list[Any] = []
        for attempt in (
            port.joinGroup("joined.test", "127.0.0.1"),
            port.leaveGroup("left.test", "127.0.0.1"),
            port.setOutgoingInterface("interface.test"),
        ):
            attempt.addBoth(told.append)
        assert list(names.asked) == ["joined.test", "left.test", "interface.test"] and told == []
        stopped = port.stopListening()
        await until(lambda: stopped.called)
        with plain_udp() as another:
            before = another.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF)
            for name, answer in names.asked.items():
                answer.callback("127.0.0.1" if name == "interface.test" else group)
            await until(lambda: len(told) == 3)
            assert all(failure.check(words.error.MulticastJoinError) for failure in told)
            assert another.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF) == before
        for late in (port.joinGroup(group), port.leaveGroup(group), port.setOutgoingInterface("127.0.0.1")):
            failed: list[Any] = []
            late.addErrback(failed.append)
            assert failed[0].check(words.error.MulticastJoinError)


# What is asked of a port


@linux_only
@in_both_words
async def test_the_outgoing_interface(speaking: Any) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, words.notes())
        assert port.getOutgoingInterface() == "0.0.0.0"
        results: list[Any] = []
        port.setOutgoingInterface("127.0.0.1").addCallback(results.append)
        assert results == [1] and port.getOutgoingInterface() == "127.0.0.1"
        for interface in ("198.51.100.1", "::1", LOOPBACK, None):
            failed: list[Any] = []
            port.setOutgoingInterface(interface).addErrback(failed.append)
            assert failed[0].check(words.error.MulticastJoinError)
        assert port.getOutgoingInterface() == "127.0.0.1"
        port.setOutgoingInterface("0.0.0.0").addCallback(results.append)
        assert results == [1, 1] and port.getOutgoingInterface() == "0.0.0.0"


@linux_only
async def test_the_outgoing_interface_of_ipv6() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes(), interface="::")
        assert port.getOutgoingInterface() == 0
        for interface in (LOOPBACK, "lo", "::1", "fe80::1%lo"):
            assert await within(port.setOutgoingInterface(interface)) == 1
            assert port.getOutgoingInterface() == LOOPBACK
            for none in (0, "::"):
                assert await within(port.setOutgoingInterface(none)) == 1
                assert port.getOutgoingInterface() == 0


@in_both_words
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_hops(speaking: Any, host: str) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, words.notes(), interface=host)
        assert port.getTTL() == 1
        for hops in (0, 1, 64, 255):
            port.setTTL(hops)
            assert port.getTTL() == hops
        for wrong in (-1, 256, 1 << 40):
            with pytest.raises(ValueError, match=str(wrong)):
                port.setTTL(wrong)
        for text in ("1", None, 1.5):
            with pytest.raises(TypeError):
                port.setTTL(text)
        assert port.getTTL() == 255
        level, option = (
            (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)
            if ":" in host
            else (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL)
        )
        assert port.getHandle().getsockopt(level, option) == 255


@in_both_words
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_whether_this_machine_hears_its_own(speaking: Any, host: str) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        port = reactor.listenMulticast(0, words.notes(), interface=host)
        level, option = (
            (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP)
            if ":" in host
            else (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP)
        )
        assert port.getLoopbackMode() is True
        for mode in (False, True, 0, 1, 2, ""):
            port.setLoopbackMode(mode)
            assert port.getLoopbackMode() is bool(mode)
            assert port.getHandle().getsockopt(level, option) == bool(mode)


async def test_nothing_can_be_asked_of_a_closed_port() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes())
        await within(as_future(port.stopListening()))
        for ask in (
            port.getTTL,
            port.getLoopbackMode,
            port.getOutgoingInterface,
            lambda: port.setTTL(1),
            lambda: port.setLoopbackMode(True),
        ):
            with pytest.raises(RuntimeError, match="startListening"):
                ask()


# Several on one port


@linux_only
@in_both_words
async def test_several_listen_where_they_all_say_so(speaking: Any, group: str) -> None:
    words: Words = speaking()
    number = unused_address("0.0.0.0")[1]
    several: list[Any] = [words.notes(), words.notes()]
    async with words.reactor() as reactor:
        for notes in several:
            port = reactor.listenMulticast(number, notes, listenMultiple=True)
            port.joinGroup(group, "127.0.0.1")
        sending = reactor.listenMulticast(0, words.notes(), interface="127.0.0.1")
        sending.setOutgoingInterface("127.0.0.1")
        sending.write(b"to all", (group, number))
        for notes in several:
            await until(partial(bool, notes.received))
            assert notes.data == [b"to all"]


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("host", ["", "::"])
async def test_several_do_not_listen_where_one_does_not_say_so(first: bool, second: bool, host: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenMulticast(0, Notes(), host, listenMultiple=first)
        with nothing_left_open(), pytest.raises(CannotListenError):
            reactor.listenMulticast(port.getHost().port, Notes(), host, listenMultiple=second)


async def test_arguments_as_of_listening_for_udp() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenMulticast(0, notes, interface="127.0.0.1", maxPacketSize=3)
        with plain_udp() as peer:
            peer.sendto(b"hello", where_of(port))
            await until(lambda: notes.data == [b"hel"])
        port = reactor.listenMulticast(
            port=0, protocol=Notes(), interface="::1", maxPacketSize=9, listenMultiple=True
        )
        assert port.getHost().host == "::1"
