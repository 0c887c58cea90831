"""BIND, once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("dns", reason="dnspython isn't installed")

from tests.names.server import bind9


@pytest.fixture(scope="session")
def bind() -> Iterator[tuple[str, int]]:
    """The address and port of a BIND that has the zones of ``server.py``."""
    with bind9() as where:
        yield where
