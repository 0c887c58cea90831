"""Scrapy crawls a small site of twisted.web's, both on our reactor; prints what it found, as JSON.

    scrapy_program LOOP HOW

HOW is "runner" (in a running loop, as a part of a greater program) or "process" (Scrapy is the program).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess, CrawlerRunner
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.bridge.twisted.ecosystem.children import run_on
from tests.support import free_port
from twisted_compat.bridge.twisted import as_future, install

SETTINGS = {
    "LOG_LEVEL": "ERROR",
    "TELNETCONSOLE_ENABLED": False,
    "ROBOTSTXT_OBEY": True,
}
ADDRESS = f"http://127.0.0.1:{free_port()}/"
found: dict[str, list[Any]] = {"pages": [], "missing": [], "waited": []}


class Page(Resource):
    """Some links."""

    def __init__(self, *links: str) -> None:
        super().__init__()
        self.links = links

    def getChild(self, path: bytes, request: Any) -> Any:
        return self

    def render_GET(self, request: Any) -> bytes:
        """The page."""
        request.setHeader("content-type", "text/html")
        return "".join(f'<a href="/{link}">' for link in self.links).encode()


def serve(reactor: Any) -> None:
    """The site: five pages, of which robots may not see one, and links to two that aren't there."""
    root = Resource()
    root.putChild(b"", Page("a", "b", "c"))
    root.putChild(b"a", Page("b", "gone"))
    root.putChild(b"b", Page("a", "lost"))
    root.putChild(b"c", Page("secret"))
    root.putChild(b"secret", Page())
    robots = Resource()
    robots.render_GET = lambda request: b"User-agent: *\nDisallow: /secret"  # type: ignore[attr-defined]
    root.putChild(b"robots.txt", robots)
    reactor.listenTCP(int(ADDRESS.rstrip("/").rpartition(":")[2]), Site(root), interface="127.0.0.1")


class Spider(scrapy.Spider):
    """Follows every link of the site, and waits on the way for asyncio and for Twisted."""

    name = "spider"

    async def start(self) -> AsyncIterator[Any]:
        """Where the crawl begins."""
        await asyncio.sleep(0.001)
        yield scrapy.Request(ADDRESS)

    async def parse(self, response: Any) -> AsyncIterator[Any]:
        """A page."""
        from twisted.internet import reactor

        task = asyncio.create_task(asyncio.sleep(0.001, 1))
        found["waited"].append(await task)
        found["waited"].append(await as_future(deferLater(reactor, 0.001, int, 2)))
        found["pages"].append(response.url.removeprefix(ADDRESS))
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, errback=self.failed)

    def failed(self, failure: Any) -> None:
        """A page that isn't there."""
        if hasattr(failure.value, "response"):
            found["missing"].append(failure.value.response.url.removeprefix(ADDRESS))


async def within_a_loop() -> None:
    """The program's own coroutine, where everything else of it would run too."""
    settings = {"TWISTED_REACTOR": "twisted_compat.bridge.twisted.TwistedReactor", **SETTINGS}
    async with install() as reactor:
        serve(reactor)
        await as_future(CrawlerRunner(settings).crawl(Spider))


def as_a_program(loop: str) -> None:
    """Scrapy has the process, and installs the reactor that its settings name."""
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    process = CrawlerProcess(
        {"TWISTED_REACTOR": "twisted_compat.bridge.twisted.scrapy.ScrapyReactor", **SETTINGS}
    )
    process.crawl(Spider)
    from twisted.internet import reactor

    serve(reactor)
    process.start()


if __name__ == "__main__":
    if sys.argv[2] == "runner":
        run_on(sys.argv[1], within_a_loop())
    else:
        as_a_program(sys.argv[1])
    print(json.dumps({name: sorted(these) for name, these in found.items()}))
