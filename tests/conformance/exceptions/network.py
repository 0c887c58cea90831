"""Of the family "network": what depends on how Twisted is written inside, prints or logs, and what ours tells
earlier or more of."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because

__all__ = ["EXCEPTIONS"]

ENDPOINTS = "twisted.internet.test.test_endpoints."
PROTOCOL = "twisted.internet.test.test_protocol."
ERRORS = "twisted.test.test_error."

PLUGINS = "Twisted's plugins"
PRIVATE = "private name"
STRICTER = "said earlier"
LOG = "Twisted's log"
WORDING = "wording of a message"

EXCEPTIONS: tuple[Excepted, ...] = (
    *because(
        PLUGINS,
        "kinds of endpoints are modules in twisted/plugins there, and entry points of packages here",
        ENDPOINTS + "ClientStringTests.test_stringParserWithReactor",
        ENDPOINTS + "ClientStringTests.test_typeFromPlugin",
        ENDPOINTS + "ServerStringTests.test_typeFromPlugin",
        ENDPOINTS + "StandardIOEndpointPluginTests.test_pluginDiscovery",
        ENDPOINTS + "SystemdEndpointPluginTests.test_pluginDiscovery",
        ENDPOINTS + "TCP6ServerEndpointPluginTests.test_pluginDiscovery",
    ),
    *because(
        STRICTER,
        "descriptors that aren't open: ours looks at the socket as soon as it is described",
        ENDPOINTS + "SystemdEndpointPluginTests.test_parse*",
    ),
    *because(
        PRIVATE,
        "_creatorCallable and _tlsConnection, by which Twisted's TLS makes and keeps pyOpenSSL's connection",
        ENDPOINTS + "ServerStringTests.test_tls",
        ENDPOINTS + "WrapClientTLSParserTests.test_tlsWithDefaults",
        ENDPOINTS + "WrapClientTLSParserTests.test_utf8Encoding",
    ),
    *because(
        PRIVATE,
        "_loadCAsFromDir, given a FilePath of the test's own, which can't read one of the files",
        ENDPOINTS + "SSLClientStringTests.test_unreadableCertificate",
    ),
    *because(
        PRIVATE,
        "_dhFile of DiffieHellmanParameters, a FilePath there and a path here",
        ENDPOINTS + "ServerStringTests.test_sslDHparameters",
    ),
    *because(
        PRIVATE,
        "SNIConnectionCreator, given a look-up of the test's own",
        ENDPOINTS + "TLSEndpointsTests.test_lookupException",
    ),
    *because(
        PRIVATE,
        "the global TLSMemoryBIOFactory of the module, None where pyOpenSSL is missing",
        ENDPOINTS + "WrapClientTLSTests.test_noOpenSSL",
    ),
    *because(
        PRIVATE,
        "_fallbackNameResolution, by a thread; of a reactor without a nameResolver ours asks resolve",
        ENDPOINTS + "HostnameEndpointFallbackNameResolutionTests.test_fallbackNameResolution",
    ),
    *because(
        PRIVATE,
        "_nameResolution, _deferToThread and _getaddrinfo, by which Twisted resolves; ours by the reactor",
        ENDPOINTS + "TCP6EndpointNameResolutionTests.test_endpointConnectNonDefaultArgs",
        ENDPOINTS + "TCP6EndpointNameResolutionTests.test_endpointConnectSuccess",
        ENDPOINTS + "TCP6EndpointNameResolutionTests.test_endpointConnectingCancelled",
        ENDPOINTS + "TCP6EndpointNameResolutionTests.test_freeFunctionDeferToThread",
        ENDPOINTS + "TCP6EndpointNameResolutionTests.test_nameResolution",
    ),
    *because(
        WORDING,
        "names the release of Twisted that deprecated reactors without a nameResolver; ours takes them",
        ENDPOINTS + "HostnameEndpointMemoryIPv4ReactorTests.test_deprecation",
        ENDPOINTS + "HostnameEndpointMemoryIPv6ReactorTests.test_deprecation",
    ),
    *because(
        WORDING,
        "the text of an error",
        ENDPOINTS + "ClientStringTests.test_unknownType",
        ENDPOINTS + "ServerStringTests.test_sslChainFileMustContainCert",
        ENDPOINTS + "ServerStringTests.test_unknownType",
        ERRORS + "StringificationTests.testThemAll",
    ),
    *because(
        WORDING,
        "the args of a ConnectError that getConnectError() makes of neither a tuple nor an OSError",
        ERRORS + "GetConnectErrorTests.test_nonTuple",
    ),
    *because(
        LOG,
        "the format and fields of an event of Twisted's log; ours is Python's logging",
        ENDPOINTS + "TLSEndpointsTests.test_mismatchedKeys",
        ENDPOINTS + "TLSEndpointsTests.test_noCertsAtAll",
        ENDPOINTS + "WrappedIProtocolTests.test_logStderr",
        PROTOCOL + "FactoryTests.test_doStartLoggingStatement",
        PROTOCOL + "FactoryTests.test_doStopLoggingStatement",
    ),
    *because(
        LOG,
        "that nothing is logged: ours logs what a file raised under a FileWrapper",
        PROTOCOL + "FileWrapperTests.test_write",
    ),
)
