"""Services by name. An old interface that applications of that time still ask for."""

from __future__ import annotations

from typing import Any

from zope.interface import Interface

__all__ = ["IServiceCollection"]


class IServiceCollection(Interface):
    """A parent that holds services and finds them by name."""

    def getServiceNamed(serviceName: str) -> Any:
        """Find a service.

        :param serviceName: the name it was given.
        :returns: the service.
        :raises KeyError: none has that name.
        """

    def addService(service: Any) -> None:
        """Take a service in.

        :param service: the service; its name, if it has one, is not yet taken here.
        """

    def removeService(service: Any) -> None:
        """Let a service go.

        :param service: one that was added before.
        """
