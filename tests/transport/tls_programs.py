"""Programs that speak TLS and know nothing of this package: openssl(1) and nginx(8), which run for as long as
a module's tests do; and what those tests have at their own end."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import pytest
from zope.interface import implementer

from tests.support import DEADLINE, eventually, skip_without, until
from tests.transport.programs import Program, running
from tests.transport.recorders import Connecting, Listening, Recorder
from twisted_compat.interfaces import IHalfCloseableProtocol, IHandshakeListener, IProtocolNegotiationFactory
from twisted_compat.transport.tls_stdlib import SESSIONS_LEAK

__all__ = [
    "Dialling",
    "Nginx",
    "Peer",
    "Service",
    "Serving",
    "Speaker",
    "der",
    "libraries",
    "named_in",
    "nginx",
    "opened",
    "openssl_client",
    "openssl_server",
    "require",
    "resumes",
    "script",
]

HERE = "127.0.0.1"

libraries = pytest.mark.parametrize(
    "library",
    [
        "stdlib",
        pytest.param(
            "pyopenssl",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("OpenSSL") is None, reason="pyOpenSSL is not installed"
            ),
        ),
    ],
)
"""A test with the contexts of each library at our end."""


def require(program: str, package: str | None = None) -> None:
    """Skip the test where this program is missing.

    :param package: Debian's package that it is in, if that has another name.
    """
    if shutil.which(program) is None:
        skip_without(program, f"apt-get install {package or program}")


# Our end


@implementer(IHandshakeListener)
class Speaker(Recorder):
    """A recorder that also notes how many handshakes have been completed, and who its peer turned out to be.

    :ivar certificate: what the peer showed, as DER (bytes); None for nothing.
    :ivar agreed: the protocol that ALPN has chosen (bytes); None for none.
    """

    on_handshake: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.handshakes = 0
        self.certificate: bytes | None = None
        self.agreed: bytes | None = None

    def handshakeCompleted(self) -> None:
        self.handshakes += 1
        self.certificate = der(self.transport.getPeerCertificate())
        self.agreed = self.transport.negotiatedProtocol
        if self.on_handshake is not None:
            self.on_handshake(self)

    @property
    def ended(self) -> list[str]:
        """The names of the reasons for which the connection was lost: none, or one."""
        return [reason.type.__name__ for reason in self.reasons]

    @property
    def said(self) -> str:
        """What the reasons say."""
        return " ".join(str(reason.value) for reason in self.reasons)


@implementer(IHalfCloseableProtocol)
class Peer(Speaker):
    """One that hears of the ends of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        self.halves.append("write")


@implementer(IProtocolNegotiationFactory)
class _Negotiating:
    names: Sequence[bytes] = ()

    def acceptableProtocols(self) -> list[bytes]:
        return list(self.names)


class Serving(_Negotiating, Listening):
    """A server's factory; ``names`` is what it offers to ALPN."""


class Dialling(_Negotiating, Connecting):
    """A client's factory; ``names`` is what it offers to ALPN."""


def der(certificate: Any) -> bytes | None:
    """A peer's certificate, of either library, as DER."""
    if certificate is None:
        return None
    if hasattr(certificate, "der"):
        found: bytes = certificate.der
        return found
    from OpenSSL import crypto

    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def named_in(path: str) -> bytes:
    """The first certificate of a PEM file, as DER."""
    import ssl

    end = "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(Path(path).read_text().partition(end)[0] + end)


def resumes(library: str) -> bool:
    """Whether a client with contexts of this library resumes a session, where it could."""
    return library == "pyopenssl" or not SESSIONS_LEAK


async def opened(factory: Any, count: int = 1) -> Any:
    """Wait for so many connections whose handshakes are done; return the last one's protocol."""

    def are_there() -> bool:
        return len(factory.protocols) >= count and factory.protocols[count - 1].handshakes > 0

    await until(are_there)
    return factory.protocols[count - 1]


# Programs


class Service:
    """A program that runs until it is stopped. What it prints and complains about is collected by a thread.

    :param command: its command line.
    :param inherits: sockets that it shares, under the numbers that they have here.
    :param environment: what is set for it in addition.
    :ivar lines: what it has printed and complained about so far.
    """

    def __init__(
        self,
        *command: str,
        inherits: Sequence[socket.socket] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
            pass_fds=[skt.fileno() for skt in inherits],
            env=os.environ | (environment or {}),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def tell(self, line: str) -> None:
        """Write this line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def said(self, text: str, since: int = 0) -> str | None:
        """The first line with this text in it, not looking at so many lines; None if there is none."""
        return next((line for line in self.lines[since:] if text in line), None)

    def ready(self, sign: str) -> str:
        """Wait for a line with this in it, where no loop runs."""

        def is_ready() -> str | None:
            assert self.process.poll() is None, (self.process.poll(), self.lines)
            return self.said(sign)

        line: str = eventually(is_ready)
        return line

    def stop(self) -> None:
        """Kill it, and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class OpensslServer(Service):
    """``openssl s_server``, which sends each line back in reverse, to one client after the other.

    :ivar port: where it listens, on 127.0.0.1.
    """

    def __init__(self, pair: Any, *options: str) -> None:
        require("openssl")
        files = ("-cert", pair.chain_path, "-key", pair.key_path)
        super().__init__("openssl", "s_server", "-accept", f"{HERE}:0", *files, *options)
        self.port = int(self.ready("ACCEPT").rpartition(":")[2])


@contextlib.contextmanager
def openssl_server(pair: Any, *options: str) -> Iterator[OpensslServer]:
    """``openssl s_server`` with a certificate and options."""
    service = OpensslServer(pair, *options)
    try:
        yield service
    finally:
        service.stop()


@contextlib.asynccontextmanager
async def openssl_client(port: int, *options: str, ready: Sequence[bytes] = ()) -> AsyncIterator[Program]:
    """``openssl s_client`` on a connection to a port of this machine.

    :param ready: as :func:`~tests.transport.programs.running` takes it.
    """
    require("openssl")
    command = ("openssl", "s_client", "-connect", f"{HERE}:{port}", *options)
    async with running(*command, ready=ready) as program:
        yield program


CONFIGURATION = """\
daemon off;
worker_processes 1;
{user}
pid {home}/nginx.pid;
error_log stderr info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
{servers}
}}
"""


class Nginx(Service):
    """nginx, all of whose files are in one directory.

    :param home: that directory.
    :param servers: what its configuration says within ``http``; ``{port}`` and ``{other}`` stand for what it
        listens on.
    :param names: what else stands for something there.
    :ivar port: the one, on 127.0.0.1.
    :ivar other: the other.
    """

    def __init__(self, home: Path, servers: str, **names: Any) -> None:
        require("nginx")
        with contextlib.ExitStack() as stack:
            # As after an upgrade of itself, it finds its sockets open: nobody can take the numbers from it.
            sockets = [stack.enter_context(socket.create_server((HERE, 0))) for _ in range(2)]
            self.port, self.other = (skt.getsockname()[1] for skt in sockets)
            servers = servers.format(port=f"{HERE}:{self.port}", other=f"{HERE}:{self.other}", **names)
            user = "" if os.geteuid() else "user root;"  # root's workers would else be those of somebody else
            text = CONFIGURATION.format(home=home, user=user, servers=servers)
            (home / "nginx.conf").write_text(text)
            super().__init__(
                *("nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"),
                inherits=sockets,
                environment={"NGINX": "".join(f"{skt.fileno()};" for skt in sockets)},
            )


@contextlib.contextmanager
def nginx(home: Path, servers: str, **names: Any) -> Iterator[Nginx]:
    """A running :class:`Nginx`."""
    service = Nginx(home, servers, **names)
    try:
        service.ready("start worker process ")
        yield service
    finally:
        service.stop()


@contextlib.contextmanager
def script(text: str, *arguments: str) -> Iterator[Service]:
    """A Python program in a process of its own, which has said that it is ready."""
    service = Service(sys.executable, "-u", "-c", text, *arguments)
    try:
        service.ready("ready")
        yield service
    finally:
        service.stop()
