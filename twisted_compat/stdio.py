"""A protocol on the process's standard input and output. Twisted's ``twisted.internet.stdio``."""

from __future__ import annotations

from twisted_compat.transport.stdio import PipeAddress, StandardIO

__all__ = ["PipeAddress", "StandardIO"]
