"""``install()`` on uvloop: for ``twistd --reactor=twisted_compat_uvloop``, which can name a module only."""

from __future__ import annotations

import uvloop

from twisted_compat.bridge.twisted import installing
from twisted_compat.bridge.twisted.reactor import TwistedReactor

__all__ = ["install"]


def install() -> TwistedReactor:
    """Install a reactor that makes itself a uvloop loop when it needs one; see
    :func:`twisted_compat.bridge.twisted.install`."""
    return installing.install(loop_factory=uvloop.new_event_loop)
