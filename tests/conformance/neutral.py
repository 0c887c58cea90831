"""The reasons for which a test may be skipped: those for which it is skipped on Twisted's own reactor too.

A test that skips itself for any other reason, such as an interface that our reactor lacks, has not passed.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["NEUTRAL", "is_neutral"]

# What a skipped test says (with * for any text), and why that is nobody's fault.
NEUTRAL = (
    ("* does not provide *IReactorWin32Events", "another operating system's"),
    ("* cannot detect lost file descriptors", "said of Twisted's own reactors on epoll, by their names"),
    ("Only runs on Windows", "another operating system's"),
    ("Test only applicable on Windows", "another operating system's"),
    ("Linux supports abstract namespace sockets.", "another operating system's"),
    ("Not applicable, asyncio is available", "for Pythons of long ago"),
    ("not ported to Python 3", "for Pythons of long ago"),
    ("IReactorProcess not supported", "said of tests that are not ported to Python 3 either"),
    ("HTTP/0.9 not supported", "for a web of long ago"),
    ("HTTP/2 support not present", "wants an extra of Twisted's"),
    ("SSL Present.", "for installations without TLS"),
    ("*: Cannot access db", "wants a database"),
    ("The * locale is not installed.", "wants a locale"),
    ("IPv6 not available. *", "wants a machine with IPv6"),
    ("Link local IPv6 address unavailable", "wants a machine with IPv6"),
    ("only IPv4 multicast has TTLs, IPv6 has hops", "what is tested isn't there in IPv6"),
)


def is_neutral(reason: str) -> bool:
    """Whether a test that is skipped for this reason is nobody's fault."""
    return any(fnmatchcase(reason, pattern) for pattern, _ in NEUTRAL)
