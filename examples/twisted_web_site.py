"""A site of twisted.web, as it may have been written years ago: nothing in it knows asyncio.

``python examples/twisted_web_site.py`` serves it on Twisted's own reactor, at http://127.0.0.1:8001/.
``fastapi_with_twisted_web.py`` serves it, as it stands here, in one process with a FastAPI application.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import sys
from html import escape
from typing import Any

from twisted.internet import defer, endpoints, reactor, task
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.static import File
from twisted.web.util import redirectTo

SLOWLY = 0.2  # seconds
PAGE = """<!DOCTYPE html>
<title>Notes</title>
<ul>{notes}</ul>
<form method="post"><input name="text"> <button>Add</button></form>
"""


class Notes(Resource):
    """The front page: all notes, and a form to add one."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes = notes

    def getChild(self, path: bytes, request: Any) -> Any:
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return PAGE.format(notes="".join(f"<li>{escape(note)}</li>" for note in self.notes)).encode()

    def render_POST(self, request: Any) -> bytes:
        self.notes.append(request.args.get(b"text", [b""])[0].decode())
        return redirectTo(b"/", request)


class Slow(Resource):
    """Answers after a while; if the browser has gone by then, not at all."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        def answer() -> None:
            request.write(b"At last.\n")
            request.finish()

        call = reactor.callLater(SLOWLY, answer)
        request.notifyFinish().addErrback(lambda reason: call.cancel())
        return NOT_DONE_YET


class Countdown(Resource):
    """Sends a line, waits, sends the next: a Deferred at a time."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        counting = self.count(request)
        request.notifyFinish().addErrback(lambda reason: counting.cancel())
        counting.addErrback(lambda failure: failure.trap(defer.CancelledError))
        return NOT_DONE_YET

    @defer.inlineCallbacks
    def count(self, request: Any) -> Any:
        for number in (3, 2, 1):
            request.write(b"%d\n" % number)
            yield task.deferLater(reactor, SLOWLY / 4)
        request.finish()


def make_site(notes: list[str]) -> Site:
    """The site, to listen with.

    :param notes: what it shows, and adds to.
    """
    root = Notes(notes)
    root.putChild(b"slow", Slow())
    root.putChild(b"countdown", Countdown())
    root.putChild(b"source", File(__file__))
    return Site(root)


def main() -> None:
    port = sys.argv[1] if len(sys.argv) > 1 else "8001"
    listening = endpoints.serverFromString(reactor, f"tcp:{port}:interface=127.0.0.1").listen(make_site([]))
    listening.addCallback(lambda port: print(f"http://127.0.0.1:{port.getHost().port}/", flush=True))
    reactor.run()


if __name__ == "__main__":
    main()
