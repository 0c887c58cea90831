"""A child's descriptors: the plan of how ours become the child's, without any process, for every small
mapping and many large ones; then which descriptors real children have."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support import until
from tests.transport.children import attached, killed_by, spawn
from tests.transport.recorders import descriptor_limit
from tests.transport.spawning import in_both_ways
from tests.transport.unix_sockets import linux_only
from twisted_compat import AsyncioReactor
from twisted_compat.transport.process_descriptors import Close, Duplicate, moves

pytestmark = pytest.mark.without_debug

# -- the plan


class Table:
    """A new process's descriptors: for each number the file, named by the number that it had in us, and
    whether exec closes it.

    :param onto_itself: whether duplicating a number onto itself has exec leave it open. The manual of dup2
        says no, that of posix_spawn yes, and its implementations differ.
    """

    def __init__(self, ours: Iterable[int], inheritable: Iterable[int], onto_itself: bool) -> None:
        self._files = {number: (number, True) for number in ours}
        self._files |= {number: (number, False) for number in inheritable}
        self._onto_itself = onto_itself

    def follow(self, move: Duplicate | Close) -> None:
        if isinstance(move, Close):
            del self._files[move.number]
        elif move.source != move.target or self._onto_itself:
            self._files[move.target] = (self._files[move.source][0], False)
        else:
            assert move.source in self._files

    def after_exec(self) -> dict[int, int]:
        return {number: file for number, (file, closing) in self._files.items() if not closing}


def check(mapping: Mapping[int, int], inheritable: Iterable[int], others: Iterable[int] = ()) -> None:
    """After the moves and exec exactly the child's numbers are open, each the right file."""
    inheritable = list(inheritable)
    planned = moves(dict(mapping), inheritable)
    for onto_itself in (False, True):
        table = Table({*mapping.values(), *others}, inheritable, onto_itself)
        for move in planned:
            table.follow(move)
        assert table.after_exec() == mapping


def test_every_way_to_give_three_numbers_of_four() -> None:
    for sources in itertools.product([None, 0, 1, 2, 3], repeat=3):
        mapping = {child: ours for child, ours in enumerate(sources) if ours is not None}
        for chosen in itertools.product([False, True], repeat=4):
            check(mapping, itertools.compress(range(4), chosen), others=range(4))


few = st.integers(0, 7)
numbers = st.one_of(few, few, st.integers(0, 40), st.integers(0, 1_000_000))


@given(
    mapping=st.dictionaries(numbers, numbers, max_size=12),
    inheritable=st.sets(numbers, max_size=12),
    others=st.sets(numbers, max_size=12),
)
def test_any_mapping_whatever_else_is_open(
    mapping: dict[int, int], inheritable: set[int], others: set[int]
) -> None:
    event(f"{len(mapping.keys() & set(mapping.values()))} numbers are both given and taken")
    check(mapping, inheritable, others)


@given(order=st.permutations(range(9)), inheritable=st.sets(st.integers(0, 12)))
def test_any_permutation(order: list[int], inheritable: set[int]) -> None:
    check(dict(enumerate(order)), inheritable)


@given(
    mapping=st.dictionaries(numbers, numbers, max_size=12),
    inheritable=st.sets(numbers, max_size=12),
)
def test_no_number_beyond_those_there_are_while_lower_ones_are_free(
    mapping: dict[int, int], inheritable: set[int]
) -> None:
    """A higher one might be beyond the limit on descriptors."""
    used = {*mapping, *mapping.values(), *inheritable}
    named = {n for move in moves(mapping, inheritable) for n in vars_of(move)}
    assert max(named, default=0) <= max(max(used, default=0), len(used) + 1)


def vars_of(move: Duplicate | Close) -> tuple[int, ...]:
    return (move.number,) if isinstance(move, Close) else (move.source, move.target)


def test_what_it_is_given_stays_as_it_was_and_is_looked_at_once() -> None:
    mapping = {0: 1, 1: 0, 5: 5}
    inheritable = [0, 1, 2, 7]
    planned = moves(mapping, iter(inheritable))
    assert mapping == {0: 1, 1: 0, 5: 5}
    assert planned == moves(mapping, inheritable)


def test_a_number_named_twice_as_inheritable_is_closed_once() -> None:
    check({0: 5}, [3, 3, 3])


def test_nothing_to_do_for_a_child_that_gets_nothing() -> None:
    assert moves({}, []) == []


def test_many_at_once() -> None:
    count = 500
    check({number: (number + 1) % count for number in range(count)}, range(0, 3 * count, 2))


# -- real children


@pytest.fixture
def ours(tmp_path: pathlib.Path) -> Iterator[Callable[..., int]]:
    """Opens a file of that name, as a number that is above ``above``; inheritable or not."""
    opened = []

    def open_one(name: str, inheritable: bool = False, above: int = 20) -> int:
        low = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
        opened.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, above))
        os.close(low)
        os.set_inheritable(opened[-1], inheritable)
        return opened[-1]

    yield open_one
    for number in opened:
        os.close(number)


def descriptors_of(pid: int) -> dict[int, str]:
    """What another process has open."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


async def check_child(reactor: Any, mapping: dict[int, Any], **options: Any) -> None:
    """A child with this mapping has these descriptors alone, each the right file; and we have what we had."""
    shared = {what: state_of(what) for what in mapping.values() if isinstance(what, int)}
    child = spawn(reactor, "/bin/sleep", "1000", childFDs=mapping, **options)
    pipes = [number for number, what in mapping.items() if isinstance(what, str)]
    expected = {
        number: os.readlink(f"/proc/self/fd/{child.transport.pipes[number].fd if number in pipes else what}")
        for number, what in mapping.items()
    }
    found: dict[int, str] = {}

    def as_expected() -> bool:
        found.clear()
        found.update(descriptors_of(child.transport.pid))
        return found == expected

    with contextlib.suppress(AssertionError):  # not at once: while it starts, it opens its libraries
        await until(as_expected, 3)
    assert found == expected
    assert len({expected[number] for number in pipes}) == len(pipes)
    for number in pipes:
        assert is_writable(child.transport.pid, number) is (mapping[number] == "r")
    child.transport.signalProcess("KILL")
    assert await child.ended() == killed_by(signal.SIGKILL)
    assert child.had_a_whole_life(*pipes)
    assert {number: state_of(number) for number in shared} == shared


def is_writable(pid: int, number: int) -> bool:
    """Whether another process can write to that descriptor of its own."""
    flags = re.search("flags:\\s*([0-7]+)", pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text())
    assert flags
    return int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY


def state_of(number: int) -> Any:
    """Whether it is inheritable and how it was opened; None if it isn't open."""
    try:
        return os.get_inheritable(number), fcntl.fcntl(number, fcntl.F_GETFL)
    except OSError:
        return None


@linux_only
@in_both_ways
async def test_any_file_at_any_number(ours: Callable[..., int], path: str | None) -> None:
    a, b, c, d = (ours(name, name in "bd") for name in "abcd")  # two of each kind
    low = ours("low", above=3)
    async with attached() as reactor:
        for mapping in (
            {1: "r"},
            {0: "w", 1: "r", 2: "r"},
            {0: a, 1: "r", 2: b},
            {1: "r", 2: a, 3: a, 4: b, 5: b, 6: a},  # one at several numbers
            {1: "r", a: a, b: b},  # in place
            {1: "r", a: b, b: a, c: d, d: c},  # swapped
            {1: "r", a: b, b: c, c: a},  # in a ring
            {1: "r", a: b, b: b, c: b, 2: b},
            {1: "r", low: low, 3: low, 4: a, 5: "r", 6: "w", a: "r", c: "w"},  # numbers in use
            {1: "r", 0: 0, 2: 2, 3: 1},
            {1: "r", 0: 1, 2: 0, 3: 2},
            {1: "r", **dict.fromkeys(range(2, 40), a)},  # wherever new descriptors would go
            {1: "r", **dict.fromkeys(range(2, 40), "w")},
            {1: "r", 200: a, 300: b, 301: "w", 302: "r"},  # high numbers
        ):
            await check_child(reactor, mapping, path=path)


@linux_only
@settings(max_examples=25, deadline=None)
@given(
    wishes=st.dictionaries(
        st.integers(0, 12), st.sampled_from(["r", "w", 0, 1, 2, 3, 4, 5]), min_size=1, max_size=10
    ),
    moved=st.dictionaries(st.integers(0, 5), st.integers(0, 5), max_size=4),
    inheritable=st.sets(st.integers(0, 5)),
    path=st.sampled_from([None, "/"]),
)
def test_any_mapping_of_a_real_child(
    wishes: dict[int, Any], moved: dict[int, int], inheritable: set[int], path: str | None
) -> None:
    """
    :param wishes: for the child's low numbers: pipes, and which of our own files.
    :param moved: which of our files goes where another has its number.
    """
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        files = []
        for name in range(6):
            files.append(os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT))
            stack.callback(os.close, files[-1])
            os.set_inheritable(files[-1], name in inheritable)
        mapping = {child: what if isinstance(what, str) else files[what] for child, what in wishes.items()}
        mapping |= {files[there]: files[which] for there, which in moved.items()}

        async def have_a_child() -> None:
            async with AsyncioReactor() as reactor:
                await check_child(reactor, mapping, path=path)

        asyncio.run(have_a_child())


@linux_only
@in_both_ways
async def test_a_child_without_standard_descriptors(ours: Callable[..., int], path: str | None) -> None:
    a, b = ours("a"), ours("b", inheritable=True)
    async with attached() as reactor:
        for mapping in ({}, {9: "r"}, {2: a}, {0: "w", 9: "r"}, {9: "r", a: b, b: a}):
            await check_child(reactor, mapping, path=path)


@linux_only
@in_both_ways
async def test_standard_descriptors_of_ours_may_change_places(path: str | None) -> None:
    async with attached() as reactor:
        for order in itertools.permutations(range(3)):
            await check_child(reactor, dict(enumerate(order)), path=path)


@linux_only
@in_both_ways
def test_five_thousand_descriptors_of_ours(path: str | None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = 5_000 if hard == resource.RLIM_INFINITY or hard > 6_000 else hard - 1_000

    async def have_children(*mappings: dict[int, Any]) -> None:
        async with attached() as reactor:
            for mapping in mappings:
                await check_child(reactor, mapping, path=path)

    with contextlib.ExitStack() as stack:
        stack.enter_context(descriptor_limit(many + 1_000))
        opened = [os.dup(0) for _ in range(many)]
        for number in opened:
            stack.callback(os.close, number)
        for number in opened[::2]:
            os.set_inheritable(number, True)
        asyncio.run(
            have_children(
                {0: "w", 1: "r", 2: opened[-1], 3: opened[0], 4: "r"}, {1: "r", opened[2]: opened[9]}
            )
        )


@linux_only
@in_both_ways
async def test_descriptors_above_a_limit_that_came_later(ours: Callable[..., int], path: str | None) -> None:
    ours("high", inheritable=True, above=900)
    with descriptor_limit(500):
        async with attached() as reactor:
            await check_child(reactor, {1: "r"}, path=path)


fleeting: list[int] = []
os.register_at_fork(before=lambda: [os.close(fleeting.pop()) for _ in list(fleeting)])


@linux_only
async def test_a_number_that_another_thread_gives_up_meanwhile(ours: Callable[..., int]) -> None:
    a = ours("a")
    async with attached() as reactor:
        number = os.dup(a)  # as if a thread had it, which closes it just before there is a child
        fleeting.append(number)
        await check_child(reactor, {1: "r", number: a}, path="/")
        assert not fleeting


STANDARD = """
import asyncio, itertools, os, sys
from tests.transport.test_process_descriptors import check_child
from twisted_compat import AsyncioReactor

async def have_children(mappings):
    async with AsyncioReactor() as reactor:
        for path in (None, "/"):
            for mapping in mappings:
                await check_child(reactor, mapping, path=path)

sys.stderr = open(os.dup(2), "w")
a = os.dup(0)
for closed in ([0], [1, 2]):  # the loop, our pipes, or the ends of the child's have these numbers now
    for number in closed:
        os.close(number)
    asyncio.run(have_children([
        {}, {0: "w", 1: "r", 2: "r"}, {0: a, 1: "r", 2: a}, {a: a}, {1: "r", 3: a, 4: "r"}, {9: "w"},
        {1: "r", 2: "w", 0: "r", 3: "w", 4: "r", 5: "r", 6: a, 7: a},
    ]))
places = [os.open(name, os.O_RDONLY) for name in ("/", "/proc", "/dev")]
assert places == [0, 1, 2] and not any(map(os.get_inheritable, places))
orders = [dict(enumerate(order)) for order in itertools.permutations(places)]
asyncio.run(have_children([*orders, {1: 1}, {3: 2}]))
sys.stderr.write("all right")
"""


@linux_only
def test_standard_descriptors_that_we_do_not_have_or_that_are_like_any_other() -> None:
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", STANDARD]
    done = subprocess.run(command, stderr=subprocess.PIPE, cwd=root, check=False)
    assert done.stderr == b"all right"
