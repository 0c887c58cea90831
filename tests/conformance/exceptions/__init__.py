"""The tests of Twisted's that are not expected to pass, each with the reason; a table for each family.

They are there for good: passing would mean to copy how Twisted is written inside, or how it prints, or not to
say what is wrong where ours says it. The runner fails when a listed test passes, is only skipped, or isn't
there any more.
"""

from __future__ import annotations

from tests.conformance.exceptions import deferreds, global_reactor, network, reactor_builder
from tests.conformance.exceptions.table import Excepted

__all__ = ["EXCEPTIONS", "Excepted"]

EXCEPTIONS: dict[str, tuple[Excepted, ...]] = {
    "deferreds": deferreds.EXCEPTIONS,
    "network": network.EXCEPTIONS,
    "reactor": reactor_builder.EXCEPTIONS,
    "global": global_reactor.EXCEPTIONS,
}
"""Family -> its table."""
