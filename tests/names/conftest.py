"""BIND, once for all tests here. Without the extra ``dns`` only its absence can be tested."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore = (
    []
    if find_spec("dns")
    else [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_absent.py"]
)


@pytest.fixture(scope="session")
def bind() -> Iterator[tuple[str, int]]:
    """The address and port of a BIND that has the zones of ``server.py``."""
    from tests.names.server import bind9

    with bind9() as where:
        yield where
