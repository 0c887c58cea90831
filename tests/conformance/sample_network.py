"""A trial module for :mod:`tests.conformance.test_runner`: on whose modules the tests of "network" run."""

from __future__ import annotations

import importlib
from typing import Any

from twisted.internet import defer, endpoints, protocol, reactor
from twisted.trial.unittest import TestCase

from tests.conformance.places import NETWORK
from twisted_compat import AsyncioReactor


class NetworkTests(TestCase):
    """With our modules in the places of Twisted's."""

    def test_modules_are_ours(self) -> None:
        names = {place: importlib.import_module(place).__name__ for place in NETWORK}
        self.assertEqual(names, NETWORK)

    def test_endpoints_connect_on_our_reactor(self) -> Any:
        self.assertIsInstance(reactor, AsyncioReactor)
        return defer.ensureDeferred(self.connect())

    async def connect(self) -> None:
        lost: Any = defer.Deferred()
        server, client = protocol.Factory.forProtocol(protocol.Protocol), protocol.Protocol()
        client.connectionLost = lambda reason: lost.callback(None)
        port = await endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(server)
        number = port.getHost().port
        place = endpoints.clientFromString(reactor, f"tcp:127.0.0.1:{number}")
        connected = await endpoints.connectProtocol(place, client)
        self.assertIs(connected, client)
        client.transport.loseConnection()
        await lost
        await port.stopListening()
