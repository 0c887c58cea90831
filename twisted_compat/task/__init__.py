"""Calls over time: later, again and again, a bit at a time; under the names of Twisted's
``twisted.internet.task``.

===============  ========================================================================================
``clock``        :class:`Clock`, a clock that tests move by hand
``looping``      :class:`LoopingCall`
``later``        :func:`deferLater`
``cooperator``   :class:`Cooperator`, :func:`cooperate`, :func:`coiterate`
``cooperative``  :class:`CooperativeTask`, and the errors of the two
``react``        :func:`react`, which runs a program's main function and exits with its code
``intervals``    private: the arithmetic of a call every so many seconds
===============  ========================================================================================

It stands on a reactor: any that provides IReactorTime. Where none is named, the current one is asked for when
it is needed, so making any of these touches no event loop.
"""

from twisted_compat.task.clock import Clock
from twisted_compat.task.cooperative import (
    CooperativeTask,
    NotPaused,
    SchedulerError,
    SchedulerStopped,
    TaskDone,
    TaskFailed,
    TaskFinished,
    TaskStopped,
)
from twisted_compat.task.cooperator import Cooperator, coiterate, cooperate
from twisted_compat.task.later import deferLater
from twisted_compat.task.looping import LoopingCall
from twisted_compat.task.react import react

__all__ = [
    "Clock",
    "CooperativeTask",
    "Cooperator",
    "LoopingCall",
    "NotPaused",
    "SchedulerError",
    "SchedulerStopped",
    "TaskDone",
    "TaskFailed",
    "TaskFinished",
    "TaskStopped",
    "coiterate",
    "cooperate",
    "deferLater",
    "react",
]
