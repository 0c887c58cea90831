"""How each family of ``suite.py`` gets ready in its child process and finds the tests of a module: a module
for each, which is imported in that process alone.

They are not alike in what may be imported when: ``deferreds`` and ``network`` put our modules into the places
of Twisted's before anything of Twisted is, and ``global_reactor`` installs its reactor before.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Loader", "load_as_trial", "loader_of", "test_id"]

MODULES = {
    "deferreds": "deferreds",
    "network": "network",
    "reactor": "reactor_builder",
    "global": "global_reactor",
}
ASYNCHRONOUS_TEST_LIMIT = 20.0  # seconds until trial fails a test whose Deferred doesn't fire


class Loader(NamedTuple):
    """How a family is run.

    :ivar prepare: installs the reactor of a loop; it returns the names of Twisted's that our modules lack.
    :ivar load: the test cases of a module.
    :ivar name_of: a test's id, for people and tables.
    :ivar before_each: called before each test.
    :ivar ends_as_trial: whether to shut the global reactor down at the end, as the trial command does.
    """

    prepare: Callable[[str], list[str]]
    load: Callable[[str], list[Any]]
    name_of: Callable[[Any], str]
    before_each: Callable[[], None]
    ends_as_trial: bool


def loader_of(family: str) -> Loader:
    """How a family is run. It may import Twisted: call it once, in the process in which the tests run."""
    loader: Loader = importlib.import_module(f"{__name__}.{MODULES[family]}").LOADER
    return loader


def test_id(test: Any) -> str:
    """What trial calls a test."""
    name: str = test.id()
    return name


def load_as_trial(module: str) -> list[Any]:
    """All test cases of a module, as the trial command finds them."""
    from twisted.trial import util
    from twisted.trial._asyncrunner import _iterateTests
    from twisted.trial.runner import TestLoader

    util.DEFAULT_TIMEOUT_DURATION = ASYNCHRONOUS_TEST_LIMIT
    _give_hypothesis_time(module)
    return list(_iterateTests(TestLoader().loadByName(module)))


def _give_hypothesis_time(module: str) -> None:
    """Where a module's tests are hypothesis's, no slow machine makes one of them fail, and no chance."""
    spec = _spec_of(module)
    if spec is None or spec.origin is None or "hypothesis" not in Path(spec.origin).read_text("utf-8"):
        return  # importing it takes a while
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "conformance", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("conformance")


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # not even its package; trial will say so
        return None
