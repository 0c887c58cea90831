"""A whole program of Twisted's, on our reactor: a klein site and treq, in ``task.react``.

    react_program LOOP OUTCOME

OUTCOME is how it ends: "well", "badly" (with an exception), "code" (a SystemExit) or "never".
"""

from __future__ import annotations

import sys
from typing import Any

from tests.bridge.twisted.ecosystem.children import LOOP_FACTORIES
from twisted_compat.bridge.twisted import install

install(loop_factory=LOOP_FACTORIES[sys.argv[1]]())

import treq  # noqa: E402
from klein import Klein  # noqa: E402
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.internet.task import deferLater, react  # noqa: E402
from twisted.internet.threads import deferToThread  # noqa: E402
from twisted.web.server import Site  # noqa: E402

app = Klein()


@app.route("/double/<int:number>")
async def double(request: Any, number: int) -> str:
    """A page that takes a thread and a moment."""
    await deferLater(reactor, 0.001)
    doubled: int = await deferToThread(lambda: number * 2)
    return str(doubled)


async def main(given: Any, outcome: str) -> None:
    """Serve, ask, and end."""
    assert given is reactor
    port = reactor.listenTCP(0, Site(app.resource()), interface="127.0.0.1")
    response = await treq.get(f"http://127.0.0.1:{port.getHost().port}/double/21", persistent=False)
    print(type(reactor.loop).__module__, await response.text(), flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", print, "shutting down", flush=True)
    if outcome == "badly":
        raise LookupError("of mine")
    if outcome == "code":
        raise SystemExit(7)
    if outcome == "never":
        await Deferred()


react(lambda given, outcome: Deferred.fromCoroutine(main(given, outcome)), sys.argv[2:])
