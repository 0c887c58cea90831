"""The smallest site that twisted.web can serve: the same for every peer that runs Twisted."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Site

from . import GREETING

__all__ = ["site"]


class Hello(Resource):
    """Answers each request at once."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"text/plain")
        return GREETING


class QuietSite(Site):
    """A site that keeps no log: writing it is work of its own."""

    def log(self, request: Any) -> None: ...


def site(reactor: Any) -> Site:
    """The factory that serves it.

    :param reactor: what its timeouts run on.
    """
    return QuietSite(Hello(), reactor=reactor)  # type: ignore[no-untyped-call]  # Twisted's are untyped
