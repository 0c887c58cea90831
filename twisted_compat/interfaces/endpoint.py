"""Endpoints: places to connect to or to listen at, and the plugins that make them from a description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zope.interface import Attribute, Interface

from twisted_compat.interfaces.protocol import IProtocol, IProtocolFactory

if TYPE_CHECKING:
    from twisted_compat.defer import Deferred
    from twisted_compat.interfaces.network import IListeningPort

__all__ = [
    "IStreamClientEndpoint",
    "IStreamClientEndpointStringParser",
    "IStreamClientEndpointStringParserWithReactor",
    "IStreamServerEndpoint",
    "IStreamServerEndpointStringParser",
]


class IStreamClientEndpoint(Interface):
    """A place that a stream connection can be made to, such as a host and port."""

    def connect(protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect once. Cancelling the result gives up the attempt.

        :param protocolFactory: makes the protocol of the new connection.
        :returns: a Deferred of the protocol, called back once it is connected; it fails with a
            ``ConnectError``, or with ``NoProtocol`` if the factory refuses.
        """


class IStreamServerEndpoint(Interface):
    """A place at which stream connections can be awaited."""

    def listen(protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to listen.

        :param protocolFactory: makes a protocol for each connection.
        :returns: a Deferred of the port; it fails with ``CannotListenError``.
        """


class IStreamServerEndpointStringParser(Interface):
    """A plugin that knows one kind of server description, as in ``serverFromString(reactor, "kind:...")``."""

    prefix = cast(
        str, Attribute("The text before the first colon of the descriptions that this parser takes.")
    )

    def parseStreamServer(reactor: Any, *args: str, **kwargs: str) -> IStreamServerEndpoint:
        """Make an endpoint from a description that has been taken apart.

        :param reactor: the reactor that ``serverFromString`` was given.
        :param args: the unnamed parts of the description after the prefix, in order, unquoted.
        :param kwargs: the ``name=value`` parts, unquoted.
        :returns: the endpoint.
        """


class IStreamClientEndpointStringParser(Interface):
    """A plugin that knows one kind of client description, in the old form that today's Twisted no longer has.

    :class:`IStreamClientEndpointStringParserWithReactor` has the same method; whoever looks for plugins takes
    both.
    """

    prefix = cast(
        str, Attribute("The text before the first colon of the descriptions that this parser takes.")
    )

    def parseStreamClient(reactor: Any, *args: str, **kwargs: str) -> IStreamClientEndpoint:
        """Make an endpoint from a description that has been taken apart.

        ``"kind:one:two:size=3"`` gives the arguments ``("one", "two")`` and ``{"size": "3"}``.

        :param reactor: the reactor that ``clientFromString`` was given.
        :param args: the unnamed parts of the description after the prefix, in order, unquoted.
        :param kwargs: the ``name=value`` parts, unquoted.
        :returns: the endpoint.
        """


class IStreamClientEndpointStringParserWithReactor(Interface):
    """A plugin that knows one kind of client description, as in ``clientFromString(reactor, "kind:...")``."""

    prefix = cast(
        str, Attribute("The text before the first colon of the descriptions that this parser takes.")
    )

    def parseStreamClient(reactor: Any, *args: str, **kwargs: str) -> IStreamClientEndpoint:
        """Make an endpoint from a description that has been taken apart.

        :param reactor: the reactor that ``clientFromString`` was given.
        :param args: the unnamed parts of the description after the prefix, in order, unquoted.
        :param kwargs: the ``name=value`` parts, unquoted.
        :returns: the endpoint.
        """
