"""A FastAPI application and a site of twisted.web in one process, on one event loop, with the same notes.

``python examples/fastapi_with_twisted_web.py`` serves FastAPI at http://127.0.0.1:8000/docs and the site at
http://127.0.0.1:8001/, on uvloop if that is installed; end it with Ctrl-C. It needs
``pip install fastapi uvicorn uvloop twisted``.

The site is ``twisted_web_site.py``, unchanged. Each side uses what the other has: an endpoint of FastAPI's
awaits Twisted's HTTP client, and a page of Twisted's is made by a coroutine of asyncio's.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from twisted.internet.defer import CancelledError
from twisted.python.log import PythonLoggingObserver
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_compat import current_reactor
from twisted_compat.bridge.twisted import as_deferred, as_future, install

HOST = "127.0.0.1"
notes: list[str] = []  # both sides run in one thread: no locks


async def longest_words(count: int) -> list[str]:
    """The longest words of all notes; asyncio leaves looking for them to a thread. Both sides use this."""
    words = {word for note in notes for word in note.split()}
    by_length = await asyncio.to_thread(sorted, words, key=lambda word: (-len(word), word))
    return by_length[:count]


# FastAPI's side


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """As long as FastAPI serves, so does the site. Leaving the reactor closes its port and connections."""
    async with install() as reactor:  # on the loop that runs; twisted.internet.reactor is this one now
        from twisted_web_site import make_site  # which imports twisted.internet.reactor: so not any earlier

        site = make_site(notes)
        site.resource.putChild(b"words", Words())
        port = reactor.listenTCP(app.state.site_port, site, interface=HOST)
        print(f"The site: http://{HOST}:{port.getHost().port}/", flush=True)
        yield


app = FastAPI(title="Notes", lifespan=lifespan)
app.state.site_port = 8001


class Note(BaseModel):
    text: str


@app.get("/notes")
async def get_notes() -> list[str]:
    return notes


@app.post("/notes")
async def add_note(note: Note) -> list[str]:
    notes.append(note.text)
    return notes


@app.get("/words")
async def words() -> list[str]:
    return await longest_words(3)


@app.get("/health")
async def health() -> dict[str, int]:
    """Whether the site answers, asked with Twisted's HTTP client."""
    url = f"http://{HOST}:{app.state.site_port}/".encode()
    response = await as_future(Agent(current_reactor()).request(b"HEAD", url))
    return {"site": response.code}


# Twisted's side: one more page for the site


class Words(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> int:
        answering = as_deferred(self.answer(request))
        request.notifyFinish().addErrback(lambda reason: answering.cancel())  # the browser has gone
        answering.addErrback(lambda failure: failure.trap(CancelledError))
        return NOT_DONE_YET

    async def answer(self, request: Any) -> None:
        request.write("\n".join(await longest_words(3)).encode())
        request.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a FastAPI application and a site of twisted.web.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--site-port", type=int, default=app.state.site_port)
    parser.add_argument("--loop", choices=("auto", "asyncio", "uvloop"), default="auto")
    options = parser.parse_args()
    app.state.site_port = options.site_port
    PythonLoggingObserver().start()  # what Twisted logs goes to logging
    uvicorn.run(app, host=HOST, port=options.port, loop=options.loop, access_log=False)


if __name__ == "__main__":
    main()
