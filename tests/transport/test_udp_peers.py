"""UDP with programs that know nothing of this package: dig(1), which asks a server of ours, and socat(1)."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED, skip_without, until, within
from tests.transport.plain_datagrams import Notes, free_number
from tests.transport.programs import Ended, ran, socat
from twisted_compat import AsyncioReactor
from twisted_compat.error import CannotListenError
from twisted_compat.protocol import DatagramProtocol, Protocol, ServerFactory

pytestmark = pytest.mark.without_debug

HOSTS = {"IPv4": "127.0.0.1", "IPv6": "::1"}

ZONE = """\
$ORIGIN example.
$TTL 60
example. IN SOA ns.example. root.example. 1 3600 600 86400 60
www.example. IN A 192.0.2.80
www.example. IN AAAA 2001:db8::80
"""

needs_twisted = pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")


# A name server, and what asks it


def answer(query: bytes, room: int | None = None) -> bytes:
    """The answer to a query for what is in the zone.

    ``a-b.example`` has the addresses 10.0.a.b and fd00::a:b, ``big.example`` has long texts.

    :param room: bytes; None for as many as who asks said he takes in a datagram.
    """
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.rdatatype
    import dns.rrset

    asked = dns.message.from_wire(query)
    (question,) = asked.question
    reply = dns.message.make_response(asked, our_payload=4096)
    reply.flags |= dns.flags.AA
    label = question.name.labels[0].decode()
    if label == "big":
        found = [f'"{number:03}{"x" * 97}"' for number in range(30)]
    elif question.rdtype == dns.rdatatype.AAAA:
        found = [f"fd00::{label.replace('-', ':')}"]
    else:
        found = [f"10.0.{label.replace('-', '.')}"]
    reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *found))
    try:
        return reply.to_wire(max_size=room or (asked.payload if asked.edns >= 0 else 512))
    except dns.exception.TooBig:
        reply.answer.clear()
        reply.flags |= dns.flags.TC
        return reply.to_wire()


class NameServer(DatagramProtocol):
    """Answers at once.

    :ivar sizes: how long each answer was, in bytes.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        reply = answer(datagram)
        self.sizes.append(len(reply))
        self.transport.write(reply, addr)


class NameServerByTCP(Protocol):
    """For answers that are too long for a datagram (RFC 1035, 4.2.2)."""

    received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if len(self.received) < 2:
            return
        (length,) = struct.unpack_from("!H", self.received)
        if len(self.received) == 2 + length:
            reply = answer(self.received[2:], 65535)
            self.transport.write(struct.pack("!H", len(reply)) + reply)


def by_datagrams_and_streams(reactor: Any, server: NameServer) -> int:
    """The number of a port for UDP and for TCP."""
    while True:
        stream = reactor.listenTCP(0, ServerFactory.forProtocol(NameServerByTCP), interface="127.0.0.1")
        number: int = stream.getHost().port
        try:
            reactor.listenUDP(number, server, interface="127.0.0.1")
        except CannotListenError:  # somebody has it for UDP
            stream.stopListening()
        else:
            return number


async def dig(host: str, port: int, *asked: str) -> Ended:
    """What dig prints; it asks once, and waits for long."""
    if importlib.util.find_spec("dns") is None:
        skip_without("dnspython", "pip install dnspython")
    return await ran("dig", f"@{host}", "-p", str(port), "+tries=1", "+timeout=10", *asked)


async def looked_up(host: str, port: int, *asked: str) -> list[str]:
    """The answers only, line by line."""
    ended = await dig(host, port, "+short", *asked)
    assert ended.code == 0, ended
    return ended.printed.decode().splitlines()


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
async def test_dig_is_answered(host: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, NameServer(), interface=host)
        number = port.getHost().port
        assert await looked_up(host, number, "1-2.example", "A") == ["10.0.1.2"]
        assert await looked_up(host, number, "1-2.example", "AAAA") == ["fd00::1:2"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
async def test_many_that_ask_at_once_are_each_answered_their_own() -> None:
    """Each from an address of its own: two digs may be given the same port, and then mix up their answers."""
    server = NameServer()
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, server)
        number = port.getHost().port
        askers, names = 8, 20
        answers = await asyncio.gather(
            *(
                looked_up(
                    *("127.0.0.1", number, "-b", f"127.0.0.{10 + asker}"),
                    *(f"{asker}-{name}.example" for name in range(names)),
                )
                for asker in range(askers)
            )
        )
    assert answers == [[f"10.0.{asker}.{name}" for name in range(names)] for asker in range(askers)]
    assert len(server.sizes) == askers * names


async def test_a_long_answer_goes_in_one_datagram_to_whom_takes_it() -> None:
    server = NameServer()
    async with AsyncioReactor() as reactor:
        number = reactor.listenUDP(0, server, interface="127.0.0.1").getHost().port
        texts = await looked_up("127.0.0.1", number, "+bufsize=4096", "+ignore", "big.example", "TXT")
    assert sorted(texts) == [f'"{number:03}{"x" * 97}"' for number in range(30)]
    assert len(server.sizes) == 1 and server.sizes[0] > 3000


async def test_one_that_does_not_fit_is_cut_and_dig_comes_back_by_tcp() -> None:
    server = NameServer()
    async with AsyncioReactor() as reactor:
        number = by_datagrams_and_streams(reactor, server)
        small = ("+noedns", "big.example", "TXT")
        cut = await dig("127.0.0.1", number, "+ignore", *small)
        assert b" tc" in next(line for line in cut.printed.splitlines() if b"flags:" in line)
        assert len(await looked_up("127.0.0.1", number, *small)) == 30
    assert len(server.sizes) == 2
    assert max(server.sizes) <= 512


async def test_where_a_port_was_dig_is_refused() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, NameServer(), interface="127.0.0.1")
        number = port.getHost().port
        assert await looked_up("127.0.0.1", number, "1-2.example") == ["10.0.1.2"]
        await within(port.stopListening())
        ended = await dig("127.0.0.1", number, "1-2.example")
    assert ended.code == 9, "9 is no reply"
    assert b"connection refused" in ended.printed + ended.complaints


@needs_twisted
async def test_dig_is_answered_by_twisteds_name_server(tmp_path: Path) -> None:
    from twisted.names import dns, server
    from twisted.names.authority import BindAuthority

    from tests.bridge.twisted.ecosystem.reactors import embedded

    zone = tmp_path / "example"
    zone.write_text(ZONE)
    factory = server.DNSServerFactory(authorities=[BindAuthority(str(zone))])
    factory.noisy = False
    async with embedded() as reactor:
        protocol = dns.DNSDatagramProtocol(factory, reactor=reactor)
        number = reactor.listenUDP(0, protocol, interface="127.0.0.1").getHost().port
        assert await looked_up("127.0.0.1", number, "www.example", "A") == ["192.0.2.80"]
        assert await looked_up("127.0.0.1", number, "www.example", "AAAA") == ["2001:db8::80"]
        missing = await dig("127.0.0.1", number, "nowhere.example", "A")
        assert b"status: NXDOMAIN" in missing.printed


# socat


def place(host: str, number: int) -> str:
    """What socat calls a UDP port."""
    return f"UDP6:[{host}]:{number}" if ":" in host else f"UDP4:{host}:{number}"


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
async def test_socat_is_answered(host: str) -> None:
    protocol = Notes()
    protocol.answers = True
    async with AsyncioReactor() as reactor:
        number = reactor.listenUDP(0, protocol, interface=host).getHost().port
        async with socat("STDIO", place(host, number)) as process:
            for line in (b"one\n", b"two\n", b"x" * 8000 + b"\n"):
                await process.takes(line)
                assert await process.line() == line.upper()
    (sender,) = set(protocol.senders)
    assert ipaddress.ip_address(sender[0]) == ipaddress.ip_address(host)


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("connected", [False, True], ids=["with an address", "connected"])
async def test_socat_answers(host: str, connected: bool) -> None:
    number, protocol = free_number(host), Notes()
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, protocol, interface=host)
        if connected:
            port.connect(host, number)
        receiving = place(host, number).replace(f":{number}", "").split(":", 1)
        echo = f"{receiving[0]}-RECVFROM:{number},bind={receiving[1]},fork"
        async with socat(echo, "EXEC:cat"):
            for count in range(1, 4):
                port.write(b"%d" % count, None if connected else (host, number))
                await protocol.has(count)
    assert protocol.received == [b"1", b"2", b"3"]
    assert set(protocol.senders) == {(host, number)}
    assert protocol.refused == 0


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
async def test_a_peer_that_has_gone_refuses_and_one_that_comes_back_is_heard(host: str) -> None:
    number, protocol = free_number(host), Notes()
    receiving = place(host, number).replace(f":{number}", "").split(":", 1)
    echo = f"{receiving[0]}-RECVFROM:{number},bind={receiving[1]},fork"
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, protocol, interface=host)
        port.connect(host, number)
        async with socat(echo, "EXEC:cat"):
            port.write(b"here")
            await protocol.has(1)
        port.write(b"gone")
        await until(lambda: protocol.refused)
        async with socat(echo, "EXEC:cat"):
            port.write(b"back")
            await protocol.has(2)
    assert protocol.received == [b"here", b"back"]
    assert protocol.refused == 1


@needs_twisted
async def test_socat_is_answered_by_twisteds_protocol() -> None:
    from twisted.internet import protocol
    from twisted.internet.address import IPv4Address

    from tests.bridge.twisted.ecosystem.reactors import embedded

    class Capitals(protocol.DatagramProtocol):
        noisy = False
        transport: Any

        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            self.transport.write(datagram.upper(), addr)

    async with embedded() as reactor:
        port = reactor.listenUDP(0, Capitals(), interface="127.0.0.1")
        assert isinstance(port.getHost(), IPv4Address)
        async with socat("STDIO", place("127.0.0.1", port.getHost().port)) as process:
            await process.takes(b"words\n")
            assert await process.line() == b"WORDS\n"
