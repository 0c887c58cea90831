"""Children of other users and groups than ours, and of a process that may not have them."""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.transport.children import DONE, attached, spawn
from tests.transport.spawning import (
    CAT,
    NOBODY,
    SEVERAL,
    UNKNOWN,
    blocking,
    finish,
    has_no_mark_of_ours,
    ignoring,
    in_both_ways,
    only_root,
    status,
)
from tests.transport.unix_sockets import linux_only, nobody

pytestmark = [pytest.mark.without_debug, linux_only]


async def ids(child: Any) -> tuple[set[int], set[int], set[int]]:
    """A child's user numbers (real, effective, saved and so on), its group numbers, its other groups."""
    users, groups, others = await status(child, "Uid", "Gid", "Groups")
    return set(map(int, users.split())), set(map(int, groups.split())), set(map(int, others.split()))


@pytest.fixture
def in_another_group() -> Iterator[int]:
    """This process is in a group that nobody else is in."""
    before = os.getgroups()
    os.setgroups([*before, UNKNOWN])
    yield UNKNOWN
    os.setgroups(before)


@only_root
async def test_a_child_of_another_user(in_another_group: int) -> None:
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    # Those in several groups first.
    names = sorted(users, key=lambda name: len(os.getgrouplist(name, 0)), reverse=True)
    async with attached() as reactor:
        for name in names[:2]:
            user = users[name]
            for gid in (None, NOBODY, user.pw_gid):
                child = spawn(reactor, CAT, uid=user.pw_uid, gid=gid)
                uids, gids, others = await ids(child)
                assert uids == {user.pw_uid}
                assert gids == {os.getgid() if gid is None else gid}
                assert others - gids == set(os.getgrouplist(name, *gids)) - gids
                await finish(child)


@only_root
@in_both_ways
async def test_a_user_that_the_system_does_not_know_is_in_no_group(
    in_another_group: int, path: str | None
) -> None:
    async with attached() as reactor:
        child = spawn(reactor, CAT, uid=UNKNOWN, path=path)
        assert await ids(child) == ({UNKNOWN}, {os.getgid()}, set())
        await finish(child)
        child = spawn(reactor, CAT, uid=UNKNOWN, gid=UNKNOWN - 1, path=path)
        assert await ids(child) == ({UNKNOWN}, {UNKNOWN - 1}, set())
        await finish(child)


@only_root
@in_both_ways
async def test_a_child_of_another_group(path: str | None) -> None:
    async with attached() as reactor:
        child = spawn(reactor, CAT, gid=UNKNOWN, path=path)
        uids, gids, _ = await ids(child)
        assert (uids, gids) == ({os.getuid()}, {UNKNOWN})
        await finish(child)


async def test_our_own_numbers_are_nothing_to_ask_for() -> None:
    async with attached() as reactor:
        for options in ({"uid": os.geteuid()}, {"gid": os.getegid()}):
            child = spawn(reactor, CAT, **options)
            uids, gids, _ = await ids(child)
            assert (uids, gids) == ({os.geteuid()}, {os.getegid()})
            await finish(child)


@only_root
async def test_root_that_is_somebody_else_for_now_has_children_of_any_user(in_another_group: int) -> None:
    async with attached() as reactor:
        for user in (NOBODY, UNKNOWN, 0):
            with nobody():
                child = spawn(reactor, CAT, uid=user, gid=UNKNOWN - 1)
            uids, gids, others = await ids(child)
            assert (uids, gids) == ({user}, {UNKNOWN - 1})
            assert in_another_group not in others
            child.transport.closeStdin()
            assert await child.ended() == DONE
            assert os.geteuid() == 0


UNPRIVILEGED = """
import asyncio, os, resource, sys
from tests.transport.children import DONE, attached, children, open_descriptors, spawn
from tests.transport.unix_sockets import linux_only, nobody
from twisted_compat import AsyncioReactor

USER, GROUP = 65534, 65533

async def refused(reactor, error, **options):
    before = open_descriptors()
    try:
        spawn(reactor, "/bin/true", **options)
    except error as refusal:
        assert type(refusal) is error, repr(refusal)
    else:
        raise AssertionError(f"{options} has worked")
    assert open_descriptors() == before
    assert not children()

async def main():
    async with attached() as reactor:
        await spawn(reactor, "/bin/true", path="/").ended()  # all that is needed has been imported
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(USER)
        user, group = os.getuid(), os.getgid()
        for own in ({"uid": user}, {"gid": group}, {"uid": user, "gid": group, "path": "/"}):
            assert await spawn(reactor, "/bin/true", **own).ended() == DONE
        for others in ({"uid": 0}, {"gid": 0}, {"uid": user, "gid": group - 1}, {"uid": 0, "gid": group}):
            await refused(reactor, PermissionError, **others)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        for path in (None, "/"):
            await refused(reactor, BlockingIOError, path=path)

asyncio.run(main())
sys.stderr.write("all right")
"""


def test_who_is_not_root_can_be_nobody_else_nor_have_more_children_than_allowed() -> None:
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", UNPRIVILEGED]
    done = subprocess.run(command, stderr=subprocess.PIPE, cwd=root, check=False)
    assert done.stderr == b"all right"


@only_root
@pytest.mark.parametrize("as_whom", [{"uid": NOBODY}, {"gid": NOBODY}], ids=["user", "group"])
async def test_signals_of_another_users_child_are_as_always(as_whom: dict[str, int]) -> None:
    async with attached() as reactor:
        with ignoring(*SEVERAL), blocking(*SEVERAL):
            child = spawn(reactor, CAT, **as_whom)
        await has_no_mark_of_ours(child)
        await finish(child)


@only_root
async def test_numbers_that_no_user_or_group_has_are_refused() -> None:
    """The system takes 2**32 - 1 for "as it is": the child would be ours."""
    async with attached() as reactor:
        for number in (-1, -2, 2**32 - 1, 2**32, 2**32 + 5, 2**64):
            for option in ("uid", "gid"):
                with pytest.raises((ValueError, OSError)):
                    spawn(reactor, CAT, **{option: number})
        for wrong in ("nobody", b"0", 1.0):
            for option in ("uid", "gid"):
                with pytest.raises(TypeError):
                    spawn(reactor, CAT, **{option: wrong})
