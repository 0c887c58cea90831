"""STARTTLS (RFC 3207) with programs that know nothing of this package: aiosmtpd, smtplib, openssl(1) and
curl(1); and with who injects a line in the clear, to have it taken for what came encrypted."""

from __future__ import annotations

import asyncio
import importlib.util
import smtplib
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from zope.interface import implementer

from tests.support import DEADLINE, skip_without, until, within
from tests.transport.programs import ran
from tests.transport.recorders import Connecting, Listening
from tests.transport.tls_programs import libraries, openssl_client
from twisted_compat import AsyncioReactor
from twisted_compat.interfaces import IHandshakeListener
from twisted_compat.protocols.basic import LineReceiver

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
SENDER, RECIPIENT = "ann@example.org", "bob@example.org"
MESSAGE = "Subject: a word\r\n\r\n" + "Dear Bob,\r\n" * 3000


# A server of ours


@implementer(IHandshakeListener)
class MailServer(LineReceiver):
    """Takes mail, and STARTTLS once; writes down what it was told, and when its handshake was done."""

    context: Any = None

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.mail: list[bytes] = []
        self.reading_mail = False
        self.encrypted = False
        self.reasons: list[Any] = []

    def connectionMade(self) -> None:
        self.sendLine(b"220 here")

    def handshakeCompleted(self) -> None:
        self.encrypted = True
        self.told.append(b"(handshake)")

    def lineReceived(self, line: bytes) -> None:
        if self.reading_mail:
            self._mail(line)
            return
        self.told.append(line)
        verb = line.split(b" ")[0].split(b":")[0].upper()
        if verb == b"EHLO":
            self.sendLine(b"250-here" if not self.encrypted else b"250 here")
            if not self.encrypted:
                self.sendLine(b"250 STARTTLS")
        elif verb == b"STARTTLS":
            self.sendLine(b"220 go on")
            self.transport.startTLS(self.context)
        elif verb == b"DATA":
            self.reading_mail = True
            self.sendLine(b"354 go on")
        elif verb == b"QUIT":
            self.sendLine(b"221 so long")
            self.transport.loseConnection()
        else:
            self.sendLine(b"250 fine")

    def _mail(self, line: bytes) -> None:
        if line == b".":
            self.reading_mail = False
            self.sendLine(b"250 fine")
        else:
            self.mail.append(line)

    def connectionLost(self, reason: Any = None) -> None:
        self.reasons.append(reason)

    @property
    def ended(self) -> list[str]:
        return [reason.type.__name__ for reason in self.reasons]


def serve_mail(reactor: Any, context: Any) -> tuple[int, Listening]:
    class Server(MailServer):
        pass

    Server.context = context
    factory = Listening(Server)
    return reactor.listenTCP(0, factory, interface=HERE).getHost().port, factory


@libraries
async def test_smtplib_sends_mail_by_starttls(certificates: Any, library: str) -> None:
    def send(port: int) -> None:
        with smtplib.SMTP(HERE, port, "localhost", timeout=DEADLINE) as client:
            client.ehlo()
            client.starttls(context=certificates.client_context())
            assert not client.has_extn("starttls")
            client.sendmail(SENDER, RECIPIENT, MESSAGE)

    async with AsyncioReactor() as reactor:
        port, factory = serve_mail(reactor, certificates.server_context(library))
        await within(asyncio.to_thread(send, port))
        (server,) = factory.protocols
        await until(lambda: server.reasons)
    assert [line.split(b":")[0].split(b" ")[0].upper() for line in server.told] == [
        *(b"EHLO", b"STARTTLS", b"(HANDSHAKE)", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT")
    ]
    assert b"\r\n".join(server.mail) + b"\r\n" == MESSAGE.encode()
    assert server.ended == ["ConnectionDone"]


@libraries
async def test_openssl_starts_tls_in_smtp(certificates: Any, library: str) -> None:
    options = ("-starttls", "smtp", "-brief", "-verify_return_error", "-CAfile", certificates.ca_path)
    async with AsyncioReactor() as reactor:
        port, factory = serve_mail(reactor, certificates.server_context(library))
        async with openssl_client(port, *options, "-crlf", ready=[b"Verification: OK"]) as program:
            await program.takes(b"NOOP\n")
            assert await program.line() == b"250 fine\r\n"
            await program.takes(b"QUIT\n")
            assert (await program.ended()).code == 0
        (server,) = factory.protocols
        await until(lambda: server.reasons)
    assert server.told[1:4] == [b"STARTTLS", b"(handshake)", b"NOOP"]
    assert server.ended == ["ConnectionDone"]


async def test_curl_sends_mail_by_starttls(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        port, factory = serve_mail(reactor, certificates.server_context())
        where = (f"smtp://localhost:{port}/here", "--ssl-reqd", "--cacert", certificates.ca_path)
        mail = ("--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", "-")
        ended = await ran("curl", "--silent", "--show-error", *where, *mail, stdin=MESSAGE.encode())
        assert (ended.code, ended.complaints) == (0, b"")
        (server,) = factory.protocols
        await until(lambda: server.reasons)
    assert b"\r\n".join(server.mail) + b"\r\n" == MESSAGE.encode()
    assert server.told.index(b"STARTTLS") < server.told.index(b"(handshake)") < server.told.index(b"DATA")


@libraries
async def test_a_line_injected_in_the_clear_is_never_processed(certificates: Any, library: str) -> None:
    """It comes in the same segment as STARTTLS, before TLS is spoken."""

    def inject(port: int) -> bytes:
        with socket.create_connection((HERE, port), DEADLINE) as plain:
            assert plain.recv(100) == b"220 here\r\n"
            plain.sendall(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
            assert plain.recv(100) == b"220 go on\r\n"
            context = certificates.client_context()
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(b"NOOP\r\nQUIT\r\n")
                return b"".join(iter(lambda: secured.recv(100), b""))

    async with AsyncioReactor() as reactor:
        port, factory = serve_mail(reactor, certificates.server_context(library))
        answers = await within(asyncio.to_thread(inject, port))
        (server,) = factory.protocols
        await until(lambda: server.reasons)
    assert answers == b"250 fine\r\n221 so long\r\n"
    assert server.told == [b"STARTTLS", b"(handshake)", b"NOOP", b"QUIT"]


# A client of ours


@implementer(IHandshakeListener)
class MailClient(LineReceiver):
    """Sends a mail, with STARTTLS before it; writes down what it was answered.

    :ivar certificate: what the server has shown.
    """

    context: Any = None
    commands = (
        b"EHLO here",
        b"STARTTLS",
        b"EHLO here",
        f"MAIL FROM:<{SENDER}>".encode(),
        f"RCPT TO:<{RECIPIENT}>".encode(),
        b"DATA",
        MESSAGE.encode() + b".",
        b"QUIT",
    )

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.left = list(self.commands)
        self.said = b""
        self.reasons: list[Any] = []
        self.made = 0
        self.certificate: Any = None

    def connectionMade(self) -> None:
        self.made = 1

    def handshakeCompleted(self) -> None:
        self.answers.append(b"(handshake)")
        self.certificate = self.transport.getPeerCertificate()
        self._go_on()

    def lineReceived(self, line: bytes) -> None:
        self.answers.append(line)
        if line[3:4] == b"-":
            return
        if self.said == b"STARTTLS":
            self.transport.startTLS(self.context, server_hostname="localhost")
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self.left:
            self.said = self.left.pop(0)
            self.sendLine(self.said)

    def connectionLost(self, reason: Any = None) -> None:
        self.reasons.append(reason)

    @property
    def ended(self) -> list[str]:
        return [reason.type.__name__ for reason in self.reasons]


def send_mail(reactor: Any, port: int, context: Any) -> Connecting:
    class Client(MailClient):
        pass

    Client.context = context
    factory = Connecting(Client)
    reactor.connectTCP(HERE, port, factory)
    return factory


class Box:
    """What aiosmtpd gives its mails to."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append((session.ssl is not None, envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 fine"


async def _ended(tasks: Iterable[Any]) -> None:
    await asyncio.gather(asyncio.sleep(0), *tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def mailbox(certificates: Any) -> Iterator[tuple[int, Box]]:
    """aiosmtpd, which takes mail by TLS alone, in a thread and on a loop of its own."""
    if importlib.util.find_spec("aiosmtpd") is None:
        skip_without("aiosmtpd", "pip install aiosmtpd")
    from aiosmtpd.smtp import SMTP

    box, loop = Box(), asyncio.new_event_loop()

    def serve() -> SMTP:
        context = certificates.server_context()
        return SMTP(box, hostname="here", tls_context=context, require_starttls=True, loop=loop)

    server = loop.run_until_complete(loop.create_server(serve, HERE, 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        server.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait_for(_ended(tasks), DEADLINE))
        loop.close()


@libraries
async def test_we_send_mail_to_aiosmtpd_by_starttls(
    mailbox: tuple[int, Box], certificates: Any, library: str
) -> None:
    port, box = mailbox
    before = len(box.mails)
    async with AsyncioReactor() as reactor:
        factory = send_mail(reactor, port, certificates.client_context(library))
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
    (client,) = factory.protocols
    assert client.ended == ["ConnectionDone"]
    assert client.answers[-1].startswith(b"221")
    assert client.answers.index(b"(handshake)") > client.answers.index(b"220 Ready to start TLS")
    assert client.certificate is not None
    assert box.mails[before:] == [(True, SENDER, [RECIPIENT], MESSAGE.encode())]


@libraries
async def test_an_answer_injected_in_the_clear_is_never_processed(certificates: Any, library: str) -> None:
    """It comes in the same segment as the go-ahead."""

    def inject(listener: socket.socket) -> list[bytes]:
        told = []
        plain, _ = listener.accept()
        plain.settimeout(DEADLINE)
        plain.sendall(b"220 here\r\n")
        told.append(plain.recv(100))
        plain.sendall(b"250 STARTTLS\r\n")
        told.append(plain.recv(100))
        plain.sendall(b"220 go\r\n250 injected\r\n")
        with certificates.server_context().wrap_socket(plain, server_side=True) as secured:
            told.append(secured.recv(100))
            secured.sendall(b"250 here\r\n")
            told.append(secured.recv(100))
        return told

    with socket.create_server((HERE, 0)) as listener:
        listener.settimeout(DEADLINE)
        async with AsyncioReactor() as reactor:
            injecting = asyncio.create_task(asyncio.to_thread(inject, listener))
            context = certificates.client_context(library)
            factory = send_mail(reactor, listener.getsockname()[1], context)
            told = await within(injecting)
            (client,) = factory.protocols
            await until(lambda: client.reasons)
    assert told == [b"EHLO here\r\n", b"STARTTLS\r\n", b"EHLO here\r\n", f"MAIL FROM:<{SENDER}>\r\n".encode()]
    assert client.answers == [b"220 here", b"250 STARTTLS", b"220 go", b"(handshake)", b"250 here"]
