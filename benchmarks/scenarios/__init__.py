"""What there is to compare peers at: a module for each scenario, with its cases and how each is measured."""

from __future__ import annotations

from ..model import Scenario
from . import echo

__all__ = ["SCENARIOS"]

SCENARIOS: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in (echo,)}
"""By name, in the order in which they are run and shown."""
