"""Sessions that a client may resume: a shorter handshake with a server it has just talked to.

Each is used once (RFC 8446, C.4), and only with the context that it was made with, for the same name. They
are kept in the context itself: the standard library's sessions keep their context alive, so any other place
would keep both for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

__all__ = ["keep_session", "take_session"]

MOST = 64
"""So many servers' sessions are kept of a context; beyond that, the ones longest unused are dropped."""
WHERE = "_twisted_compat_sessions"


def keep_session(context: Any, server: Hashable, session: Any) -> None:
    """Keep the session of a connection that has ended well.

    :param context: the library's context that made the connection.
    :param server: who was talked to, and how it was verified.
    :param session: the library's session.
    """
    sessions: OrderedDict[Hashable, Any] = vars(context).setdefault(WHERE, OrderedDict())
    sessions.pop(server, None)
    sessions[server] = session
    while len(sessions) > MOST:
        sessions.popitem(last=False)


def take_session(context: Any, server: Hashable) -> Any:
    """Take the session to resume.

    :returns: None if there is none.
    """
    sessions: OrderedDict[Hashable, Any] | None = vars(context).get(WHERE)
    return None if sessions is None else sessions.pop(server, None)
