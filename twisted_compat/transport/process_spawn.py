"""Starting a program: by ``posix_spawn`` where that can do what is asked, else by fork and exec.

``posix_spawn`` shares our memory with the child until the program begins: so its cost doesn't grow with us,
and no Python runs in between. It can change neither the directory nor the user; :class:`subprocess.Popen`
does both, in C. Python runs in the child only where even that can't do what is asked (``_Preparation``).

Which descriptors the program gets is ``process_descriptors.py``; what it is otherwise given is
``process_program.py``; who waits for its end, ``adapter/children.py``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_compat.transport.process_descriptors import Duplicate, Move, moves
from twisted_compat.transport.process_program import Program, Text

__all__ = ["spawn"]

STANDARD = frozenset({0, 1, 2})
SIGNALS = tuple(sorted(signal.valid_signals() - {getattr(signal, n, 0) for n in ("SIGKILL", "SIGSTOP")}))
"""Every signal whose action can be chosen."""
RESET_BY_POPEN = frozenset(getattr(signal, name, 0) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"))
"""What Python ignores by itself: Popen resets these, and no others."""
CAN_SPAWN = hasattr(os, "posix_spawn")
OPENING_GIVES_TERMINAL = sys.platform.startswith("linux")
"""Whether the leader of a session that opens a terminal is controlled by it from then on. (Elsewhere it must
ask for that, which posix_spawn can't.)"""


def spawn(program: Program, mapping: Mapping[int, int], terminal: int | None = None) -> int:
    """Start a program in a process of its own, with the default action for every signal, and none blocked.

    :param program: what to start.
    :param mapping: its descriptors: for each number that it is to have, our number of the same file.
    :param terminal: our number of a terminal, in place of a mapping: that is all of the standard descriptors,
        and controls a new session.
    :returns: the process's number. Whoever calls has to reap it.
    :raises OSError: if it can't be started; then there is no process.
    :raises TypeError: if what it is given is of a wrong type. ValueError, if it has zero bytes in it.
    """
    path = program.find()
    if CAN_SPAWN and program.directory is None and program.uid is None and program.gid is None:
        try:
            inheritable = _inheritable()
            name = None if terminal is None else os.ttyname(terminal)
        except OSError:  # there is no /proc, or it is a terminal of another file system's
            pass
        else:
            if terminal is None:
                return _posix_spawn(path, program, moves(mapping, inheritable))
            if OPENING_GIVES_TERMINAL:
                return _posix_spawn(path, program, moves({1: 0, 2: 0}, {*inheritable} - {0}), name)
    if terminal is not None:
        mapping = dict.fromkeys(STANDARD, terminal)
    return _fork_and_exec(path, program, mapping, terminal)


def _posix_spawn(path: Text, program: Program, steps: Iterable[Move], terminal: str | None = None) -> int:
    """
    :param terminal: the name of a terminal to begin with, as standard input, in a new session.
    """
    actions: list[tuple[Any, ...]] = []
    session: dict[str, Any] = {}
    if terminal is not None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0))
        session["setsid"] = True
    for step in steps:
        kind = os.POSIX_SPAWN_DUP2 if type(step) is Duplicate else os.POSIX_SPAWN_CLOSE
        actions.append((kind, *step))
    environment = os.environ if program.environment is None else program.environment
    return os.posix_spawn(
        path,
        list(program.arguments),
        environment,
        file_actions=actions,
        setsigmask=(),
        setsigdef=SIGNALS,
        **session,
    )


def _inheritable() -> list[int]:
    """Our numbers that a program would get without being asked.

    :raises OSError: if the system doesn't say what is open.
    """
    found = []
    for name in os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # closed meanwhile, as that of the listing itself
            pass
    return found


@dataclass(frozen=True)
class _Preparation:
    """What a forked child does in Python, before the program begins: only system calls, no locks.

    :ivar steps: what it does to its descriptors.
    :ivar take_terminal: makes its standard input control its session; or None.
    :ivar ignored: signals to get their default action back.
    :ivar blocked: whether signals are blocked that are not to be.
    """

    steps: tuple[Move, ...]
    take_terminal: Callable[[], object] | None
    ignored: tuple[int, ...]
    blocked: bool

    def __call__(self) -> None:
        for step in self.steps:
            if isinstance(step, Duplicate):
                os.dup2(step.source, step.target)
            else:
                with suppress(OSError):  # it isn't open
                    os.close(step.number)
        if self.take_terminal is not None:
            self.take_terminal()
        for number in self.ignored:
            signal.signal(number, signal.SIG_DFL)
        if self.blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _fork_and_exec(path: Text, program: Program, mapping: Mapping[int, int], terminal: int | None) -> int:
    import fcntl  # there are none on Windows, where this module can be imported
    import termios

    kept = {number for number in mapping if number not in STANDARD}
    options: dict[str, Any] = {"user": program.uid, "group": program.gid, "extra_groups": program.groups()}
    steps: tuple[Move, ...] = ()
    if mapping.keys() >= STANDARD and all(mapping[number] == number for number in kept):
        options.update(stdin=mapping[0], stdout=mapping[1], stderr=mapping[2])
    else:
        steps = tuple(moves(mapping, STANDARD))
    preparation = _Preparation(
        steps,
        None if terminal is None else partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),
        tuple(n for n in SIGNALS if n not in RESET_BY_POPEN and signal.getsignal(n) is signal.SIG_IGN),
        bool(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    )
    if any(vars(preparation).values()):
        options["preexec_fn"] = preparation
    with ExitStack() as placeholders:
        # Popen opens a pipe, by which the child says what failed: not where the child's steps would close it.
        for number in sorted({step.target for step in steps if isinstance(step, Duplicate)} - STANDARD):
            taken = fcntl.fcntl(next(iter(mapping.values())), fcntl.F_DUPFD_CLOEXEC, number)
            placeholders.callback(os.close, taken)
        process = subprocess.Popen(
            program.arguments,
            executable=path,
            env=program.environment,
            cwd=program.directory,
            pass_fds=sorted(kept),
            start_new_session=terminal is not None,
            **options,
        )
    process.returncode = 0  # it is ours to wait for: nothing of Popen's is to look after it any more
    return process.pid
