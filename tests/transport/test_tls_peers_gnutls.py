"""TLS with gnutls-cli(1), whose library is neither of ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.programs import Program, running
from tests.transport.tls_programs import Serving, Speaker, libraries, named_in, require
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"


class Answering(Speaker):
    """Answers each line with what it is in capitals."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data.upper())


def serve(reactor: Any, context: Any) -> tuple[int, Serving]:
    factory = Serving(Answering)
    factory.names = [b"odd"]
    return reactor.listenSSL(0, factory, context, interface=HERE).getHost().port, factory


@contextlib.asynccontextmanager
async def gnutls(certificates: Any, port: int, *options: str) -> AsyncIterator[Program]:
    """gnutls-cli, connected to a port of this machine, where it verifies whom it finds."""
    require("gnutls-cli", "gnutls-bin")
    trust = ("--x509cafile", certificates.ca_path, "--verify-hostname", "localhost")
    names = ("--sni-hostname", "localhost", "--alpn", "odd")
    command = ("gnutls-cli", "--port", str(port), *trust, *names, *options, HERE)
    async with running(*command) as program:
        yield program


async def prints(program: Program, *signs: bytes) -> None:
    """Wait for lines that begin so, in this order."""
    for sign in signs:
        line = b""
        while not line.startswith(sign):
            line = await program.line()
            assert line, sign


@libraries
async def test_new_keys_are_agreed_upon_amid_the_stream(certificates: Any, library: str) -> None:
    """TLS 1.3's key update: first the client alone takes new ones, then both do."""
    context = certificates.server_context(library, client_ca=True)
    shown = ("--x509certfile", certificates.client.chain_path, "--x509keyfile", certificates.client.key_path)
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, context)
        async with gnutls(certificates, port, *shown, "--inline-commands") as program:
            await prints(program, b"- Status: The certificate is trusted", b"- Simple Client Mode")
            for word in (b"one", b"^rekey1^", b"two", b"^rekey^", b"three"):
                await program.takes(word + b"\n")
                await prints(program, b"- Rekey was completed" if b"^" in word else word.upper())
            assert (await program.ended()).code == 0
        (protocol,) = factory.protocols
        await until(lambda: protocol.reasons)
    assert protocol.received == b"one\ntwo\nthree\n"
    assert protocol.certificate == named_in(certificates.client.chain_path)
    assert (protocol.ended, protocol.agreed) == (["ConnectionDone"], b"odd")


@libraries
async def test_renegotiation_is_refused_as_often_as_it_is_asked_for(certificates: Any, library: str) -> None:
    """TLS 1.2. That the answer is no is only a warning for this client, which asks many times before it gives
    up; the server lives."""
    older = ("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        async with gnutls(certificates, port, *older, "--inline-commands") as program:
            await prints(program, b"- Simple Client Mode")
            await program.takes(b"^renegotiate^\n")
            ended = await program.ended()
            assert ended.code == 1 and b"No renegotiation is allowed" in ended.printed
        await until(lambda: factory.protocols[0].reasons)
        async with gnutls(certificates, port, *older) as program:
            await prints(program, b"- Simple Client Mode")
            await program.takes(b"one\n")
            await prints(program, b"ONE")
    assert [protocol.handshakes for protocol in factory.protocols] == [1, 1]


@libraries
async def test_a_session_is_resumed(certificates: Any, library: str) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        async with gnutls(certificates, port, "--resume", "--waitresumption") as program:
            await prints(program, b"*** This is a resumed session", b"- Simple Client Mode")
            await program.takes(b"one\n")
            await prints(program, b"ONE")
            assert (await program.ended()).code == 0
        await until(lambda: len(factory.protocols) == 2 and all(one.reasons for one in factory.protocols))
    assert [protocol.ended for protocol in factory.protocols] == [["ConnectionDone"]] * 2
