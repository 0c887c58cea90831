"""Where Twisted looks for plugins: this file is installed as ``twisted/plugins/twisted_compat_reactors.py``."""

from twisted_compat.bridge.twisted.plugin import ON_ASYNCIO, ON_UVLOOP

__all__ = ["ON_ASYNCIO", "ON_UVLOOP"]
