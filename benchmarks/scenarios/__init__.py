"""What there is to compare peers at: a module for each scenario, with its cases and how each is measured."""

from __future__ import annotations

from ..model import Scenario
from . import (
    broadcast,
    bulk,
    connecting,
    datagrams,
    deferreds,
    echo,
    lines,
    memory,
    processes,
    resp,
    startup,
    storm,
    timers,
    tls,
    twisted_own,
    web,
)

__all__ = ["SCENARIOS"]

_MODULES = (
    echo,
    datagrams,
    lines,
    resp,
    web,
    bulk,
    tls,
    broadcast,
    storm,
    connecting,
    timers,
    deferreds,
    processes,
    memory,
    startup,
    twisted_own,
)

SCENARIOS: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in _MODULES}
"""By name, in the order in which they are run and shown."""
