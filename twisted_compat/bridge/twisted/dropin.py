"""The reactors for ``twistd --reactor=`` and ``trial --reactor=``.

This file is installed where Twisted looks for plugins, as ``twisted/plugins/twisted_compat_reactors.py``.
"""

from twisted.application.reactors import Reactor

__all__ = ["on_asyncio", "on_uvloop"]

on_asyncio = Reactor(
    "twisted_compat", "twisted_compat.bridge.twisted", "twisted_compat's engine on an asyncio event loop"
)
on_uvloop = Reactor(
    "twisted_compat_uvloop",
    "twisted_compat.bridge.twisted.on_uvloop",
    "twisted_compat's engine on a uvloop event loop",
)
