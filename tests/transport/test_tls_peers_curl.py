"""TLS with curl(1), which asks a small HTTP server of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support import until
from tests.transport.programs import Ended, ran
from tests.transport.tls_programs import Serving, Speaker, libraries, named_in
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
BODY = bytes(range(256)) * 4096 + b"the end"  # 1 MiB: many records, and more than one turn can send


class Pages(Speaker):
    """Answers each request with ``BODY`` or, to a POST, with what came; closes when the client wants that."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        while self._answered():
            pass

    def _answered(self) -> bool:
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split()[1]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return False
        sent, self.received = rest[:length], rest[length:]
        body = sent if head.startswith(b"POST") else BODY
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.transport.write(body)
        if b"connection: close" in lines:
            self.transport.loseConnection()
        return True


def serve(reactor: Any, context: Any) -> tuple[int, Serving]:
    factory = Serving(Pages)
    factory.names = [b"http/1.1"]
    return reactor.listenSSL(0, factory, context, interface=HERE).getHost().port, factory


async def curl(certificates: Any, *arguments: str, ca: str | None = None) -> Ended:
    """What curl made of it, which trusts the authority if not told otherwise."""
    trust = ("--cacert", ca or certificates.ca_path)
    return await ran("curl", "--silent", "--show-error", "--max-time", "10", *trust, *arguments)


def shown(pair: Any) -> Sequence[str]:
    """The options by which curl shows a certificate."""
    return ("--cert", pair.chain_path, "--key", pair.key_path)


@libraries
@pytest.mark.parametrize("newest", ["1.2", "1.3"])
async def test_curl_gets_a_page(certificates: Any, library: str, newest: str) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        ended = await curl(certificates, f"https://localhost:{port}/", "--tls-max", newest)
        assert (ended.code, ended.printed == BODY, ended.complaints) == (0, True, b"")
        await until(lambda: factory.protocols[0].reasons)
    (protocol,) = factory.protocols
    assert (protocol.ended, protocol.agreed) == (["ConnectionDone"], b"http/1.1")


@libraries
async def test_curl_sends_much_and_gets_it_back_on_one_connection(certificates: Any, library: str) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library, certificates.wrong_host))
        url = f"https://elsewhere.example:{port}/"
        where = ("--resolve", f"elsewhere.example:{port}:{HERE}", "--header", "Connection: close")
        post = ("--header", "Expect:", "--data-binary", "@-", url, "--next")
        trust = ("--silent", "--cacert", certificates.ca_path)
        command = ("curl", *trust, *where[:2], *post, *trust, *where, url)
        ended = await ran(*command, stdin=BODY)
        assert (ended.code, ended.printed == BODY * 2, ended.complaints) == (0, True, b"")
        await until(lambda: factory.protocols[0].reasons)
    (protocol,) = factory.protocols
    assert (protocol.ended, protocol.handshakes) == (["ConnectionDone"], 1)


@libraries
async def test_a_server_that_wants_certificates_sees_curls_or_refuses_it(
    certificates: Any, library: str
) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library, client_ca=True))
        url = f"https://localhost:{port}/"
        without = await curl(certificates, url)
        await until(lambda: factory.protocols[0].reasons)
        strange = await curl(certificates, url, *shown(certificates.stranger))
        await until(lambda: factory.protocols[1].reasons)
        right = await curl(certificates, url, *shown(certificates.client))
        await until(lambda: factory.protocols[2].reasons)
    assert without.code != 0 and b"alert" in without.complaints
    assert strange.code != 0 and b"alert" in strange.complaints
    assert right.code == 0 and right.printed == BODY
    *refused, served = factory.protocols
    assert [protocol.handshakes for protocol in factory.protocols] == [0, 0, 1]
    assert [protocol.received for protocol in refused] == [b"", b""]
    for protocol, said in zip(refused, ("did not return a certificate", "verify failed"), strict=True):
        assert said in protocol.said
        assert protocol.ended in (["SSLError"], ["SSLCertVerificationError"], ["Error"])
    assert served.certificate == named_in(certificates.client.chain_path)


@libraries
async def test_we_hear_why_curl_refuses_us(certificates: Any, library: str) -> None:
    """By the alert: curl trusts another authority, or looks for another name. It hears that we go on."""
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        here = f"{port}:{HERE}"
        strange = await curl(certificates, f"https://localhost:{port}/", ca=certificates.other_ca_path)
        other = await curl(
            certificates, f"https://other.example:{port}/", "--resolve", f"other.example:{here}"
        )
        right = await curl(certificates, f"https://localhost:{port}/")
        await until(lambda: all(protocol.reasons for protocol in factory.protocols))
    assert (strange.code, other.code, right.code) == (60, 60, 0)
    first, _, third = factory.protocols
    assert first.handshakes == 0 and first.received == b""
    assert first.ended in (["SSLError"], ["Error"])
    assert "alert unknown ca" in first.said.lower().replace("_", " ")
    assert third.ended == ["ConnectionDone"]
