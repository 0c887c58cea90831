"""TLS with openssl(1) at the other end: ``s_server``, which our clients connect to, and ``s_client``, which
connects to our servers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.programs import Ended, Program
from tests.transport.recorders import Listening
from tests.transport.tls_programs import (
    Dialling,
    OpensslServer,
    Peer,
    Serving,
    Speaker,
    libraries,
    named_in,
    opened,
    openssl_client,
    openssl_server,
    resumes,
)
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
VERSIONS = {"TLSv1.2": "-no_tls1_3", "TLSv1.3": "-tls1_3"}


# s_server


@pytest.fixture(scope="module", params=list(VERSIONS))
def server(
    request: pytest.FixtureRequest, certificates: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpensslServer]:
    """One that speaks one version, asks for certificates, reverses lines, and writes its keys down."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    verify = ("-verify", "1", "-CAfile", certificates.ca_path)
    options = (VERSIONS[request.param], "-rev", "-alpn", "odd,even", *verify, "-keylogfile", str(keys))
    with openssl_server(certificates.server, *options) as service:
        service.version = request.param
        service.keys = keys
        yield service


class Liner(Speaker):
    """Sends a line once the handshake is done."""

    def handshakeCompleted(self) -> None:
        super().handshakeCompleted()
        self.transport.write(b"abc\n")


@libraries
async def test_a_server_of_openssls_answers_and_sees_our_certificate(
    server: OpensslServer, certificates: Any, library: str
) -> None:
    factory, before = Dialling(Liner), len(server.lines)
    factory.names = [b"other", b"even"]
    context = certificates.client_context(library, certificates.client)
    async with AsyncioReactor() as reactor:
        reactor.connectSSL(HERE, server.port, factory, context, server_hostname="localhost")
        protocol = await opened(factory)
        assert protocol.certificate == named_in(certificates.server.chain_path)
        assert protocol.agreed == b"even"
        await until(lambda: protocol.received == b"cba\n")
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
    assert protocol.ended == ["ConnectionDone"]
    for sign in (f"Protocol version: {server.version}", "a client", "Verification: OK", "CONNECTION CLOSED"):
        await until(lambda sign=sign: server.said(sign, before))


@libraries
async def test_what_openssl_refuses_is_named_and_it_serves_on(
    server: OpensslServer, certificates: Any, library: str
) -> None:
    """A client that speaks only what the server doesn't."""
    context = certificates.client_context(library)
    older = server.version == "TLSv1.2"
    if library == "stdlib":
        wanted = ssl.TLSVersion.TLSv1_3 if older else ssl.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = wanted
    else:
        from OpenSSL import SSL

        wanted = SSL.TLS1_3_VERSION if older else SSL.TLS1_2_VERSION
        context.set_min_proto_version(wanted)
        context.set_max_proto_version(wanted)
    async with AsyncioReactor() as reactor:
        refused, served = Dialling(Speaker), Dialling(Liner)
        reactor.connectSSL(HERE, server.port, refused, context, server_hostname="localhost")
        await until(lambda: refused.protocols and refused.protocols[0].reasons)
        context = certificates.client_context(library)
        reactor.connectSSL(HERE, server.port, served, context, server_hostname="localhost")
        await until(lambda: served.protocols and served.protocols[0].received == b"cba\n")
    (protocol,) = refused.protocols
    assert protocol.handshakes == 0
    assert protocol.ended in (["SSLError"], ["Error"])
    assert "protocol version" in protocol.said.lower().replace("_", " ")


@libraries
async def test_openssl_is_told_why_we_refuse_it(
    server: OpensslServer, certificates: Any, library: str
) -> None:
    factory, before = Dialling(Speaker), len(server.lines)
    context = certificates.client_context(library, ca=certificates.other_ca_path)
    async with AsyncioReactor() as reactor:
        reactor.connectSSL(HERE, server.port, factory, context, server_hostname="localhost")
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
        await until(lambda: server.said("alert unknown ca", before))
    (protocol,) = factory.protocols
    assert protocol.handshakes == 0
    assert protocol.ended in (["SSLCertVerificationError"], ["Error"])
    assert "certificate verify failed" in protocol.said


def keys(path: Path, random: str = "") -> set[str]:
    """What has been logged there, of the connection with this random number."""
    return {line for line in path.read_text().splitlines() if random in line and line[0] != "#"}


@libraries
async def test_both_ends_write_the_same_keys_down(
    server: OpensslServer,
    certificates: Any,
    library: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = tmp_path / "keys.txt"
    monkeypatch.setenv("SSLKEYLOGFILE", str(ours))
    factory = Dialling(Liner)
    context = certificates.client_context(library)
    async with AsyncioReactor() as reactor:
        reactor.connectSSL(HERE, server.port, factory, context, server_hostname="localhost")
        await until(lambda: factory.protocols and factory.protocols[0].received == b"cba\n")
    (random,) = {line.split()[1] for line in keys(ours)}
    await until(lambda: keys(server.keys, random) == keys(ours))


ASK = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture(scope="module")
def page(certificates: Any) -> Iterator[OpensslServer]:
    """One that answers with a page about the connection, and close_notify."""
    with openssl_server(certificates.server, "-www") as service:
        yield service


@libraries
async def test_openssl_ends_its_half(page: OpensslServer, certificates: Any, library: str) -> None:
    """Who can't hear of that closes; who can goes on. With the same context the session is resumed."""
    context = certificates.client_context(library)
    async with AsyncioReactor() as reactor:
        whole = Dialling(Speaker)
        reactor.connectSSL(HERE, page.port, whole, context, server_hostname="localhost")
        protocol = await opened(whole)
        protocol.transport.write(ASK)
        await until(lambda: protocol.reasons)
        assert b"\nNew, TLSv1.3" in protocol.received and protocol.received.endswith(b"</HTML>\r\n\r\n")
        assert protocol.ended == ["ConnectionDone"]

        half = Dialling(Peer)
        reactor.connectSSL(HERE, page.port, half, context, server_hostname="localhost")
        protocol = await opened(half)
        protocol.transport.write(ASK)
        await until(lambda: protocol.halves)
        expected = b"\nReused, TLSv1.3" if resumes(library) else b"\nNew, TLSv1.3"
        assert expected in protocol.received and protocol.received.endswith(b"</HTML>\r\n\r\n")
        assert (protocol.halves, protocol.reasons) == (["read"], [])
        protocol.transport.write(b"more")
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.ended == ["ConnectionDone"]


@libraries
async def test_a_stream_that_openssl_cuts_off_is_no_clean_end(certificates: Any, library: str) -> None:
    """s_server, when it is told to quit, closes the socket without close_notify."""
    factory = Dialling(Peer)
    with openssl_server(certificates.server) as server:
        async with AsyncioReactor() as reactor:
            context = certificates.client_context(library)
            reactor.connectSSL(HERE, server.port, factory, context, server_hostname="localhost")
            protocol = await opened(factory)
            protocol.transport.write(b"from us\n")
            await until(lambda: server.said("from us"))
            server.tell("the last words")
            await until(lambda: protocol.received)
            server.tell("Q")
            await until(lambda: protocol.reasons)
    assert (protocol.received, protocol.halves) == (b"the last words\n", [])
    assert protocol.ended == ["ConnectionLost"] and "close_notify" in protocol.said


# s_client


class Answering(Speaker):
    """Answers each line with what it is in capitals; closes after "bye"."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data.upper())
        if self.received.endswith(b"bye\n"):
            self.transport.loseConnection()


def serve(reactor: Any, context: Any, *names: bytes) -> tuple[int, Serving]:
    factory = Serving(Answering)
    factory.names = names
    return reactor.listenSSL(0, factory, context, interface=HERE).getHost().port, factory


def strict(certificates: Any, host: str = "localhost") -> tuple[str, ...]:
    """The options with which s_client verifies."""
    trust = ("-CAfile", certificates.ca_path, "-verify_return_error")
    return ("-brief", *trust, "-verify_hostname", host, "-servername", host)


ESTABLISHED = (b"Verification: OK",)


async def answers(program: Program, word: bytes) -> bytes:
    """Have the client say a word and wait until it prints the answer; all that it printed until then."""
    await program.takes(word + b"\n")
    printed = b""
    while not printed.endswith(word.upper() + b"\n"):
        line = await program.line()
        assert line, printed
        printed += line
    return printed


@libraries
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_connects_and_is_answered(certificates: Any, library: str, version: str) -> None:
    """The first connection is closed by openssl, the second by us."""
    context = certificates.server_context(library)
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, context, b"even", b"odd")
        options = (*strict(certificates), version, "-alpn", "odd")
        async with openssl_client(port, *options, ready=ESTABLISHED) as program:
            await program.takes(b"one\n")
            assert await program.line() == b"ONE\n"
            ended = await program.ended()
            assert (ended.code, ended.complaints.splitlines()[-1]) == (0, b"DONE")
        await until(lambda: factory.protocols[0].reasons)
        async with openssl_client(port, *options, ready=ESTABLISHED) as program:
            await program.takes(b"bye\n")
            assert await program.line() == b"BYE\n"
            assert (await program.ended()).code == 0
        await until(lambda: factory.protocols[1].reasons)
    for protocol in factory.protocols:
        assert (protocol.ended, protocol.agreed, protocol.handshakes) == (["ConnectionDone"], b"odd", 1)


@libraries
async def test_openssl_refuses_our_name_and_we_hear_of_it(certificates: Any, library: str) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        async with openssl_client(port, *strict(certificates, "elsewhere.example")) as program:
            ended: Ended = await program.ended()
        assert ended.code == 1 and b"hostname mismatch" in ended.complaints
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
    (protocol,) = factory.protocols
    assert protocol.handshakes == 0
    assert protocol.ended in (["SSLError"], ["Error"])
    assert "alert" in protocol.said.lower() and "certificate" in protocol.said.lower()


@libraries
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_resumes_its_session(
    certificates: Any, library: str, version: str, tmp_path: Path
) -> None:
    kept = str(tmp_path / "session")
    async with AsyncioReactor() as reactor:
        port, _ = serve(reactor, certificates.server_context(library))
        for options, sign in ((("-sess_out", kept), b"New, "), (("-sess_in", kept), b"Reused, ")):
            async with openssl_client(port, version, "-CAfile", certificates.ca_path, *options) as program:
                printed = await answers(program, b"bye")
                assert (await program.ended()).code == 0
            assert sign in printed and b"Verify return code: 0 (ok)" in printed


@libraries
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_server_writes_down_the_keys_that_openssl_does(
    certificates: Any, library: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tmp_path / "ours.txt", tmp_path / "theirs.txt"
    monkeypatch.setenv("SSLKEYLOGFILE", str(ours))
    async with AsyncioReactor() as reactor:
        port, _ = serve(reactor, certificates.server_context(library))
        async with openssl_client(port, version, "-keylogfile", str(theirs)) as program:
            await answers(program, b"bye")
            assert (await program.ended()).code == 0
    assert keys(ours) == keys(theirs) != set()


@libraries
async def test_renegotiation_is_refused_and_the_server_lives(certificates: Any, library: str) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve(reactor, certificates.server_context(library))
        async with openssl_client(port, "-tls1_2") as program:
            await until(lambda: factory.protocols and factory.protocols[0].handshakes)
            await program.takes(b"R\n")
            ended = await program.ended()
        assert ended.code == 1
        assert b"RENEGOTIATING" in ended.complaints and b"no renegotiation" in ended.complaints
        await until(lambda: factory.protocols[0].reasons)
        async with openssl_client(port, *strict(certificates), ready=ESTABLISHED) as program:
            await program.takes(b"one\n")
            assert await program.line() == b"ONE\n"
    assert factory.protocols[0].handshakes == 1


async def test_a_certificate_is_chosen_by_the_name_that_openssl_asks_for(certificates: Any) -> None:
    """By way of the context's own callback."""
    context = certificates.server_context()
    asked = []

    def choose(connection: Any, name: str | None, _: Any) -> None:
        asked.append(name)
        if name == "elsewhere.example":
            connection.context = certificates.server_context(pair=certificates.wrong_host)

    context.sni_callback = choose
    async with AsyncioReactor() as reactor:
        port = reactor.listenSSL(0, Listening(Answering), context, interface=HERE).getHost().port
        for host in ("localhost", "elsewhere.example"):
            async with openssl_client(port, *strict(certificates, host), ready=ESTABLISHED) as program:
                await program.takes(b"bye\n")
                assert await within(program.line()) == b"BYE\n"
    assert asked == ["localhost", "elsewhere.example"]
