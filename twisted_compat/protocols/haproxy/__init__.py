"""The PROXY protocol, versions 1 and 2, at the receiving side: a proxy in front of a server, such as HAProxy,
says whose connection it hands on, in a header that comes before anything else.

:class:`HAProxyWrappingFactory` (``wrapper.py``) goes around a factory, :func:`proxyEndpoint` around a server
endpoint. The specification is ``doc/proxy-protocol.txt`` of HAProxy. ``parser.py``, ``version1.py`` and
``version2.py`` know the header, ``handover.py`` what has to happen once it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_compat.protocols.haproxy.info import (
    InvalidNetworkProtocol,
    InvalidProxyHeader,
    MissingAddressData,
    ProxyInfo,
)
from twisted_compat.protocols.haproxy.wrapper import HEADER_TIMEOUT, HAProxyWrappingFactory

if TYPE_CHECKING:
    from twisted_compat.endpoints.haproxy import proxyEndpoint as proxyEndpoint

__all__ = [
    "HEADER_TIMEOUT",
    "HAProxyWrappingFactory",
    "InvalidNetworkProtocol",
    "InvalidProxyHeader",
    "MissingAddressData",
    "ProxyInfo",
    "proxyEndpoint",
]


def __getattr__(name: str) -> Any:
    # Late, as the endpoint imports the factory; and who has no endpoints needs none of their modules.
    if name == "proxyEndpoint":
        from twisted_compat.endpoints.haproxy import proxyEndpoint

        return proxyEndpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
