"""What the tests of the bridge change in the process, for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import twisted.internet
from twisted.internet.defer import Deferred

from tests.bridge.twisted.ecosystem.certificates import Authority
from twisted_compat.bridge.twisted import TwistedReactor, enable_await, place, uninstall


@pytest.fixture
def empty_place() -> Iterator[None]:
    """``twisted.internet.reactor`` is nobody's when the test begins. Afterwards it is whose it was."""
    before = place.who_is_there()
    _clear()
    yield
    _clear()
    if isinstance(before, TwistedReactor):
        place.put(before)


def _clear() -> None:
    uninstall()
    if sys.modules.pop(place.PLACE, None) is not None:
        del twisted.internet.reactor


@pytest.fixture
def awaiting_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """``enable_await()``, for this test alone."""
    monkeypatch.setattr(Deferred, "__await__", Deferred.__await__)  # which is what it is put back to
    enable_await()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom both sides of TLS trust."""
    return Authority(tmp_path_factory.mktemp("authority"))
