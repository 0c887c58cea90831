"""``twisted.web``'s server on our reactor, with curl as its client: pages, files, WSGI, klein."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.wsgi import WSGIResource

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.peers import BIG, curl
from tests.bridge.twisted.ecosystem.reactors import embedded, installed, result
from tests.support import until, within
from twisted_compat.transport.tcp_listen import Server

pytestmark = [
    pytest.mark.without_debug,
    # Of pyOpenSSL about how Twisted's certificates use it.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
    # Of Twisted about itself, as twisted.web.static is imported.
    pytest.mark.filterwarnings("ignore:twisted.web.resource._Unsafe:DeprecationWarning"),
]


class Page(Resource):
    """Answers GET and POST with what a function makes of the request."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.render_GET = self.render_POST = answer


def site(reactor: Any, **pages: Any) -> Site:
    """A site of pages by their names. It logs nothing."""
    root = Resource()
    for name, page in pages.items():
        root.putChild(name.encode(), page if IResource.providedBy(page) else Page(page))
    made = Site(root, reactor=reactor)
    made.noisy = False
    return made


@asynccontextmanager
async def serving(reactor: Any, **pages: Any) -> AsyncIterator[str]:
    """A site on plain HTTP; its address."""
    port = reactor.listenTCP(0, site(reactor, **pages), interface="127.0.0.1")
    yield f"http://127.0.0.1:{port.getHost().port}"
    await result(port.stopListening())


# Pages


async def test_a_page_is_served_twice_on_one_connection() -> None:
    peers: list[Any] = []

    def hello(request: Any) -> bytes:
        peers.append(request.getClientAddress().port)
        return b"hello\n"

    async with embedded() as reactor, serving(reactor, hello=hello) as address:
        assert await curl(f"{address}/hello", f"{address}/hello") == b"hello\nhello\n"
        assert await curl("--write-out", "%{http_code}", "--output", "/dev/null", f"{address}/no") == b"404"
    assert len(peers) == 2
    assert len(set(peers)) == 1


async def test_a_page_takes_what_is_posted(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BIG)

    def measure(request: Any) -> bytes:
        return hashlib.sha256(request.content.read()).hexdigest().encode()

    async with embedded() as reactor, serving(reactor, measure=measure) as address:
        answer = await curl("--data-binary", f"@{tmp_path / 'body'}", f"{address}/measure")
        assert answer.decode() == hashlib.sha256(BIG).hexdigest()


async def test_a_page_is_finished_later_in_pieces() -> None:
    def slow(request: Any) -> int:
        async def pieces() -> None:
            for number in range(3):
                await deferLater(reactor, 0.001)
                request.write(b"piece %d\n" % number)
            request.finish()

        Deferred.fromCoroutine(pieces())
        return NOT_DONE_YET

    async with embedded() as reactor, serving(reactor, slow=slow) as address:
        said = await curl("--include", f"{address}/slow")
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert body == b"piece 0\npiece 1\npiece 2\n"


async def test_a_page_hears_that_nobody_waits_any_more() -> None:
    reasons: list[Any] = []

    def never(request: Any) -> int:
        request.notifyFinish().addErrback(reasons.append)
        return NOT_DONE_YET

    async with embedded() as reactor, serving(reactor, never=never) as address:
        await curl("--max-time", "0.1", f"{address}/never", fails=True)
        await until(lambda: reasons)
    assert reasons[0].check(ConnectionDone, ConnectionLost)


async def test_a_request_that_does_not_come_is_timed_out() -> None:
    async with embedded() as reactor:
        quick = site(reactor)
        quick.timeOut = 0.01
        port = reactor.listenTCP(0, quick, interface="127.0.0.1")
        reader, writer = await within(asyncio.open_connection("127.0.0.1", port.getHost().port))
        assert await within(reader.read()) == b""
        writer.close()
        await within(writer.wait_closed())


async def test_pages_are_served_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with embedded() as reactor:
        pages = site(reactor, big=lambda request: BIG, hello=lambda request: b"hello")
        port = reactor.listenSSL(0, pages, authority.server_options(), interface="127.0.0.1")
        address = f"https://localhost:{port.getHost().port}"
        trusting = ["--cacert", str(authority.authority_file)]
        got = await curl(*trusting, f"{address}/hello", f"{address}/big")
        assert got == b"hello" + BIG
        await curl(f"{address}/hello", fails=True)
        await until(lambda: not port.factory.protocols)  # each connection ended with its client


# Files: what is sent is produced as the client takes it


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    (directory / "big").write_bytes(BIG)
    return directory


@pytest.fixture
def files(directory: Path) -> Any:
    """A resource: a directory with a big file."""
    from twisted.web.static import File

    return File(str(directory))


async def test_a_big_file_is_served(files: Any, tmp_path: Path) -> None:
    async with embedded() as reactor, serving(reactor, files=files) as address:
        await curl("--output", str(tmp_path / "got"), f"{address}/files/big")
        assert (tmp_path / "got").read_bytes() == BIG
        part = await curl("--range", "1000-2999", f"{address}/files/big")
        assert part == BIG[1000:3000]
        parts = await curl("--range", "0-9,100-109", f"{address}/files/big")
        assert parts.count(BIG[:10]) == 1
        assert parts.count(BIG[100:110]) == 1


async def test_who_takes_little_of_a_file_is_sent_little(files: Any) -> None:
    async with embedded() as reactor, serving(reactor, files=files) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await within(asyncio.open_connection(host, int(port), limit=1 << 16))
        writer.write(b"GET /files/big HTTP/1.0\r\n\r\n")
        await within(reader.readuntil(b"\r\n\r\n"))
        (server,) = connections(reactor)
        await until(lambda: server.producerPaused)
        assert len(server.dataBuffer) < len(BIG) / 4
        assert await within(reader.read(-1)) == BIG
        writer.close()
        await within(writer.wait_closed())


def connections(reactor: Any) -> list[Any]:
    """What a server of the reactor's has."""
    return [reader for reader in reactor.getReaders() if isinstance(reader, Server)]


async def test_who_goes_away_from_a_file_ends_its_sending(files: Any) -> None:
    async with embedded() as reactor, serving(reactor, files=files) as address:
        got = await curl("--max-filesize", "1000", f"{address}/files/big", fails=True)
        assert got == b""
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await within(asyncio.open_connection(host, int(port)))
        writer.write(b"GET /files/big HTTP/1.1\r\nHost: us\r\n\r\n")
        await within(reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()
        await until(lambda: not connections(reactor))


# WSGI: an application in the reactor's threads


async def test_a_wsgi_application_runs_in_threads() -> None:
    threads: set[int] = set()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        threads.add(threading.get_ident())
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
        yield b"you said: "
        yield body

    async with embedded() as reactor:
        resource = WSGIResource(reactor, reactor.getThreadPool(), application)
        async with serving(reactor, wsgi=resource) as address:
            said = await curl("--include", "--data-binary", "something", f"{address}/wsgi/a/b")
    assert b"x-path: /a/b\r\n" in said.lower()
    assert said.endswith(b"\r\n\r\nyou said: something")
    assert threads
    assert threading.get_ident() not in threads


# klein


@pytest.mark.parametrize("where", [embedded, installed])
async def test_a_klein_site_has_routes_that_return_deferreds(where: Any) -> None:
    async with where() as reactor:
        from klein import Klein  # imports the global reactor

        app = Klein()

        @app.route("/later/<int:number>")
        def later(request: Any, number: int) -> Any:
            return deferLater(reactor, 0.001, lambda: str(number * 2))

        @app.route("/coroutine", methods=["POST"])
        async def coroutine(request: Any) -> bytes:
            await deferLater(reactor, 0.001)
            body: bytes = request.content.read()
            return body.upper()

        @app.route("/wrong")
        def wrong(request: Any) -> Any:
            return deferLater(reactor, 0.001, lambda: {}["missing"])

        @app.handle_errors(KeyError)
        def explain(request: Any, failure: Any) -> str:
            request.setResponseCode(418)
            return f"no {failure.value.args[0]}"

        port = reactor.listenTCP(0, Site(app.resource(), reactor=reactor), interface="127.0.0.1")
        address = f"http://127.0.0.1:{port.getHost().port}"
        assert await curl(f"{address}/later/21") == b"42"
        assert await curl("--data", "shout", f"{address}/coroutine") == b"SHOUT"
        said = await curl("--write-out", " %{http_code}", f"{address}/wrong")
        assert said == b"no missing 418"
