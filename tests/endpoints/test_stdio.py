"""A program whose standard input and output are a connection, and who talks to it."""

from __future__ import annotations

import os
import subprocess
import sys
from subprocess import PIPE
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import DEADLINE, within
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import StandardIOEndpoint
from twisted_compat.error import NoProtocol
from twisted_compat.interfaces import IStreamServerEndpoint
from twisted_compat.protocol import ServerFactory
from twisted_compat.transport.process_pipes import PipeAddress

PROGRAM = """
import asyncio, sys
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import serverFromString
from twisted_compat.protocol import Protocol, ServerFactory
from twisted_compat.stdio import StandardIO

class Talking(Protocol):
    def connectionMade(self):
        assert isinstance(self.transport, StandardIO)
        self.transport.write(b"ready ")
        self.lost = asyncio.get_running_loop().create_future()

    def dataReceived(self, data):
        self.transport.write(data.upper())
        if b"bye" in data:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        self.lost.set_result(reason)

class Building(ServerFactory):
    def buildProtocol(self, addr):
        print("built for", addr, file=sys.stderr)
        self.built = Talking()
        return self.built

async def main():
    async with AsyncioReactor() as reactor:
        factory = Building()
        transport = await serverFromString(reactor, sys.argv[1]).listen(factory)
        assert transport is factory.built.transport
        print((await factory.built.lost).value.__class__.__name__, file=sys.stderr)

if sys.argv[2] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize(
    "loop, description, goodbye", [("asyncio", "stdio:", b""), ("uvloop", "STDIO", b"bye")]
)
def test_a_program_talks_over_its_standard_input_and_output(
    loop: str, description: str, goodbye: bytes
) -> None:
    pytest.importorskip(loop)
    command = [sys.executable, "-W", "error", "-c", PROGRAM, description, loop]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as program:
        try:
            assert program.stdin is not None and program.stdout is not None
            program.stdin.write(b"hello ")
            program.stdin.flush()
            assert program.stdout.read(12) == b"ready HELLO "
            printed, complaints = program.communicate(goodbye, DEADLINE)
        finally:
            program.kill()
    assert program.returncode == 0, complaints.decode()
    assert printed == goodbye.upper()
    assert complaints.split() == [b"built", b"for", b"PipeAddress()", b"ConnectionDone"]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the protocols were that would be on this process's own standard input and output."""
    made: list[Any] = []
    monkeypatch.setattr(StandardIOEndpoint, "_stdio", lambda protocol, reactor: made.append(protocol))
    return made


@pytest.mark.without_debug
async def test_a_factory_that_refuses_leaves_the_streams_alone(stand_in: list[Any]) -> None:
    before = os.fstat(0), os.fstat(1)
    async with AsyncioReactor() as reactor:
        endpoint = StandardIOEndpoint(reactor)
        assert verifyObject(IStreamServerEndpoint, endpoint)
        seen: list[Any] = []

        class Refusing(ServerFactory):
            def buildProtocol(self, addr: Any) -> Any:
                seen.append(addr)
                if len(seen) == 2:
                    raise KeyError("on purpose")
                return None

        factory = Refusing()
        with pytest.raises(NoProtocol):
            await within(endpoint.listen(factory))
        with pytest.raises(KeyError, match="on purpose"):
            await within(endpoint.listen(factory))
    assert seen == [PipeAddress()] * 2 and stand_in == []
    assert (os.fstat(0), os.fstat(1)) == before
