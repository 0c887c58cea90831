"""Server endpoints behind HAProxy itself, and behind curl that plays a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import free_port, until, within
from tests.transport.programs import ran
from tests.transport.recorders import Listening, Recorder
from tests.transport.tls_programs import Service, require
from tests.transport.unix_sockets import both_kinds, fired, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.endpoints import (
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
    proxyEndpoint,
    serverFromString,
    serving,
    wrapServerTLS,
)
from twisted_compat.interfaces import IStreamServerEndpoint
from twisted_compat.protocols import haproxy

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
BIG = bytes(range(256)) * (1 << 12) + b"the end"  # 1 MiB: more than any kernel keeps for a socket

CONFIGURATION = """\
global
    nbthread 1
    maxconn 64

defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
    timeout check 10s

listen text
    bind fd@{frontends[text]}
    bind fd@{frontends[text6]}
    server ours {text} send-proxy

listen binary
    bind fd@{frontends[binary]}
    bind fd@{frontends[binary6]}
    server ours {binary} send-proxy-v2 proxy-v2-options crc32c

listen file
    bind fd@{frontends[file]}
    server ours unix@{file} send-proxy-v2

listen tls
    bind fd@{frontends[tls]}
    server ours {tls} send-proxy-v2 ssl verify required ca-file {ca} sni str(localhost)

backend checked
    server text {checked_text} check inter 20ms send-proxy
    server binary {checked_binary} check inter 20ms send-proxy-v2
"""


class Proxy(NamedTuple):
    """HAProxy.

    :ivar frontends: by name, the addresses where clients connect to it.
    :ivar backends: by name, where it connects to: ports of this machine, and of ``file`` a path.
    """

    frontends: dict[str, Any]
    backends: dict[str, Any]

    def endpoint(self, reactor: Any, backend: str) -> TCP4ServerEndpoint:
        return TCP4ServerEndpoint(reactor, self.backends[backend], interface=HERE)


@pytest.fixture(scope="module")
def proxy(certificates: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    require("haproxy")
    home: Path = tmp_path_factory.mktemp("haproxy")
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(socket_path())
        ports = {name: free_port() for name in ("text", "binary", "tls", "checked_text", "checked_binary")}
        listening = {
            name: stack.enter_context(socket.create_server((HERE, 0)))
            for name in ("text", "binary", "file", "tls")
        }
        for name in ("text6", "binary6"):
            skt = socket.create_server(("::1", 0), family=socket.AF_INET6)
            listening[name] = stack.enter_context(skt)
        (home / "haproxy.cfg").write_text(
            CONFIGURATION.format(
                frontends={name: skt.fileno() for name, skt in listening.items()},
                ca=certificates.ca_path,
                file=path,
                **{name: f"{HERE}:{port}" for name, port in ports.items()},
            )
        )
        service = Service(
            *("haproxy", "-db", "-V", "-f", str(home / "haproxy.cfg")), inherits=list(listening.values())
        )
        try:
            service.ready("Using ")
            yield Proxy(
                {name: skt.getsockname()[:2] for name, skt in listening.items()}, {"file": path, **ports}
            )
        finally:
            service.stop()


class Telling(Recorder):
    """Says where the connection is from and to, then echoes."""

    def connectionMade(self) -> None:
        super().connectionMade()
        ends = (self.transport.getPeer(), self.transport.getHost())
        self.transport.write(" ".join(f"{end.host} {end.port}" for end in ends).encode() + b"\n")

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


@contextlib.asynccontextmanager
async def through(frontend: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of the proxy's; what it is told first is where it is, and where it wanted to."""
    reader, writer = await within(asyncio.open_connection(*frontend))
    try:
        ours, theirs = (writer.get_extra_info(name) for name in ("sockname", "peername"))
        expected = f"{ours[0]} {ours[1]} {theirs[0]} {theirs[1]}\n".encode()
        assert await within(reader.readline()) == expected
        yield reader, writer
    finally:
        writer.close()
        await within(writer.wait_closed())


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    assert await within(reader.readexactly(len(data))) == data


@pytest.mark.parametrize("version", ["text", "binary"])
async def test_haproxy_says_whose_connections_it_hands_on(proxy: Proxy, version: str) -> None:
    factory = Listening(Telling)
    async with (
        AsyncioReactor() as reactor,
        serving(proxyEndpoint(proxy.endpoint(reactor, version)), factory) as port,
    ):
        assert port.getHost().port == proxy.backends[version]
        for name, kind in ((version, IPv4Address), (f"{version}6", IPv6Address)):
            async with through(proxy.frontends[name]) as (reader, writer):
                await echoed(reader, writer, BIG)
                protocol = factory.protocols[-1]
                assert type(protocol.transport.getPeer()) is kind
                assert factory.addresses[-1] == protocol.transport.getPeer()
                assert bool(protocol.transport.proxy_info.tlvs) == (version == "binary")  # a checksum
            await until(lambda: factory.protocols[-1].reasons)


async def test_haproxy_speaks_to_a_unix_socket(proxy: Proxy) -> None:
    path = proxy.backends["file"]
    async with (
        AsyncioReactor() as reactor,
        serving(proxyEndpoint(UNIXServerEndpoint(reactor, path)), Listening(Telling)),
        through(proxy.frontends["file"]) as streams,
    ):
        await echoed(*streams, b"hello")


@pytest.mark.parametrize("kind", ["SSL4ServerEndpoint", "wrapServerTLS"])
async def test_haproxys_header_comes_before_tls(proxy: Proxy, certificates: Any, kind: str) -> None:
    context = certificates.server_context()
    factory = Listening(Telling)
    async with AsyncioReactor() as reactor:
        if kind == "wrapServerTLS":
            endpoint: Any = wrapServerTLS(context, proxy.endpoint(reactor, "tls"))
        else:
            endpoint = SSL4ServerEndpoint(reactor, proxy.backends["tls"], context, interface=HERE)
        async with (
            serving(proxyEndpoint(endpoint), factory),
            through(proxy.frontends["tls"]) as streams,
        ):
            await echoed(*streams, BIG)
            assert factory.protocols[0].transport.getPeerCertificate() is None  # it is TLS, and asks for none
            assert factory.protocols[0].transport.proxy_info.source == factory.addresses[0]


@pytest.mark.parametrize("version", ["text", "binary"])
async def test_haproxys_own_checks_are_connections_of_its_own(proxy: Proxy, version: str) -> None:
    """In binary it says so (LOCAL), and tells no address."""
    factory = Listening(Telling)
    async with (
        AsyncioReactor() as reactor,
        serving(proxyEndpoint(proxy.endpoint(reactor, f"checked_{version}")), factory) as port,
    ):
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
        info = factory.protocols[0].transport.proxy_info
        assert factory.addresses[0].host == HERE
        if version == "binary":
            assert info.source is info.destination is None
        else:
            assert (info.source, info.destination) == (factory.addresses[0], port.getHost())


async def test_curl_says_whose_connection_it_is() -> None:
    class Page(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if self.received.endswith(b"\r\n\r\n"):
                peer = self.transport.getPeer()
                self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + f"{peer.host} {peer.port}".encode())
                self.transport.loseConnection()

    factory = Listening(Page)
    async with AsyncioReactor() as reactor:
        port = await fired(serverFromString(reactor, f"haproxy:tcp:0:interface={HERE}").listen(factory))
        url = f"http://{HERE}:{port.getHost().port}/"
        ended = await ran(
            "curl", "--silent", "--show-error", "--haproxy-protocol", url, "-w", " %{local_port}"
        )
        assert (ended.code, ended.complaints) == (0, b"")
        host, told, real = ended.printed.decode().split()
        assert (host, told) == (HERE, real)


@both_kinds
async def test_addresses_are_in_the_reactors_words(kind: str) -> None:
    factory = Listening(Telling)
    async with make_reactor(kind) as reactor:
        assert IStreamServerEndpoint.providedBy(proxyEndpoint(object()))
        endpoint = proxyEndpoint(TCP4ServerEndpoint(reactor, 0, interface=HERE), header_timeout=None)
        port = await fired(endpoint.listen(factory))
        reader, writer = await within(asyncio.open_connection(HERE, port.getHost().port))
        writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
        assert await within(reader.readline()) == b"192.0.2.7 1 192.0.2.1 2\n"
        words = reactor.vocabulary.address
        assert factory.addresses == [words.IPv4Address("TCP", "192.0.2.7", 1)]
        assert reactor.getDelayedCalls() == []
        writer.close()
        await within(writer.wait_closed())


async def test_a_port_that_is_taken_fails_the_listening() -> None:
    with socket.create_server((HERE, 0)) as taken:
        async with AsyncioReactor() as reactor:
            endpoint = proxyEndpoint(TCP4ServerEndpoint(reactor, taken.getsockname()[1], interface=HERE))
            with pytest.raises(reactor.vocabulary.error.CannotListenError):
                await fired(endpoint.listen(Listening()))


async def test_the_time_limit_goes_beneath_tls_too(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        plain = TCP4ServerEndpoint(reactor, 0, interface=HERE)
        endpoint = proxyEndpoint(wrapServerTLS(certificates.server_context(), plain), header_timeout=0.01)
        factory = Listening()
        async with serving(endpoint, factory) as port:
            reader, writer = await within(asyncio.open_connection(HERE, port.getHost().port))
            with pytest.raises(ConnectionResetError):
                assert await within(reader.read()) == b""
                raise ConnectionResetError
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await within(writer.wait_closed())
        assert factory.addresses == []


def test_it_is_found_where_twisted_has_it() -> None:
    assert haproxy.proxyEndpoint is proxyEndpoint
    assert set(haproxy.__all__) <= {*dir(haproxy), "proxyEndpoint"}
    with pytest.raises(AttributeError, match="nothing"):
        haproxy.nothing  # noqa: B018  # asking for it is the test
