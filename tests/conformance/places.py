"""Which of our modules take which places of Twisted's, and what is put beside them for Twisted to import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NewType, TypeVar

from zope.interface.interface import InterfaceClass

__all__ = ["DEFERREDS", "NETWORK", "SHIMS", "Shim"]

DEFERREDS = {
    "twisted.internet.defer": "twisted_compat.defer",
    "twisted.internet.task": "twisted_compat.task",
    "twisted.internet.threads": "twisted_compat.threads",
    "twisted.python.failure": "twisted_compat.failure",
}
"""For the family "deferreds": place -> our module."""

NETWORK = {
    **DEFERREDS,
    "twisted.internet.address": "twisted_compat.address",
    "twisted.internet.endpoints": "twisted_compat.endpoints",
    "twisted.internet.error": "twisted_compat.error",
    "twisted.internet.interfaces": "twisted_compat.interfaces",
    "twisted.internet.protocol": "twisted_compat.protocol",
    "twisted.internet.stdio": "twisted_compat.stdio",
    "twisted.internet.ssl": "twisted_compat.ssl",
    "twisted.internet._sslverify": "twisted_compat.ssl",
    "twisted.internet._resolver": "twisted_compat.adapter.resolvers",
    "twisted.internet.utils": "twisted_compat.utils",
    "twisted.python.systemd": "twisted_compat.python.systemd",
    "twisted.protocols._sni": "twisted_compat.endpoints.tls_directory",
    "twisted.protocols.haproxy._exceptions": "twisted_compat.protocols.haproxy.info",
    "twisted.protocols.haproxy._info": "twisted_compat.protocols.haproxy.info",
    "twisted.protocols.haproxy._v1parser": "twisted_compat.protocols.haproxy.version1",
    "twisted.protocols.haproxy._v2parser": "twisted_compat.protocols.haproxy.version2",
    "twisted.protocols.haproxy._wrapper": "twisted_compat.protocols.haproxy.wrapper",
    "twisted.protocols.tls": "twisted_compat.protocols.tls",
}
"""For the family "network": all that an endpoint gives, takes or fails with is ours."""


class Shim(NamedTuple):
    """A name that Twisted imports from one of the places, and that our package has no use for.

    :ivar make: called once our modules can be imported.
    :ivar reason: who wants it.
    """

    place: str
    name: str
    make: Callable[[], Any]
    reason: str


def ours(module: str, name: str) -> Callable[[], Any]:
    """What makes a shim of something that we have in another module, or under another name."""
    return _from(f"twisted_compat.{module}", name)


def stand_in(name: str) -> Callable[[], Any]:
    """What makes a shim of something in ``stand_ins.py``."""
    return _from("tests.conformance.stand_ins", name)


def _from(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(importlib.import_module(module), name)


USED = "test_endpoints tests it, or by it"

# What only a test looks at is no reason to be here, unless without it the whole module can't be imported, or
# unless it is a tool of the tests of other things.
SHIMS = (
    Shim("twisted.internet.defer", "_T", lambda: TypeVar("_T"), "trial._asynctest annotates with it"),
    Shim(
        "twisted.internet.defer",
        "_DeferredListResultListT",
        lambda: Any,
        "test_defer imports it, for annotations",
    ),
    Shim(
        "twisted.internet.defer",
        "_DeferredListSingleResultT",
        lambda: Any,
        "test_defer imports it, for annotations",
    ),
    Shim(
        "twisted.internet.defer",
        "Failure",
        ours("failure", "Failure"),
        "test_inlinecb imports it from there, and not from twisted.python.failure",
    ),
    Shim(
        "twisted.internet.task",
        "_EPSILON",
        lambda: sys.float_info.epsilon,
        "posixbase adds it to the delay of a LoopingCall, for reactors without a clock of their own",
    ),
    Shim(
        "twisted.internet.address",
        "_ProcessAddress",
        ours("stdio", "PipeAddress"),
        "test_endpoints wants it of a process's transport; ours is the one of standard input and output",
    ),
    Shim(
        "twisted.internet.interfaces",
        "_Binding",
        ours("transport.sockets", "Binding"),
        "twisted.internet.tcp makes one, and asks arguments for its type; ours comes from makeBinding too",
    ),
    Shim(
        "twisted.internet.interfaces",
        "Binding",
        lambda: NewType("Binding", object),
        "twisted.internet.tcp.makeBinding calls it, as a cast",
    ),
    Shim(
        "twisted.internet.interfaces",
        "_ISupportsExitSignalCapturing",
        lambda: InterfaceClass("_ISupportsExitSignalCapturing"),
        "Twisted's reactors declare it for twistd",
    ),
    Shim("twisted.internet.protocol", "P", lambda: TypeVar("P"), "twisted.internet.base annotates with it"),
    Shim(
        "twisted.protocols.tls",
        "SomeConnectionCreator",
        lambda: object,
        "test_sslverify, from which test_endpoints has its certificates, annotates with it",
    ),
    Shim(
        "twisted.protocols.haproxy._wrapper",
        "proxyEndpoint",
        ours("endpoints.haproxy", "proxyEndpoint"),
        "twisted.protocols.haproxy has it from there",
    ),
    Shim(
        "twisted.protocols.haproxy._v1parser",
        "V1Parser",
        stand_in("V1Parser"),
        "the tests of the parsers call them by these classes",
    ),
    Shim(
        "twisted.protocols.haproxy._v2parser",
        "V2Parser",
        stand_in("V2Parser"),
        "the tests of the parsers call them by these classes",
    ),
    *(
        Shim("twisted.internet.endpoints", name, ours(f"endpoints.{module}", ours_name or name), USED)
        for name, module, ours_name in (
            ("_ProcessEndpointTransport", "process", ""),
            ("_TLSServerEndpoint", "tls", "TLSServerEndpoint"),
            ("_WrapIProtocol", "process", ""),
            ("_WrapperEndpoint", "tls", ""),
            ("_WrappingFactory", "connecting", ""),
            ("_WrappingProtocol", "connecting", ""),
        )
    ),
    *(
        Shim("twisted.internet.endpoints", name, stand_in(ours_name), USED)
        for name, ours_name in (
            ("_StandardIOParser", "StandardIOParser"),
            ("_SystemdParser", "SystemdParser"),
            ("_TCP6ServerParser", "TCP6ServerParser"),
            ("_parseServer", "parse_server"),
            ("autoReloadingDirectoryOfPEMs", "directory_of_certificates"),
        )
    ),
    *(
        Shim(place, "SNIConnectionCreator", stand_in("SNIConnectionCreator"), USED)
        for place in ("twisted.internet.endpoints", "twisted.protocols._sni")
    ),
    Shim(
        "twisted.internet.endpoints",
        "_SimpleHostnameResolver",
        stand_in("SimpleHostnameResolver"),
        "the tests of HostnameEndpoint resolve by it; its own tests say nothing of us",
    ),
    *(
        Shim(
            "twisted.internet.ssl", name, stand_in("Named"), "Twisted's own transports; connectSSL makes ours"
        )
        for name in ("Client", "Connector", "Port", "Server")
    ),
)
