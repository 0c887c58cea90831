"""The reactors for ``twistd --reactor=`` and ``trial --reactor=``.

Twisted finds them through ``dropin.py``, which is installed where it looks for plugins.
"""

from __future__ import annotations

from twisted.application.reactors import IReactorInstaller
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_compat.bridge.twisted.installing import install

__all__ = ["ON_ASYNCIO", "ON_UVLOOP"]


@implementer(IPlugin, IReactorInstaller)
class _Reactor:
    """A TwistedReactor to be chosen by name.

    :param shortName: what is written after ``--reactor=``.
    :param description: what ``--help-reactors`` says.
    """

    def __init__(self, shortName: str, description: str, *, uvloop: bool) -> None:
        self.shortName = shortName
        self.description = description
        self._uvloop = uvloop

    def install(self) -> None:
        """Make it ``twisted.internet.reactor``; it takes its loop when it is first needed."""
        if not self._uvloop:
            install()
            return
        import uvloop

        install(loop_factory=uvloop.new_event_loop)


ON_ASYNCIO = _Reactor("twisted_compat", "twisted_compat's engine on an asyncio event loop", uvloop=False)
ON_UVLOOP = _Reactor("twisted_compat_uvloop", "twisted_compat's engine on a uvloop event loop", uvloop=True)
