"""The family "network": our modules in the places of Twisted's, with all they speak of, on our reactor."""

from __future__ import annotations

import sys
from typing import Any

from tests.conformance.aliases import take_the_places
from tests.conformance.families import Loader, load_as_trial, test_id
from tests.conformance.families.deferreds import (
    follow_the_global_reactor,
    hand_on_what_is_logged,
    install_our_reactor,
)
from tests.conformance.places import NETWORK

__all__ = ["LOADER"]


def prepare(loop: str) -> list[str]:
    """Take the places, install our reactor, and hand on what we log."""
    missing = take_the_places(NETWORK)
    install_our_reactor(loop)
    hand_on_what_is_logged()
    return missing


def load(module: str) -> list[Any]:
    """The test cases of a module. Their certificates are numbered from 1 on: ours, as RFC 5280, refuse 0."""
    tests = load_as_trial(module)
    certificates = sys.modules.get("twisted.test.test_sslverify")
    if certificates is not None:
        certificates.counter()
    return tests


LOADER = Loader(prepare, load, test_id, follow_the_global_reactor, ends_as_trial=False)
