"""What dnspython before 2.9, the last for Python 3.10, doesn't do: end with a message that points and points.

A name may end with a pointer to the end of another (RFC 1035, section 4.1.4). A message of 60 KB can be made
of pointers so that reading it takes a minute.
"""

from __future__ import annotations

from typing import Any

import dns.exception
import dns.name
import dns.wire

__all__ = ["limit_pointers"]

MOST_POINTERS = (
    50_000  # in a message: more than the largest have, and they are followed in a tenth of a second
)


def limit_pointers() -> None:
    """Make dnspython's reader give up a message with too many pointers, if it doesn't by itself."""
    if hasattr(dns.name, "PointerChainTooLong") or dns.wire.Parser.seek is _seek:
        return
    dns.wire.Parser.seek = _seek  # type: ignore[method-assign, assignment]  # the only place they all pass


_follow: Any = dns.wire.Parser.seek


def _seek(parser: Any, where: int) -> None:
    parser.followed = getattr(parser, "followed", 0) + 1
    if parser.followed > MOST_POINTERS:
        problem: Any = dns.exception.FormError
        raise problem("the message has too many compression pointers")
    _follow(parser, where)
