"""What is run: Twisted's test modules, and the reactors and loops each is run on."""

from __future__ import annotations

import importlib.util

__all__ = ["LOOPS", "MODULES", "exists"]

MODULES = (
    "twisted.test.test_defer",
    "twisted.test.test_defgen",  # Twisted 26.10 no longer has it: its tests moved to test_inlinecb
    "twisted.internet.test.test_inlinecb",
    "twisted.internet.test.test_defer_await",
    "twisted.internet.test.test_defer_yieldfrom",
    "twisted.test.test_task",
    "twisted.test.test_cooperator",
    "twisted.test.test_failure",
    "twisted.test.test_threads",
)

LOOPS = {
    "asyncio": "Twisted's AsyncioSelectorReactor on a stdlib loop",
    "uvloop": "Twisted's AsyncioSelectorReactor on a uvloop loop",
    "our-asyncio": "our AsyncioReactor on a stdlib loop",
    "our-uvloop": "our AsyncioReactor on a uvloop loop",
}


def exists(module: str) -> bool:
    """Whether the installed Twisted has this test module."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even its package
        return False
