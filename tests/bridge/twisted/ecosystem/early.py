"""As so many modules of Twisted's programs begin. To be imported when a reactor is installed."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

__all__ = ["calls", "reactor"]


def calls() -> list[Deferred[Any]]:
    """One call of each kind that the imported reactor makes."""
    turn: Deferred[Any] = Deferred()
    reactor.callFromThread(turn.callback, "turn")
    return [deferLater(reactor, 0.001, str, "later"), deferToThread(str, "thread"), turn]
