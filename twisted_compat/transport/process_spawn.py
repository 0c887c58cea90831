"""Starting a program: by ``posix_spawn`` where that can do what is asked, else by fork and exec.

``posix_spawn`` shares our memory with the child until the program begins: so its cost doesn't grow with us,
and no Python runs in between. It can change neither the directory nor the user; :class:`subprocess.Popen`
does both, in C. Python runs in the child only where even that can't do what is asked (``_Preparation``).

Which descriptors the program gets is ``process_descriptors.py``; what it is otherwise given is
``process_program.py``; who waits for its end, ``adapter/children.py``.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_compat.transport.posix import fcntl, resource, termios
from twisted_compat.transport.process_descriptors import Close, Duplicate, moves
from twisted_compat.transport.process_program import Program

__all__ = ["spawn"]

STANDARD = frozenset({0, 1, 2})
SIGNALS = tuple(sorted(signal.valid_signals() - {getattr(signal, n, 0) for n in ("SIGKILL", "SIGSTOP")}))
"""Every signal whose action can be chosen."""
RESET_BY_POPEN = frozenset(getattr(signal, name, 0) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"))
"""What Python ignores by itself: Popen resets these, and no others."""
LISTING = "/dev/fd" if sys.platform == "darwin" else "/proc/self/fd"
"""Where a process sees which descriptors it has, if anywhere."""
CLOSE_FROM: int | None = getattr(os, "POSIX_SPAWN_CLOSEFROM", None)
"""What has posix_spawn close all numbers from one on, whether they are open or not. Python 3.13 has it."""
FEW = 64
"""Numbers below this are closed one by one where nobody knows which of them are open."""
MANY = 64
"""Where more descriptors are open than this, to name each that is to be closed costs more than Popen does."""
ON_LINUX = sys.platform.startswith("linux")
OPENING_GIVES_TERMINAL = ON_LINUX
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
    """
    path = program.find()
    limit = _limit()
    for number in mapping:
        if number >= limit:
            raise OSError(errno.EBADF, f"a process may have descriptors below {limit}, and not {number}")
    if terminal is None:
        actions = _actions(mapping, limit)
    else:
        mapping = dict.fromkeys(STANDARD, terminal)
        actions = _actions_with_terminal(terminal, limit)
    plain = program.directory is None and program.uid is None and program.gid is None
    # Python's posix_spawn refuses an empty name, which a program may have for all that the system cares.
    if plain and actions is not None and program.arguments[0]:
        return _posix_spawn(path, program, actions, new_session=terminal is not None)
    return _fork_and_exec(path, program, mapping, terminal)


def _our_environment() -> Mapping[Any, Any]:
    # What is beneath os.environ, a plain dict of bytes: to go through that object, variable by variable,
    # takes a third of the time that is spent in Python on a child.
    environment: Mapping[Any, Any] = getattr(os.environ, "_data", os.environ)
    return environment


def _limit() -> int:
    """Every number of a descriptor is below this."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def _in_place(mapping: Mapping[int, int]) -> bool:
    """Whether Popen can give these descriptors by itself."""
    return mapping.keys() >= STANDARD and all(
        theirs == ours for theirs, ours in mapping.items() if theirs not in STANDARD
    )


# By posix_spawn


def _actions(mapping: Mapping[int, int], limit: int) -> list[tuple[Any, ...]] | None:
    """What posix_spawn is to do to the descriptors; None if it can't, or the other way is better."""
    if not hasattr(os, "posix_spawn"):
        return None
    last: list[tuple[Any, ...]] = []
    if CLOSE_FROM is not None and max(mapping, default=0) < FEW:
        steps = moves(mapping, ())
        above = 1 + max((step.target for step in steps if isinstance(step, Duplicate)), default=-1)
        last = [(CLOSE_FROM, above)]
        steps = moves(mapping, range(above))
    else:
        # A new pipe has the lowest numbers that are free: while those are low, not many are open.
        if max(mapping.values(), default=0) > MANY and _in_place(mapping) and _count_open() > MANY:
            return None
        try:
            # Linux closes as well what is closed already: to ask which are close-on-exec would take longer.
            steps = moves(mapping, map(int, os.listdir(LISTING)) if ON_LINUX else _inheritable())
        except OSError:  # there is no /proc
            return None
    if any(max(step) >= limit for step in steps):  # the limit has been lowered, and posix_spawn refuses them
        return None
    kinds = {Duplicate: os.POSIX_SPAWN_DUP2, Close: os.POSIX_SPAWN_CLOSE}
    return [(kinds[type(step)], *step) for step in steps] + last


def _actions_with_terminal(terminal: int, limit: int) -> list[tuple[Any, ...]] | None:
    """As :func:`_actions`, for a terminal as the standard descriptors."""
    actions = _actions(dict.fromkeys(STANDARD, 0), limit)
    if actions is None or not OPENING_GIVES_TERMINAL:
        return None
    try:
        name = os.ttyname(terminal)
        os.close(os.open(name, os.O_RDWR | os.O_NOCTTY))
    except OSError:  # another file system's, or another user's
        return None
    return [(os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0), *actions]


def _count_open() -> int:
    """How many descriptors are open; 0 where the system doesn't say (it does from Linux 6.2 on)."""
    try:
        return os.stat(LISTING).st_size
    except OSError:
        return 0


def _inheritable() -> list[int]:
    """Our numbers that a program would get without being asked.

    :raises OSError: if the system doesn't say what is open.
    """
    found = []
    for number in map(int, os.listdir(LISTING)):
        try:
            if os.get_inheritable(number):
                found.append(number)
        except OSError:  # closed meanwhile, as that of the listing itself
            pass
    return found


def _posix_spawn(path: bytes, program: Program, actions: list[tuple[Any, ...]], *, new_session: bool) -> int:
    session: dict[str, Any] = {"setsid": True} if new_session else {}  # not every system knows it
    return os.posix_spawn(
        path,
        program.arguments,
        _our_environment() if program.environment is None else program.environment,
        file_actions=actions,
        setsigmask=(),
        setsigdef=SIGNALS,
        **session,
    )


# By fork and exec


@dataclass(frozen=True)
class _Preparation:
    """What a forked child does in Python, before the program begins: only system calls, no locks.

    :ivar mapping: the descriptors it is to have, if Popen can't give it these; all others are closed.
    :ivar take_terminal: makes its standard input control its session; or None.
    :ivar become: takes on another user's identity, if Popen can't; or None.
    :ivar ignored: signals to get their default action back.
    :ivar blocked: whether signals are blocked that are not to be.
    """

    mapping: Mapping[int, int] | None
    take_terminal: Callable[[], object] | None
    become: Callable[[], object] | None
    ignored: tuple[int, ...]
    blocked: bool

    def __call__(self) -> None:
        if self.mapping is not None:
            _arrange(self.mapping)
        if self.take_terminal is not None:
            self.take_terminal()
        if self.become is not None:
            self.become()
        for number in self.ignored:
            signal.signal(number, signal.SIG_DFL)
        if self.blocked:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _arrange(mapping: Mapping[int, int]) -> None:
    """Have these descriptors, and no others that aren't close-on-exec. Runs in the child."""
    try:  # here, in the child: it is alone, so that nobody opens or closes any meanwhile
        others: Iterable[int] = _inheritable()
    except OSError:  # Popen will close the rest
        others = STANDARD
    for step in moves(mapping, others):
        if isinstance(step, Duplicate):
            os.dup2(step.source, step.target)
        else:
            with suppress(OSError):  # it isn't open
                os.close(step.number)


def _become(uid: int, gid: int, groups: list[int]) -> None:
    """Take on an identity, for a process that was root's and may be so again."""
    os.seteuid(0)
    os.setgroups(groups)
    os.setregid(gid, gid)
    os.setreuid(uid, uid)


def _fork_and_exec(path: bytes, program: Program, mapping: Mapping[int, int], terminal: int | None) -> int:
    in_place = _in_place(mapping)
    options: dict[str, Any] = {"pass_fds": [number for number in mapping if number not in STANDARD]}
    if in_place:
        options.update(stdin=mapping[0], stdout=mapping[1], stderr=mapping[2])
    else:
        with suppress(OSError):
            os.listdir(LISTING)  # so can the child, which closes by itself then what isn't for it
            options = {"close_fds": False}
    become, groups = None, program.groups()
    # Not by Popen where it can't, or where it would before the child has listed what it has to close: who has
    # become another user may not.
    if groups is not None and (os.geteuid() != 0 or not in_place):
        uid = os.geteuid() if program.uid is None else program.uid
        gid = os.getegid() if program.gid is None else program.gid
        become = partial(_become, uid, gid, groups)
    else:
        options.update(user=program.uid, group=program.gid, extra_groups=groups)
    preparation = _Preparation(
        None if in_place else mapping,
        None if terminal is None else partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),
        become,
        tuple(number for number in _ignored() if number not in RESET_BY_POPEN),
        bool(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    )
    if preparation != _Preparation(None, None, None, (), False):
        options["preexec_fn"] = preparation
    with ExitStack() as placeholders:
        # Popen opens a pipe, by which the child says what failed: not where the child's steps would close it.
        targets = {step.target for step in moves(mapping, ()) if isinstance(step, Duplicate)} - STANDARD
        for number in sorted(targets if not in_place else ()):
            taken = fcntl.fcntl(next(iter(mapping.values())), fcntl.F_DUPFD_CLOEXEC, number)
            placeholders.callback(os.close, taken)
        try:
            process = _Popen(
                program.arguments,
                executable=path,
                env=_our_environment() if program.environment is None else program.environment,
                cwd=program.directory or b".",  # for without one it may use posix_spawn, too
                start_new_session=terminal is not None,
                **options,
            )
        except subprocess.SubprocessError as error:  # it doesn't say which of the child's steps failed
            raise OSError(errno.EPERM, f"a child process could not be prepared: {error}") from error
    return process.pid


class _Popen(subprocess.Popen[bytes]):
    """One that goes without a word: the child is ours to wait for."""

    def __del__(self, *_: Any) -> None:
        pass


def _ignored() -> Iterable[int]:
    """The signals that are ignored here, and so would be in a child."""
    with suppress(OSError), open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"SigIgn:"):  # C code's too, of which Python knows nothing
                bits = int(line.split()[1], 16)
                return [number for number in SIGNALS if bits >> (number - 1) & 1]
    return [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
