"""``twisted.web``'s Agent and treq on our reactor, with the standard library's HTTP server at the other
end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import TimeoutError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Cooperator
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    FileBodyProducer,
    HTTPConnectionPool,
    PartialDownloadError,
    RedirectAgent,
    ResponseFailed,
    ResponseNeverReceived,
    readBody,
)
from twisted.web.http_headers import Headers

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.peers import BIG, http_server
from tests.bridge.twisted.ecosystem.reactors import embedded, installed, on_a_fresh_loop, result
from tests.support import until

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [
    pytest.mark.without_debug,
    # Of pyOpenSSL about how Twisted's certificates use it.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
    # Of readBody about Twisted's own Agent, on whatever reactor.
    pytest.mark.filterwarnings("ignore:Using readBody with a transport:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def pooled(reactor: Any) -> AsyncIterator[HTTPConnectionPool]:
    pool = HTTPConnectionPool(reactor)
    try:
        yield pool
    finally:
        await result(pool.closeCachedConnections())


async def get(agent: Any, address: str) -> tuple[int, bytes]:
    """The status and the body of a page."""
    response = await result(agent.request(b"GET", address.encode()))
    return response.code, await result(readBody(response))


# Agent


@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
async def test_an_agent_uses_its_pools_connections_again(secured: bool, authority: Authority) -> None:
    context = authority.server_context() if secured else None
    async with embedded() as reactor, pooled(reactor) as pool:
        with http_server(context) as server:
            agent = Agent(reactor, BrowserLikePolicyForHTTPS(authority.trust()), pool=pool)
            assert await get(agent, f"{server.address}/hello") == (200, b"hello")
            assert await get(agent, f"{server.address}/big") == (200, BIG)
            assert await get(agent, f"{server.address}/hello") == (200, b"hello")
            assert len(set(server.peers)) == 1
            both = await asyncio.gather(*(get(agent, f"{server.address}/big") for _ in range(2)))
            assert both == [(200, BIG)] * 2
            assert len(set(server.peers)) == 2
            await result(pool.closeCachedConnections())


async def test_an_agent_without_a_pool_closes_each_connection() -> None:
    async with embedded() as reactor:
        with http_server() as server:
            agent = RedirectAgent(Agent(reactor))
            assert await get(agent, f"{server.address}/moved") == (200, b"hello")
            assert len(set(server.peers)) == 2
            await until(lambda: not reactor.getReaders())


async def test_an_agent_does_not_trust_everybody(authority: Authority) -> None:
    async with embedded() as reactor:
        with http_server(authority.server_context()) as server:
            with pytest.raises(ResponseNeverReceived, match="certificate verify failed"):
                await get(Agent(reactor), f"{server.address}/hello")
            assert not server.peers


async def test_an_agent_posts_what_a_producer_gives() -> None:
    async with embedded() as reactor:
        with http_server() as server:
            cooperator = Cooperator(scheduler=lambda work: reactor.callLater(0, work))
            response = await result(
                Agent(reactor).request(
                    b"POST",
                    f"{server.address}/echo".encode(),
                    Headers({"Content-Type": ["text/x-big"]}),
                    FileBodyProducer(BytesIO(BIG), cooperator),
                )
            )
            assert response.headers.getRawHeaders("Content-Type") == ["text/x-big"]
            assert await result(readBody(response)) == BIG


class Body(Protocol):
    """Takes a body, with a pause early on."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self.paused = self.finished = False

    def dataReceived(self, data: bytes) -> None:
        self.hash.update(data)
        self.size += len(data)
        if self.size > len(BIG) / 8 and not self.paused:
            self.paused = True
            assert self.transport is not None
            self.transport.pauseProducing()

    def connectionLost(self, reason: Any = None) -> None:
        self.finished = True


async def test_a_body_comes_as_it_is_wanted() -> None:
    async with embedded() as reactor:
        with http_server() as server:
            response = await result(Agent(reactor).request(b"GET", f"{server.address}/big".encode()))
            body = Body()
            response.deliverBody(body)
            await until(lambda: body.paused)
            before = body.size
            await asyncio.sleep(0.01)  # in which all of it would have come
            assert (body.size, body.finished) == (before, False)
            assert body.transport is not None
            body.transport.resumeProducing()
            await until(lambda: body.finished)
            assert body.hash.hexdigest() == hashlib.sha256(BIG).hexdigest()


async def test_a_body_that_is_cut_short_is_an_error() -> None:
    async with embedded() as reactor:
        with http_server() as server, pytest.raises((PartialDownloadError, ResponseFailed)):
            await get(Agent(reactor), f"{server.address}/torn")


async def test_a_request_is_cancelled_or_late() -> None:
    async with embedded() as reactor:
        with http_server() as server:
            requested = Agent(reactor).request(b"GET", f"{server.address}/slow".encode())
            await until(lambda: server.peers)
            requested.cancel()
            with pytest.raises(ResponseNeverReceived) as cancelled:
                await result(requested)
            assert [reason.type for reason in cancelled.value.reasons] == [CancelledError]
            late = Agent(reactor).request(b"GET", f"{server.address}/slow".encode())
            late.addTimeout(0.01, reactor)
            with pytest.raises((TimeoutError, ResponseNeverReceived)):
                await result(late)


# treq


@pytest.mark.parametrize("where", [embedded, installed])
async def test_treq_gets_and_posts(where: Any) -> None:
    import treq

    async with where():
        with http_server() as server:
            response = await result(treq.get(f"{server.address}/moved", persistent=False))
            assert (response.code, await result(response.text())) == (200, "hello")
            response = await result(
                treq.post(f"{server.address}/echo", json={"a": [1, 2]}, cookies={"c": "d"}, persistent=False)
            )
            assert await result(response.json()) == {"a": [1, 2]}
            assert response.headers.getRawHeaders("X-Cookie") == ["c=d"]
            uploaded = await result(
                treq.post(f"{server.address}/echo", files={"f": ("n", BytesIO(BIG))}, persistent=False)
            )
            assert BIG in await result(uploaded.content())


@pytest.mark.parametrize("where", [embedded, installed])
def test_treqs_own_pool_outlives_a_loop(where: Any, loop_factory: LoopFactory) -> None:
    import treq
    from treq.api import set_global_pool

    async def get_twice(address: str) -> None:
        async with where():
            for _ in range(2):
                response = await result(treq.get(address))
                assert await result(response.text()) == "hello"

    set_global_pool(None)
    with http_server() as server:
        for _ in range(3):
            on_a_fresh_loop(loop_factory, get_twice(f"{server.address}/hello"))
    set_global_pool(None)
    assert len(server.peers) == 6
    assert len(set(server.peers)) == 3  # one connection on each loop


async def test_treq_uses_the_reactor_that_it_is_given(authority: Authority) -> None:
    from treq.client import HTTPClient

    async with embedded() as reactor, pooled(reactor) as pool:
        with http_server(authority.server_context()) as server:
            client = HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(authority.trust()), pool=pool))
            pieces: list[bytes] = []
            response = await result(client.get(f"{server.address}/big"))
            await result(response.collect(pieces.append))
            assert b"".join(pieces) == BIG
            response = await result(client.get(f"{server.address}/hello"))
            assert await result(response.content()) == b"hello"
            assert response.headers.getRawHeaders("X-Cookie") == ["a=b"]  # which the first answer set
            await result(pool.closeCachedConnections())
