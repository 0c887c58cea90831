"""docs/cancellation.md, cell by cell: its tables are read, and each cell is what is seen when it is tried."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import cancellable as w
from tests import cancelling as c
from tests.support import within
from twisted_compat.defer import CancelledError, ensureDeferred

pytestmark = pytest.mark.without_debug  # who is told what is the same in the loops' debug mode

PAGE = Path(__file__).parents[1] / "docs" / "cancellation.md"
IMPOSSIBLE = "–"  # noqa: RUF001
SIDES = "*seen by*"


class Cell(NamedTuple):
    table: str
    row: str
    column: str
    text: str


def cells() -> list[Cell]:
    """All cells of the page's tables; a table has the name of the heading it is under."""
    found: list[Cell] = []
    heading, columns = "", []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not line.startswith("|"):
            columns = []
            continue
        first, *others = (part.strip() for part in line.strip("|").split("|"))
        if not columns:
            columns = others
        elif not re.fullmatch("[-: ]+", first):
            assert len(others) == len(columns), line
            found += [Cell(heading, first, *pair) for pair in zip(columns, others, strict=True)]
    return found


# The rows: how work and coroutine take it, and what is done to them.


class Row(NamedTuple):
    script: Callable[[c.Waiter], Awaitable[str]]
    work: str = w.ENDS
    coroutine: str = w.ENDS


async def _turns() -> None:
    """Let everything that is on its way arrive."""
    for _ in range(12):
        await asyncio.sleep(0)


async def _words(waiter: c.Waiter) -> str:
    await _turns()
    return " / ".join(waiter.words())


async def _waiting(waiter: c.Waiter) -> None:
    waiter.start()
    waiter.wait()
    await _turns()


async def _before(waiter: c.Waiter) -> str:
    waiter.cancel_before_waiting()
    return await _words(waiter)


async def _once(waiter: c.Waiter) -> str:
    await _waiting(waiter)
    try:
        waiter.cancel()
    except ZeroDivisionError:
        return await _words(waiter) + ", raised"
    return await _words(waiter)


async def _twice(waiter: c.Waiter) -> str:
    await _waiting(waiter)
    waiter.cancel()
    waiter.cancel()
    return await _words(waiter)


async def _result_then_cancel(waiter: c.Waiter) -> str:
    await _waiting(waiter)
    waiter.work.finish_and(waiter.cancel)
    return await _words(waiter)


async def _cancel_then_result(waiter: c.Waiter) -> str:
    await _waiting(waiter)
    waiter.cancel()
    waiter.work.finish_and(lambda: None)
    return await _words(waiter)


async def _cleaned_up(waiter: c.Waiter) -> str:
    meanwhile = await _once(waiter)
    waiter.work.clean()
    return f"{meanwhile} → {await _words(waiter)}"


async def _coroutine_cleaned_up(waiter: c.Waiter) -> str:
    meanwhile = await _once(waiter)
    assert isinstance(waiter, c.CoroutineWaiter)
    waiter.clean()
    return f"{meanwhile} → {await _words(waiter)}"


async def _again(waiter: c.Waiter) -> str:
    meanwhile = await _once(waiter)
    waiter.cancel()
    return f"{meanwhile} → {await _words(waiter)}"


ROWS = {
    "before it waits": Row(_before),
    "while it waits": Row(_once),
    "twice": Row(_twice),
    "it has to clean up": Row(_cleaned_up, w.CLEANS_UP),
    "again, during the cleanup": Row(_again, w.CLEANS_UP),
    "the result is there, unnoticed": Row(_result_then_cancel),
    "the result comes right after": Row(_cancel_then_result),
    "it gives a result instead": Row(_once, w.GIVES_RESULT),
    "it fails with another error": Row(_once, w.FAILS),
    "the canceller raises": Row(_once, w.RAISES),
    "the coroutine cleans up": Row(_coroutine_cleaned_up, coroutine=w.CLEANS_UP),
    "again, during that": Row(_again, coroutine=w.CLEANS_UP),
    "the coroutine returns something": Row(_once, coroutine=w.GIVES_RESULT),
    "the coroutine raises another error": Row(_once, coroutine=w.FAILS),
}
# The columns: who waits, and for what. All pairs of a column see the same.


class Column(NamedTuple):
    waiters: tuple[type[c.Waiter], ...]
    works: tuple[type[w.Work], ...]


OURS, THEIRS, ASYNCIO = (w.OurWork,), (w.TwistedWork,), (w.FutureWork, w.TaskWork)
BOTH = OURS + THEIRS
_DRIVEN = (c.CoroutineWaiter, c.FromCoroutineWaiter, c.AsDeferredWaiter)
_TASKS = (c.TaskOfCoroutine, c.TaskOfAsDeferred)

COLUMNS = {
    "A task waits for a Deferred": {
        "the task: `await d`": Column((c.TaskWaiter,), OURS),
        "the task: `await as_future(d)`": Column((c.AsFutureTaskWaiter,), BOTH),
        "`as_future(d)`": Column((c.AsFutureWaiter,), BOTH),
        "`d.asFuture(loop)`": Column((c.PlainFutureWaiter,), OURS),
        "`d`, which a task awaits": Column((c.InnerOfTask,), OURS),
        "`d`, under `as_future(d)`": Column((c.InnerOfFuture,), BOTH),
    },
    "A coroutine or generator of ours waits": {
        "its Deferred; `x`: a Deferred": Column((*_DRIVEN, c.InlineWaiter), BOTH),
        "its Deferred; `x`: a future or task": Column(_DRIVEN, ASYNCIO),
        "the Deferred of `inlineCallbacks`; `x`: a future or task": Column((c.InlineWaiter,), ASYNCIO),
        "its task; `x`: a Deferred": Column(_TASKS, BOTH),
        "its task; `x`: a future or task": Column(_TASKS, ASYNCIO),
    },
    "A Deferred waits for something else": {
        "`as_deferred(x)`; `x`: a future or task": Column((c.DeferredWaiter,), ASYNCIO),
        "that `x`": Column((c.InnerOfDeferred,), ASYNCIO),
        "`Deferred.fromFuture(x)`": Column((c.FromFutureWaiter,), ASYNCIO),
        "that `x`, a future or task": Column((c.InnerOfFromFuture,), ASYNCIO),
        "`as_deferred(x)`; `x`: Twisted's": Column((c.DeferredWaiter,), THEIRS),
        "Twisted's, made of ours": Column((c.TheirDeferredWaiter,), OURS),
        "Twisted's, made of a future or task": Column((c.TheirDeferredWaiter,), ASYNCIO),
    },
}


# The tests.


def test_the_page_has_the_tables_that_are_tried_here() -> None:
    """No cell without a test, and no test without a cell."""
    columns: dict[str, set[str]] = {}
    rows: dict[str, list[str]] = {}
    for cell in cells():
        columns.setdefault(cell.table, set()).add(cell.column)
        if cell.row not in (SIDES, *rows.setdefault(cell.table, [])):
            rows[cell.table].append(cell.row)
    assert columns == {table: set(named) for table, named in COLUMNS.items()}
    for table, found in rows.items():
        drives = any(
            issubclass(kind, c.CoroutineWaiter) for col in COLUMNS[table].values() for kind in col.waiters
        )
        assert found == [name for name, row in ROWS.items() if drives or row.coroutine == w.ENDS]
    assert len(cells()) == len({cell[:3] for cell in cells()})


@pytest.mark.parametrize("cell", [cell for cell in cells() if cell.row == SIDES], ids=" | ".join)
def test_who_is_said_to_see_it(cell: Cell) -> None:
    assert {waiter.sides for waiter in COLUMNS[cell.table][cell.column].waiters} == {cell.text}


def _is_of_canceller(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    "cell", [cell for cell in cells() if cell.row != SIDES], ids=lambda cell: " | ".join(cell[:3])
)
async def test_cell(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    row, column = ROWS[cell.row], COLUMNS[cell.table][cell.column]
    tried = 0
    for make_waiter in column.waiters:
        for make_work in column.works:
            if row.work in make_work.reactions:
                tried += 1
                work = make_work(row.work)
                waiter = make_waiter(work, row.coroutine)
                caplog.clear()
                seen = await within(row.script(waiter))
                if make_work is w.TwistedWork and make_waiter is c.InnerOfFuture:
                    seen = seen.replace("Twisted's", "ours")  # as the page says above the table
                if any(
                    record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records
                ):
                    seen += ", logged"
                assert seen == cell.text, (make_waiter.__name__, make_work.__name__)
                await waiter.close()
                await work.close()
    assert (cell.text == IMPOSSIBLE) is (tried == 0)


async def test_nothing_unhandled_is_left_by_any_of_them(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()
    for table, columns in COLUMNS.items():
        for name, column in columns.items():
            work = column.works[0](w.ENDS)
            waiter = column.waiters[0](work)
            await within(_once(waiter))
            assert "waits" not in waiter.words(), (table, name)
            await waiter.close()
            await work.close()
    del work, waiter
    gc.collect()
    assert caplog.records == []


# What the page says around the tables.


async def _sleeping(seen: list[BaseException], seconds: float) -> None:
    try:
        while True:
            await asyncio.sleep(seconds)
    except asyncio.CancelledError as error:
        seen.append(error)
        raise


@pytest.mark.parametrize("seconds", [0, 3600])
async def test_a_coroutine_that_sleeps_is_cancelled_as_one_that_waits_for_a_future(seconds: float) -> None:
    seen: list[BaseException] = []
    deferred = ensureDeferred(_sleeping(seen, seconds))
    deferred.cancel()
    with pytest.raises(CancelledError) as caught:
        await within(deferred)
    assert caught.value.__cause__ is seen[0]


async def test_the_message_crosses_as_the_argument_and_the_cause_is_kept() -> None:
    work = w.OurWork(w.ENDS)
    waiter = c.TaskOfCoroutine(work)
    await _waiting(waiter)
    waiter.cancel()
    await _turns()
    failed: list[Any] = []
    waiter.deferred.addErrback(failed.append)
    (failure,) = failed
    assert (failure.type, failure.value.args) == (CancelledError, (w.MESSAGE,))
    assert isinstance(failure.value.__cause__, asyncio.CancelledError)
    assert failure.value.__cause__.args == (w.MESSAGE,)
