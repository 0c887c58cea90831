"""What the tests of ProcessEndpoint share: programs as the other ends of connections."""

from __future__ import annotations

from typing import Any

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Recorder
from tests.transport.unix_sockets import fired
from twisted_compat.endpoints import ProcessEndpoint

__all__ = ["lost", "shell", "started"]


async def started(reactor: Any, *command: str, protocol: Any = Recorder, **options: Any) -> Any:
    """The protocol whose connection is this program; ``options`` are ProcessEndpoint's."""
    endpoint = ProcessEndpoint(reactor, command[0], command, **options)
    made = await fired(endpoint.connect(Connecting(protocol)))
    assert made.made == 1
    return made


async def shell(reactor: Any, script: str, protocol: Any = Recorder, **options: Any) -> Any:
    """The protocol whose connection is a script of sh(1)."""
    return await started(reactor, "/bin/sh", "-c", script, protocol=protocol, **options)


async def lost(protocol: Any) -> Any:
    """How the program ended: wait for that, and for whatever else may come, which must be nothing."""
    await until(lambda: protocol.reasons)
    await turns()
    [reason] = protocol.reasons
    return reason
