"""What is seen while the suite measures: a bar in a terminal, and everywhere a line for each case done."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from .grids import amount, times
from .model import Case
from .report import Conclusion
from .runner import Turn

__all__ = ["Watch"]


class Watch:
    """Shows how a plan of turns goes on, while the block runs.

    :param turns: all that is going to be measured.
    """

    def __init__(self, console: Console, turns: Sequence[Turn]) -> None:
        self._console = console
        self._cases = list(dict.fromkeys(turn.case.name for turn in turns))
        self._rounds = max(turn.round for turn in turns)
        self._last = ""
        # It is drawn when something has changed and not all the time, which would disturb what is measured.
        self._bar = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=len(turns))

    def __enter__(self) -> Watch:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begins(self, turn: Turn) -> None:
        """Say what is measured now, and the figure before it."""
        now = f"{turn.case.name}  {turn.peer}  round {turn.round}/{self._rounds}"
        self._bar.update(self._task, description=f"{now}{self._last}", refresh=True)

    def ended(self, turn: Turn) -> None:
        """Keep the figure just measured in sight."""
        figure = "failed" if turn.sample is None else f"{amount(turn.sample.value)} {turn.case.unit.text}"
        self._last = f"  ({turn.peer}: {figure})"
        self._bar.advance(self._task)

    def case_ended(self, case: Case, conclusion: Conclusion | None) -> None:
        """Print the ratios of a case, all rounds of which were measured."""
        position = f"[{self._cases.index(case.name) + 1:>{len(str(len(self._cases)))}}/{len(self._cases)}]"
        if conclusion is None:
            line = "nothing could be measured"
        else:
            ratios = ", ".join(f"{each.peer} {times(each.multiple)}" for each in conclusion.standings)
            line = f"x {conclusion.baseline}: {ratios}"
        self._console.print(Text(f"{position} {case.name}  {line}"), soft_wrap=True)
