"""With a reactor that speaks Twisted's vocabulary, look-ups do as well."""

from __future__ import annotations

from typing import Any

import dns.rcode
import pytest

from tests.names.resolving import SOON, addresses
from tests.names.server import Fake, reply
from tests.support import TWISTED_IS_INSTALLED, until
from twisted_compat.names import error
from twisted_compat.names.client import Resolver

pytestmark = [
    pytest.mark.without_debug,
    pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted isn't installed"),
]


async def result_of(deferred: Any) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    await until(lambda: results)
    return results[0]


async def test_deferreds_failures_errors_and_interfaces_are_twisteds() -> None:
    from twisted.internet import address, defer
    from twisted.internet.error import DNSLookupError
    from twisted.names import dns as theirs
    from twisted.python.failure import Failure

    from twisted_compat.bridge.twisted import TwistedReactor

    def handler(query: Any) -> Any:
        name = str(query.question[0].name)
        if name == "silent.":
            return None
        if name == "none.":
            return reply(query, rcode=dns.rcode.NXDOMAIN)
        return reply(query, f"{name} 60 IN A 192.0.2.1") if query.question[0].rdtype == 1 else reply(query)

    async with Fake(handler) as fake, TwistedReactor() as reactor:
        resolver = Resolver(servers=[fake.address], reactor=reactor, hosts=None)
        deferred = resolver.lookupAddress("host")
        assert isinstance(deferred, defer.Deferred)
        assert addresses(await result_of(deferred)) == ["192.0.2.1"]
        failed = await result_of(resolver.lookupAddress("none"))
        assert isinstance(failed, Failure)
        assert failed.check(error.DNSNameError)
        failed = await result_of(resolver.lookupAddress("silent", SOON))
        assert failed.check(defer.TimeoutError)
        assert failed.check(error.DNSQueryTimeoutError)
        failed = await result_of(resolver.getHostByName("silent", SOON))
        assert failed.check(defer.TimeoutError)
        assert failed.check(DNSLookupError)
        failed = await result_of(resolver.getHostByName("none"))
        assert failed.check(DNSLookupError)
        assert not failed.check(defer.TimeoutError)
        assert failed.check(error.DNSNameError)
        assert await result_of(resolver.getHostByName("::1")) == "::1"
        for asked in (resolver.query(theirs.Query("host")), resolver.lookupAddress(theirs.Name("host"))):
            assert addresses(await result_of(asked)) == ["192.0.2.1"]
        cancelled = resolver.lookupAddress("silent")
        cancelled.cancel()
        assert (await result_of(cancelled)).check(defer.CancelledError)
        previous = reactor.installResolver(resolver)
        assert await result_of(reactor.resolve("host")) == "192.0.2.1"
        reactor.installResolver(previous)
        previous = reactor.installNameResolver(resolver)
        found: list[Any] = []

        class Receiver:
            resolutionBegan = found.append
            addressResolved = found.append

            def resolutionComplete(self) -> None:
                found.append("complete")

        reactor.nameResolver.resolveHostName(Receiver(), "host", 7)
        await until(lambda: found[-1] == "complete")
        assert found[1:-1] == [address.IPv4Address("TCP", "192.0.2.1", 7)]
        reactor.installNameResolver(previous)
