"""The family "reactor": the test cases that Twisted's ReactorBuilder makes, for our TwistedReactor alone.

Each test makes a reactor without arguments, runs and stops it; Twisted's global reactor is another.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.test import reactormixins
from twisted.trial.runner import TestLoader

from tests.conformance.families import Loader, test_id
from tests.conformance.loops import loop_factory
from tests.conformance.suite import COMPARISON
from twisted_compat.bridge.twisted import TwistedReactor

__all__ = ["LOADER", "OnAsyncio", "OnUvloop"]

RUN_LIMIT = 10.0  # seconds until a test stops the reactor that it waits for, and fails


class Built(TwistedReactor):
    """A reactor for one test, on a loop of its own."""

    loop_name: str

    def __init__(self) -> None:
        self.made: list[asyncio.AbstractEventLoop] = []
        super().__init__(loop_factory=self._make_loop)

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        self.made.append(loop_factory(self.loop_name)())
        return self.made[-1]

    def close_loops(self) -> None:
        """Close the loop that is left where the test hasn't stopped its reactor."""
        for loop in self.made:
            loop.close()


class OnAsyncio(Built):
    """On a stdlib loop."""

    loop_name = "asyncio"


class OnUvloop(Built):
    """On a uvloop loop."""

    loop_name = "uvloop"


CLASSES: dict[str, type] = {"asyncio": OnAsyncio, "uvloop": OnUvloop, COMPARISON: EPollReactor}


def prepare(loop: str) -> list[str]:
    """Have ReactorBuilder make test cases for one class, and its reactors leave no loop behind."""
    builder = reactormixins.ReactorBuilder
    reactor_class = CLASSES[loop]
    builder._reactors = [f"{reactor_class.__module__}.{reactor_class.__name__}"]
    reactormixins.DEFAULT_TIMEOUT_DURATION = RUN_LIMIT
    unbuild = builder._unbuildReactor

    def unbuild_and_close(self: Any, reactor: Any) -> None:
        unbuild(self, reactor)
        if isinstance(reactor, Built):
            reactor.close_loops()

    builder._unbuildReactor = unbuild_and_close
    return []


def suffix() -> str:
    """What ReactorBuilder adds to the name of a class of tests: it says for which reactor they are."""
    _, _, name = reactormixins.ReactorBuilder._reactors[0].rpartition(".")
    return f"_{name}Tests"


def load(module: str) -> list[Any]:
    """The test cases that were made as the module was imported."""
    loader = TestLoader()
    return [
        test
        for case in vars(importlib.import_module(module)).values()
        if isinstance(case, type) and case.__module__ == module and case.__name__.endswith(suffix())
        for test in loader.loadClass(case)
    ]


def name_of(test: Any) -> str:
    """The id as Twisted's source has it: of the class whose subclass was made."""
    return test_id(test).replace(suffix() + ".", ".")


def before_each() -> None:
    """Nothing is to be done."""


LOADER = Loader(prepare, load, name_of, before_each, ends_as_trial=True)
