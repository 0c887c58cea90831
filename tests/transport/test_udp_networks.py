"""UDP beyond the loopback: broadcasts, link-local addresses, long datagrams, places that nothing leads to.

Two cables join the network that the test is in to another one.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.networks import BROADCAST, FAR, HOME, Network, joined_networks
from tests.support import until
from tests.transport.peers import turns
from tests.transport.plain_datagrams import Notes, PlainPort, plain_port
from tests.transport.programs import SOCAT_IS_READY, need, running
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

CABLES = ("one", "two")
ALL = "255.255.255.255"
NOWHERE = {"IPv4": "203.0.113.5", "IPv6": "2001:db8:ffff::5"}
"""Addresses for documentation, to which no route leads at first."""


@pytest.fixture
def networks() -> Iterator[tuple[Network, Network]]:
    """The network that the test is in, and the one beyond the cables."""
    with joined_networks() as (home, far), home.inside():
        yield home, far


@pytest.fixture
def far(networks: tuple[Network, Network]) -> Network:
    """The network beyond the cables."""
    return networks[1]


@pytest.fixture
def home(networks: tuple[Network, Network]) -> Network:
    """The network that the test is in."""
    return networks[0]


# Broadcasts


@pytest.mark.parametrize("host", [*BROADCAST.values(), ALL, "<broadcast>"])
async def test_a_broadcast_has_to_be_allowed(far: Network, host: str) -> None:
    cable = "two" if host == BROADCAST["two"] else "one"
    with plain_port(far) as plain:
        async with AsyncioReactor() as reactor:
            # Without a default route it is the address of the port that says where to.
            port = reactor.listenUDP(0, Notes(), interface=HOME.ipv4[cable])
            assert not port.getBroadcastAllowed()
            with pytest.raises(PermissionError, match="setBroadcastAllowed"):
                port.write(b"refused", (host, plain.number))
            port.setBroadcastAllowed(True)
            assert port.getBroadcastAllowed()
            port.write(b"allowed", (host, plain.number))
            assert await plain.next() == (b"allowed", (HOME.ipv4[cable], port.getHost().port))
            port.setBroadcastAllowed(False)
            with pytest.raises(PermissionError, match="setBroadcastAllowed"):
                port.write(b"refused", (host, plain.number))
            port.write(b"to you", (FAR.ipv4[cable], plain.number))
            assert (await plain.next())[0] == b"to you"


@pytest.mark.parametrize("cable", CABLES)
async def test_a_broadcast_is_answered(far: Network, cable: str) -> None:
    need("socat")
    protocol = Notes()
    protocol.answers = True
    async with AsyncioReactor() as reactor:
        reactor.listenUDP(5077, protocol)  # nobody else is here
        place = f"UDP4-DATAGRAM:{BROADCAST[cable]}:5077,broadcast,bind=:5078"
        command = far.command("socat", "-d", "-d", "STDIO", place)
        async with running(*command, ready=SOCAT_IS_READY) as program:
            for line in (b"who is\n", b"there?\n"):
                await program.takes(line)
                assert await program.line() == line.upper()
    assert set(protocol.senders) == {(FAR.ipv4[cable], 5078)}


# Link-local addresses


async def test_the_scope_in_a_senders_address_leads_back_to_him(far: Network) -> None:
    """Over both cables the two have the same addresses, and the senders the same number."""
    protocol = Notes()
    protocol.answers = True
    async with AsyncioReactor() as reactor:
        number = reactor.listenUDP(0, protocol, interface="::").getHost().port
        with twins(far) as plain:
            for count in range(3):
                for cable in CABLES:
                    text = f"{cable} {count}".encode()
                    plain[cable].send(text, HOME.local, number, FAR.index[cable])
            await protocol.has(6)
            for cable in CABLES:
                answers = [(await plain[cable].next())[0].decode() for _ in range(3)]
                assert answers == [f"{cable.upper()} {count}" for count in range(3)]
            # Later, when others have been heard since:
            addresses = {addr[0].partition("%")[2]: addr for addr in protocol.senders}
            for cable in CABLES:
                assert addresses[cable] == (f"{FAR.local}%{cable}", plain[cable].number)
                protocol.transport.write(b"later", addresses[cable])
                assert (await plain[cable].next())[0] == b"later"


@contextmanager
def twins(far: Network) -> Iterator[dict[str, PlainPort]]:
    """For each cable a plain socket on its link-local address, both with the same number."""
    with plain_port(far, (FAR.local, 0, 0, FAR.index["one"])) as one:
        address = FAR.local, one.number, 0, FAR.index["two"]
        with plain_port(far, address) as two:
            yield {"one": one, "two": two}


@pytest.mark.parametrize("cable", CABLES)
@pytest.mark.parametrize("scope", ["name", "index"])
async def test_a_port_on_a_link_local_address_is_on_that_cable(far: Network, cable: str, scope: str) -> None:
    protocol = Notes()
    told = {"name": cable, "index": str(HOME.index[cable])}[scope]
    with plain_port(far, ("::", 0)) as plain:
        async with AsyncioReactor() as reactor:
            port = reactor.listenUDP(0, protocol, interface=f"{HOME.local}%{told}")
            number = port.getHost().port
            other = "two" if cable == "one" else "one"
            for name in (other, cable):
                plain.send(name.encode(), HOME.local, number, FAR.index[name])
            await protocol.has(1)
            port.write(b"here", (f"{FAR.local}%{told}", plain.number))
            assert await plain.next() == (b"here", (HOME.local, number, 0, FAR.index[cable]))
    assert protocol.received == [cable.encode()]
    assert protocol.senders == [(f"{FAR.local}%{cable}", plain.number)]


@pytest.mark.parametrize("cable", CABLES)
async def test_a_port_that_is_connected_to_a_link_local_address_hears_that_one_only(
    far: Network, cable: str
) -> None:
    protocol = Notes()
    other = "two" if cable == "one" else "one"
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, protocol, interface="::")
        number = port.getHost().port
        with twins(far) as plain:
            plain[other].send(b"before", HOME.local, number, FAR.index[other])
            port.connect(f"{FAR.local}%{cable}", plain[cable].number)
            plain[other].send(b"after", HOME.local, number, FAR.index[other])
            plain[cable].send(b"hello", HOME.local, number, FAR.index[cable])
            await protocol.has(1)
            port.write(b"yes?", protocol.senders[0])
            port.write(b"yes!")
            assert [(await plain[cable].next())[0] for _ in range(2)] == [b"yes?", b"yes!"]
            with pytest.raises(ValueError):
                port.write(b"no", (f"{FAR.local}%{other}", plain[cable].number))
    assert protocol.received == [b"hello"]


# Long datagrams


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("size", [1473, 9000, 65507])
async def test_a_datagram_that_goes_in_pieces_is_whole_again_at_its_end(
    far: Network, family: str, size: int
) -> None:
    home_host, far_host, every = {
        "IPv4": (HOME.ipv4["one"], FAR.ipv4["one"], ""),
        "IPv6": (HOME.ipv6["one"], FAR.ipv6["one"], "::"),
    }[family]
    data = bytes(number % 251 for number in range(size))
    protocol = Notes()
    with plain_port(far, (every, 0)) as plain:
        async with AsyncioReactor() as reactor:
            port = reactor.listenUDP(0, protocol, interface=every, maxPacketSize=65507)
            port.write(data, (far_host, plain.number))
            assert (await plain.next())[0] == data
            plain.send(data, home_host, port.getHost().port)
            await protocol.has(1)
    assert protocol.received == [data]


# Where nothing leads to


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("route", "number"),
    [(None, errno.ENETUNREACH), ("unreachable", errno.EHOSTUNREACH), ("prohibit", errno.EACCES)],
    ids=["no route", "unreachable", "prohibited"],
)
async def test_where_no_route_leads_write_says_so_and_the_port_goes_on(
    home: Network, far: Network, family: str, route: str | None, number: int
) -> None:
    every = {"IPv4": "", "IPv6": "::"}[family]
    if route is not None:
        home.ip(f"route add {route} {NOWHERE[family]}\n")
    protocol = Notes()
    with plain_port(far, (every, 0)) as plain:
        async with AsyncioReactor() as reactor:
            port = reactor.listenUDP(0, protocol, interface=every)
            with pytest.raises(OSError) as caught:
                port.write(b"lost", (NOWHERE[family], plain.number))
            assert caught.value.errno == number
            plain.send(b"hello", getattr(HOME, family.lower())["one"], port.getHost().port)
            await protocol.has(1)
            port.write(b"you too", protocol.senders[0])
            assert (await plain.next())[0] == b"you too"


ROUTING = {
    "IPv4": "/proc/sys/net/ipv4/ip_forward",
    "IPv6": "/proc/sys/net/ipv6/conf/all/forwarding",
}


def to_where_far_does_not_let_us(home: Network, far: Network, family: str) -> str:
    """An address beyond the other network, which answers with ICMP that it may not be had."""
    host = NOWHERE[family]
    with far.inside(), open(ROUTING[family], "w") as switch:
        switch.write("1")
    far.ip(f"route add prohibit {host}\n")
    home.ip(f"route add {host} via {getattr(FAR, family.lower())['one']}\n")
    return host


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("connected", [False, True], ids=["with an address", "connected"])
async def test_what_a_router_refuses_is_lost_and_the_port_goes_on(
    home: Network, far: Network, family: str, connected: bool
) -> None:
    host = to_where_far_does_not_let_us(home, far, family)
    protocol = Notes()
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, protocol, interface={"IPv4": "", "IPv6": "::"}[family])
        if connected:
            port.connect(host, 7)
        for _ in range(3):
            port.write(b"lost", (host, 7))
        await turns(20)
        # It is let through now, to the other network itself:
        at_once = "nodad" if family == "IPv6" else ""
        far.ip(f"route delete prohibit {host}\naddress add {host} dev lo {at_once}\n")
        with plain_port(far, (host, 7)) as plain:

            def heard() -> bool:  # it takes a moment until the address has its route there
                port.write(b"hello", (host, 7))
                return plain.has_some()

            await until(heard)
            data, sender = await plain.next()
            assert data == b"hello"
            plain.send(b"you too", sender[0], sender[1])
            await protocol.has(1)
    assert protocol.senders == [(host, 7)]
    assert protocol.refused == 0


async def test_what_is_too_long_for_a_link_further_on_is_lost_and_the_next_goes_in_pieces(
    home: Network, far: Network
) -> None:
    """Path MTU discovery (RFC 1191): a router says how much it passes on, and drops the rest."""
    with far.inside(), open(ROUTING["IPv4"], "w") as switch:
        switch.write("1")
    host = NOWHERE["IPv4"]
    far.ip(f"link set two mtu 1000\nroute add {host} via {HOME.ipv4['two']}\n")
    home.ip(f"route add {host} via {FAR.ipv4['one']}\n")
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes())
        port.connect(host, 7)
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as wire:
            wire.bind(("two", 0x0800))
            wire.setblocking(False)
            port.write(b"a" * 1400)
            port.write(b"b" * 10)
            port.write(b"c" * 1400)
            assert [len(await passing(wire)) for _ in range(3)] == [20 + 8 + 10, 996, 20 + 8 + 1400 - 976]
    assert port.datagrams_dropped == 0


async def passing(wire: socket.socket) -> bytes:
    """The next packet on the wire."""

    def attempt() -> bytes | None:
        try:
            return wire.recv(65535)
        except BlockingIOError:
            return None

    packet: bytes = await until(attempt)
    return packet


async def test_a_refusal_from_beyond_the_cable_is_told(far: Network) -> None:
    protocol = Notes()
    with plain_port(far) as plain:
        async with AsyncioReactor() as reactor:
            port = reactor.listenUDP(0, protocol)
            port.connect(FAR.ipv4["one"], plain.number)
            plain.socket.close()
            port.write(b"lost")
            await until(lambda: protocol.refused)
    assert protocol.received == []


async def test_a_cable_that_is_pulled_and_put_back(far: Network, home: Network) -> None:
    protocol = Notes()
    with plain_port(far) as plain:
        async with AsyncioReactor() as reactor:
            port = reactor.listenUDP(0, protocol)
            home.ip("link set one down\n")
            with pytest.raises(OSError) as caught:
                port.write(b"lost", (FAR.ipv4["one"], plain.number))
            assert caught.value.errno == errno.ENETUNREACH
            home.ip("link set one up\n")
            await until(lambda: "one" in home.ready())
            port.write(b"hello", (FAR.ipv4["one"], plain.number))
            assert (await plain.next())[0] == b"hello"
            number = port.getHost().port

            def heard() -> bool:  # at its other end the cable may need another moment
                plain.send(b"you too", HOME.ipv4["one"], number)
                return bool(protocol.received)

            await until(heard)
