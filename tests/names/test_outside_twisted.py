"""A program of Twisted's takes our resolver, installs it and looks up with it before its reactor runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support import TWISTED_IS_INSTALLED

PROGRAM = """
import json, socket, sys
from twisted_compat.bridge.twisted import install
install()
from twisted.internet import defer, endpoints, protocol, reactor
from twisted.names import dns as theirs
from twisted_compat.names import client, dns

nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
nobody.bind(("127.0.0.1", 0))
told = {}
server = ("127.0.0.1", int(sys.argv[1]))
resolver = client.Resolver(servers=[server], reactor=reactor, hosts=None)
for install in (reactor.installNameResolver, reactor.installResolver):
    install(resolver)

class Greeting(protocol.Protocol):
    def connectionMade(self):
        self.transport.loseConnection()

class Listening(protocol.Protocol):
    def connectionLost(self, reason):
        self.factory.over.callback(reason.type.__name__)

class Connecting(protocol.ClientFactory):
    protocol = Listening
    def __init__(self):
        self.over = defer.Deferred()
    def clientConnectionFailed(self, connector, reason):
        self.over.errback(reason)

port = reactor.listenTCP(0, protocol.Factory.forProtocol(Greeting), interface="127.0.0.1").getHost().port

def tell(name, deferred):
    assert isinstance(deferred, defer.Deferred), deferred
    return deferred.addCallbacks(str, lambda failure: failure.type.__name__).addCallback(
        lambda what: told.__setitem__(name, what)
    )

def connect(host):
    factory = Connecting()
    reactor.connectTCP(host, port, factory)
    return factory.over

def stop(_):
    silent = client.Resolver(servers=[nobody.getsockname()], hosts=None)
    tell("ended", silent.lookupAddress("host.example"))
    tell("ended host", silent.getHostByName("host.example"))
    reactor.callLater(0, reactor.stop)

record = resolver.lookupAddress("four.example")
asked = resolver.query(theirs.Query("four.example", theirs.A))
defer.gatherResults([
    tell("connected", connect("ns1.example")),
    tell("not connected", connect("nosuch.example")),
    tell("record", record.addCallback(lambda result: result[0][0].payload.dottedQuad())),
    tell("asked", asked.addCallback(lambda result: isinstance(result[0][0].payload, dns.Record_A))),
    tell("no record", resolver.lookupAddress("nosuch.example")),
    tell("address", reactor.resolve("four.example")),
]).addCallback(stop)
reactor.callLater(9, reactor.stop)
reactor.run()
print(json.dumps(told))
"""


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted isn't installed")
def test_a_program_of_twisteds_takes_it_for_all_names(bind: tuple[str, int]) -> None:
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(bind[1])], capture_output=True, text=True, timeout=60, check=False
    )
    assert program.stderr == ""
    assert json.loads(program.stdout) == {
        "connected": "ConnectionDone",
        "not connected": "DNSLookupError",
        "record": "192.0.2.4",
        "asked": "True",
        "no record": "DNSNameError",
        "address": "192.0.2.4",
        "ended": "ResolverError",
        "ended host": "DNSLookupError",
    }
