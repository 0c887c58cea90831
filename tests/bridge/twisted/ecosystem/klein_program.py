"""A klein site that runs itself on our reactor, until it is interrupted.

klein_program LOOP PORT
"""

from __future__ import annotations

import sys
from typing import Any

from tests.bridge.twisted.ecosystem.children import LOOP_FACTORIES
from twisted_compat.bridge.twisted import install

install(loop_factory=LOOP_FACTORIES[sys.argv[1]]())

from klein import route, run  # noqa: E402


@route("/")
def home(request: Any) -> str:
    """The one page."""
    return "home"


run("127.0.0.1", int(sys.argv[2]))
