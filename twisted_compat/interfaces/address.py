"""The interface of an address. The classes that provide it are in :mod:`twisted_compat.address`."""

from __future__ import annotations

from zope.interface import Interface

__all__ = ["IAddress"]


class IAddress(Interface):
    """Where one end of a connection is: an IP address and port, a UNIX path, a host name and port.

    A marker without members. Providers can be compared and hashed, and each kind has its own attributes
    (``host`` and ``port``, or ``name``).
    """
