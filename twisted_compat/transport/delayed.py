"""What transports do with the delayed calls that they wait for."""

from __future__ import annotations

from typing import Any

__all__ = ["call_off"]


def call_off(call: Any) -> None:
    """Cancel ``call``, an IDelayedCall, unless it has run already. None is no call, and nothing happens."""
    if call is not None and call.active():
        call.cancel()
