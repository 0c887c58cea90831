"""What is described in a line really listens there and really connects there: TCP, UNIX sockets, and what
stands before them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.endpoints.places import HERE, backlog, connected, echoed, listening, spoken
from tests.support import free_port, until, within
from tests.transport.recorders import Connecting, Echo, unanswering
from tests.transport.unix_sockets import both_kinds, fired, linux_only, make_reactor, neighbours, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import clientFromString, quoteStringArgument, serverFromString
from twisted_compat.error import BadFileError, CannotListenError, ConnectionRefusedError, TimeoutError

pytestmark = pytest.mark.without_debug


# Servers


@both_kinds
async def test_tcp_listens_at_the_port_and_interface(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        for description, waiting in [
            ("tcp:{}:interface=127.0.0.2", 50),
            (b"TCP:interface=127.0.0.2:port={}:backlog=4", 4),
            ("tcp:{}:127.0.0.2", 50),
            ("tcp:{}:127.0.0.2:3", 3),
            ("tcp:backlog=3:{}:127.0.0.2", 3),
        ]:
            number = free_port()
            text: Any = (
                description.format(number)
                if isinstance(description, str)
                else description.replace(b"{}", b"%d" % number)
            )
            async with listening(reactor, text) as port:
                address = port.getHost()
                assert address == reactor.vocabulary.address.IPv4Address("TCP", "127.0.0.2", number)
                await echoed(("127.0.0.2", number))
                assert backlog(port) in (waiting, None)


async def test_tcp_listens_at_every_interface_if_none_is_named() -> None:
    async with AsyncioReactor() as reactor, listening(reactor, "tcp:0") as port:
        assert port.getHost().host == "0.0.0.0"
        for host in (HERE, "127.0.0.3"):
            await echoed((host, port.getHost().port))


async def test_tcp6_listens_over_ipv6() -> None:
    async with AsyncioReactor() as reactor:
        for description, host, waiting in [
            ("tcp6:0", "::", 50),
            ("TCP6:port=0:interface=\\:\\:1", "::1", 50),
            (b"tcp6:0:4:\\:\\:1", "::1", 4),
            ("tcp6:interface=\\:\\:1:0:backlog=5", "::1", 5),
        ]:
            async with listening(reactor, description) as port:
                assert port.getHost().host == host
                await echoed(("::1", port.getHost().port))
                assert backlog(port) in (waiting, None)


async def test_a_port_that_is_taken_fails_the_deferred() -> None:
    async with AsyncioReactor() as reactor, listening(reactor, f"tcp:0:interface={HERE}") as port:
        endpoint = serverFromString(reactor, f"tcp:{port.getHost().port}:interface={HERE}")
        with pytest.raises(CannotListenError):
            await within(endpoint.listen(Connecting()))


@both_kinds
async def test_unix_listens_at_the_path(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        for rest, mode, locked in [
            ("", 0o666, True),
            (":mode=600", 0o600, True),
            (":0640:lockfile=0", 0o640, False),
            (":770:5:0", 0o770, False),
            (":lockfile=1:backlog=5:mode=606", 0o606, True),
        ]:
            with socket_path() as path:
                async with listening(reactor, f"unix:{path}{rest}") as port:
                    assert port.getHost().name == path.encode()
                    assert os.stat(path).st_mode & 0o777 == mode
                    assert neighbours(path) == ["socket", "socket.lock"][: 1 + locked]
                    await echoed(path)
                assert neighbours(path) == []


async def test_unix_takes_any_path_that_is_quoted() -> None:
    async with AsyncioReactor() as reactor:
        for name in ("a=b", "C:\\x", "é ☃", b"\xff:=\\"):
            with socket_path() as path:
                place: Any = path.encode() + name if isinstance(name, bytes) else path + name
                prefix: Any = b"unix:" if isinstance(name, bytes) else "unix:"
                async with listening(reactor, prefix + quoteStringArgument(place)):
                    assert os.path.exists(place)
                    await echoed(place)
                    await spoken(await connected(reactor, prefix + quoteStringArgument(place)))


@linux_only
async def test_as_many_wait_at_a_unix_socket_as_its_backlog_says() -> None:
    with socket_path() as path:
        async with AsyncioReactor() as reactor, listening(reactor, f"unix:{path}:backlog=2"):
            clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
            for client in clients:
                client.setblocking(False)
            assert [bool(client.connect_ex(path)) for client in clients] == [False, False, False, True]
            for client in clients:
                client.close()


async def test_haproxy_stands_before_any_other_and_takes_its_header_away() -> None:
    peers: list[Any] = []

    class Knowing(Echo):
        def connectionMade(self) -> None:
            peers.append(self.transport.getPeer())

    with socket_path() as path:
        for description, address in [
            (f"haproxy:tcp:0:interface={HERE}", None),
            (f"HAPROXY:TCP:interface={HERE}:port=0".encode(), None),
            ("haproxy:unix:" + quoteStringArgument(path + "=:") + ":mode=600", path + "=:"),
        ]:
            async with AsyncioReactor() as reactor, listening(reactor, description, Knowing) as port:
                if address is None:
                    assert port.getHost().host == HERE
                    opening = asyncio.open_connection(HERE, port.getHost().port)
                else:
                    assert os.stat(address).st_mode & 0o777 == 0o600
                    opening = asyncio.open_unix_connection(address)
                reader, writer = await within(opening)
                writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.2 1001 1002\r\nhello")
                assert await within(reader.readexactly(5)) == b"hello"
                assert (peers[-1].host, peers[-1].port) == ("192.0.2.1", 1001)
                writer.close()
                await within(writer.wait_closed())
    assert len(peers) == 3


# Clients


@both_kinds
async def test_tcp_connects_to_host_and_port(kind: str) -> None:
    async with make_reactor(kind) as reactor, listening(reactor, f"tcp:0:interface={HERE}") as port:
        number = port.getHost().port
        for description in (
            f"tcp:{HERE}:{number}",
            f"TCP:host={HERE}:port={number}".encode(),
            f"tcp:host={HERE}:{number}",
            f"tcp:{HERE}:port={number}",
            f"tcp:port={number}:localhost",
            f"tcp:{HERE}:{number}:timeout=7:bindAddress=127.0.0.4",
        ):
            protocol = await connected(reactor, description)
            assert protocol.transport.getPeer().port == number
            bound = "127.0.0.4" if isinstance(description, str) and "bind" in description else HERE
            assert protocol.transport.getHost().host == bound
            await spoken(protocol)


async def test_tcp_fails_as_connecting_does() -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(ConnectionRefusedError):
            await connected(reactor, f"tcp:{HERE}:{free_port()}")
        with unanswering() as number, pytest.raises(TimeoutError):
            await connected(reactor, f"tcp:{HERE}:{number}:timeout=0")


async def test_unix_connects_to_the_path() -> None:
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            async with listening(reactor, f"unix:{path}"):
                for description in (
                    f"unix:{path}",
                    f"UNIX:path={path}".encode(),
                    f"unix:{path}:timeout=7:lockfile=1",
                    f"unix:lockfile=0:{path}",
                ):
                    await spoken(await connected(reactor, description))
            async with listening(reactor, f"unix:{path}:lockfile=0"):
                await spoken(await connected(reactor, f"unix:{path}"))
                with pytest.raises(BadFileError):
                    await connected(reactor, f"unix:{path}:lockfile=1")


async def test_an_endpoint_can_be_used_again_and_again() -> None:
    async with AsyncioReactor() as reactor:
        server = serverFromString(reactor, f"tcp:0:interface={HERE}")
        ports = [await within(server.listen(Connecting(Echo))) for _ in range(2)]
        numbers = {port.getHost().port for port in ports}
        assert len(numbers) == 2
        for number in numbers:
            client = clientFromString(reactor, f"tcp:{HERE}:{number}")
            first, second = [await fired(client.connect(Connecting(Echo))) for _ in range(2)]
            assert first is not second
            await until(lambda one=first, other=second: one.made and other.made)


@pytest.mark.parametrize("description", ["tls:localhost:443", "ssl:localhost:443"])
def test_what_tls_needs_is_named_if_it_is_missing(description: str) -> None:
    program = (
        "import sys\n"
        "sys.modules['cryptography'] = None\n"
        "from twisted_compat.endpoints import clientFromString\n"
        "clientFromString(object(), sys.argv[1])\n"
    )
    run = subprocess.run([sys.executable, "-c", program, description], capture_output=True, text=True)
    assert "pip install 'twisted-compat[tls]'" in run.stderr
