"""TLS with nginx(8): a web server that asks for our certificates, and a proxy that shows us its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.tls_programs import (
    Dialling,
    Nginx,
    Serving,
    Speaker,
    libraries,
    named_in,
    nginx,
    opened,
    resumes,
)
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
BIG = bytes(range(256)) * (1 << 13) + b"the end"  # 2 MiB: more than any kernel keeps for a socket


SERVERS = """
server {{
    listen {port} ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_client_certificate {ca};
    ssl_verify_client on;
    location / {{
        return 200 "$ssl_client_s_dn|$ssl_protocol|$ssl_server_name|$ssl_alpn_protocol|$ssl_session_reused";
    }}
    location /files/ {{ alias {files}/; }}
}}
server {{
    listen {other};
    location / {{
        proxy_pass https://127.0.0.1:$http_to;
        proxy_ssl_certificate {client_certificate};
        proxy_ssl_certificate_key {client_key};
        proxy_ssl_trusted_certificate {ca};
        proxy_ssl_verify on;
        proxy_ssl_name $http_named;
        proxy_ssl_server_name on;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
    }}
}}
"""


@pytest.fixture(scope="module")
def web(certificates: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """One with both servers."""
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "files").mkdir()
    (home / "files" / "big").write_bytes(BIG)
    names = {
        "certificate": certificates.server.chain_path,
        "key": certificates.server.key_path,
        "client_certificate": certificates.client.chain_path,
        "client_key": certificates.client.key_path,
        "ca": certificates.ca_path,
        "files": home / "files",
    }
    with nginx(home, SERVERS, **names) as service:
        yield service


class Asking(Speaker):
    """Asks for a page when its connection is made: what it writes waits for the handshake."""

    path = "/"

    def connectionMade(self) -> None:
        super().connectionMade()
        head = f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode())

    @property
    def status(self) -> bytes:
        return self.received.partition(b"\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


class AskingForMuch(Asking):
    path = "/files/big"


async def asked(reactor: Any, port: int, context: Any, protocol: Any = Asking) -> Any:
    factory = Dialling(protocol)
    factory.names = [b"http/1.1"]
    reactor.connectSSL(HERE, port, factory, context, server_hostname="localhost")
    await until(lambda: factory.protocols and factory.protocols[0].reasons)
    return factory.protocols[0]


@libraries
async def test_nginx_lets_us_in_with_a_certificate(web: Nginx, certificates: Any, library: str) -> None:
    """It sees what we show, and at the second time resumes the session. A page of some size is intact."""
    context = certificates.client_context(library, certificates.client)
    async with AsyncioReactor() as reactor:
        first = await asked(reactor, web.port, context)
        second = await asked(reactor, web.port, context)
        much = await asked(reactor, web.port, context, AskingForMuch)
    for protocol, reused in ((first, b"."), (second, b"r" if resumes(library) else b".")):
        assert (protocol.status, protocol.ended) == (b"HTTP/1.1 200 OK", ["ConnectionDone"])
        who, *how = protocol.body.split(b"|")
        assert b"CN=a client" in who
        assert how == [b"TLSv1.3", b"localhost", b"http/1.1", reused]
        assert protocol.agreed == b"http/1.1"
    assert (much.status, much.ended) == (b"HTTP/1.1 200 OK", ["ConnectionDone"])
    assert much.body == BIG


@libraries
async def test_nginx_keeps_us_out_without_a_certificate(web: Nginx, certificates: Any, library: str) -> None:
    """Or with a stranger's. It says so in a page."""
    async with AsyncioReactor() as reactor:
        for pair in (None, certificates.stranger):
            protocol = await asked(reactor, web.port, certificates.client_context(library, pair))
            assert (protocol.status, protocol.ended) == (b"HTTP/1.1 400 Bad Request", ["ConnectionDone"])
            assert b"SSL certificate" in protocol.body


class Behind(Speaker):
    """Answers a request with its first line, and much more, and closes."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.received.endswith(b"\r\n\r\n"):
            self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + self.received.partition(b"\r\n")[0] + BIG)
            self.transport.loseConnection()


async def through(web: Nginx, port: int, host: str = "localhost") -> bytes:
    """What the proxy answers who asks it, in the clear, for a page of the server on that port."""
    reader, writer = await within(asyncio.open_connection(HERE, web.other))
    writer.write(f"GET /page HTTP/1.0\r\nTo: {port}\r\nNamed: {host}\r\n\r\n".encode())
    answer = await within(reader.read())
    writer.close()
    await within(writer.wait_closed())
    return answer


@libraries
async def test_a_proxy_shows_its_certificate_and_hands_on_a_page(
    web: Nginx, certificates: Any, library: str
) -> None:
    factory = Serving(Behind)
    async with AsyncioReactor() as reactor:
        context = certificates.server_context(library, client_ca=True)
        port = reactor.listenSSL(0, factory, context, interface=HERE).getHost().port
        answer = await through(web, port)
        protocol = await opened(factory)
        await until(lambda: protocol.reasons)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"GET /page HTTP/1.0" + BIG
    assert protocol.certificate == named_in(certificates.client.chain_path)
    assert protocol.ended == ["ConnectionDone"]


@libraries
async def test_a_proxy_refuses_a_server_that_it_does_not_trust(
    web: Nginx, certificates: Any, library: str
) -> None:
    """A stranger's, and one with another name. nginx ends the connection; the server hears how."""
    factory = Serving(Behind)
    before = len(web.lines)
    async with AsyncioReactor() as reactor:
        for pair, host in ((certificates.stranger, "localhost"), (certificates.server, "elsewhere.example")):
            context = certificates.server_context(library, pair)
            port = reactor.listenSSL(0, factory, context, interface=HERE).getHost().port
            assert (await through(web, port, host)).startswith(b"HTTP/1.1 502 ")
        await until(lambda: all(protocol.reasons for protocol in factory.protocols))
    await until(lambda: web.said("upstream SSL certificate verify error", before))
    await until(lambda: web.said('upstream SSL certificate does not match "elsewhere.example"', before))
    assert [protocol.received for protocol in factory.protocols] == [b"", b""]
