"""What the tests of lock files deal with: another process that locks, and a clock moved by hand."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.support import DEADLINE

CHILD = """
import sys
from {module} import FilesystemLock, isLocked
lock = FilesystemLock(sys.argv[1])
for line in sys.stdin:
    command = line.strip()
    if command == "lock":
        result = (lock.lock(), lock.clean)
    elif command == "unlock":
        try:
            result = lock.unlock()
        except ValueError:
            result = "ValueError"
    else:
        result = isLocked(sys.argv[1])
    print(result, flush=True)
"""


class Child:
    """Another process with a lock object of its own."""

    def __init__(self, module: str, name: str) -> None:
        program = CHILD.format(module=module)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE)[0], "no answer"
        return self.process.stdout.readline().decode().strip()

    def ask(self, command: str) -> str:
        self.tell(command)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *args: object) -> None:
        self.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


class Call:
    """One call of :class:`Clock`."""

    def __init__(self, when: float, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.when = when
        self.function = function
        self.args = args
        self.pending = True

    def active(self) -> bool:
        return self.pending

    def cancel(self) -> None:
        assert self.pending
        self.pending = False


class Clock:
    """Just enough of IReactorTime, and time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Call] = []

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any) -> Call:
        self.calls.append(Call(self.now + delay, function, args))
        return self.calls[-1]

    def waiting(self) -> list[Call]:
        return [call for call in self.calls if call.pending]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [call for call in self.waiting() if call.when <= end]:
            call = min(due, key=lambda call: call.when)
            self.now = call.when
            call.pending = False
            call.function(*call.args)
        self.now = end
