"""For pytest-twisted: with ``-p`` of this, ``--reactor`` takes the names of our reactors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest_twisted

from tests.bridge.twisted.ecosystem.children import LOOP_FACTORIES, REACTORS
from twisted_compat.bridge.twisted import TwistedReactor, install


def _installer(loop: str) -> Callable[[], None]:
    def init() -> None:
        its = partial(install, loop_factory=LOOP_FACTORIES[loop]())
        pytest_twisted._install_reactor(reactor_installer=its, reactor_type=TwistedReactor)

    return init


pytest_twisted.reactor_installers.update({name: _installer(loop) for loop, name in REACTORS.items()})
