"""Groups over two cables between two networks: ours are in one, plain sockets and socat(1) in the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.networks import FAR, HOME, Network, joined_networks
from tests.support import within
from tests.transport.plain_datagrams import Notes, PlainPort, plain_port
from tests.transport.programs import SOCAT_IS_READY, need, running
from twisted_compat import AsyncioReactor
from twisted_compat.error import MulticastJoinError

pytestmark = pytest.mark.without_debug

IPV4, IPV6 = "239.77.0.1", "ff02::77:1"
ANY = {IPV4: "", IPV6: "::"}
CABLES = ("one", "two")
OURS, THEIRS = 5077, 5078
"""Ports: nobody else is in these networks, and whoever sends to a group that he is in might hear himself."""

both_families = pytest.mark.parametrize("group", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture
def far() -> Iterator[Network]:
    """The network beyond the cables; the test is in the one on this side."""
    with joined_networks() as (home, far), home.inside():
        yield far


def at_home(group: str, cable: str) -> Any:
    """What tells one of our interfaces to a port: over IPv4 its address, over IPv6 its name."""
    return HOME.ipv4[cable] if group == IPV4 else cable


def told(group: str, cable: str) -> str:
    """Who a protocol is told it was that sent from beyond this cable."""
    return FAR.ipv4[cable] if group == IPV4 else f"{FAR.local}%{cable}"


class Ours:
    """A port of ours that is on no interface in particular."""

    def __init__(self, reactor: Any, group: str, number: int = OURS, several: bool = False) -> None:
        self.notes = Notes()
        self.group = group
        self.port = reactor.listenMulticast(number, self.notes, ANY[group], listenMultiple=several)

    async def join(self, *cables: str) -> None:
        """Join the group, at each cable."""
        for cable in cables:
            assert await within(self.port.joinGroup(self.group, at_home(self.group, cable))) is None

    async def leaves_by(self, cable: str) -> None:
        """Choose the cable for what is sent to groups."""
        assert await within(self.port.setOutgoingInterface(at_home(self.group, cable))) == 1

    def send(self, data: bytes, number: int) -> None:
        """To the group, at a port."""
        self.port.write(data, (self.group, number))


def joined(plain: PlainPort, group: str, *cables: str) -> PlainPort:
    """A plain socket beyond the cables, once it hears the group over them; it sends over the first."""
    for cable in cables:
        plain.join(group, FAR.index[cable])
    plain.leaves_by(FAR.index[cables[0]])
    return plain


# Where it goes


@both_families
@pytest.mark.parametrize("cable", CABLES)
async def test_a_datagram_leaves_by_the_chosen_interface(far: Network, group: str, cable: str) -> None:
    with plain_port(far, (ANY[group], THEIRS)) as plain:
        joined(plain, group, *CABLES)
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, group)
            await ours.leaves_by(cable)
            chosen = {IPV4: HOME.ipv4, IPV6: HOME.index}[group][cable]  # type: ignore[index]  # of either type
            assert ours.port.getOutgoingInterface() == chosen
            ours.send(b"hello", THEIRS)
            data, sender = await plain.next()
    assert data == b"hello"
    if group == IPV4:
        assert sender == (HOME.ipv4[cable], OURS)
    else:
        assert sender[1] == OURS and sender[3] == FAR.index[cable]


@pytest.mark.parametrize("cable", CABLES)
@pytest.mark.parametrize("given", ["index", "name", "scoped", "address"])
async def test_over_ipv6_an_interface_has_four_names(far: Network, cable: str, given: str) -> None:
    interface = {
        "index": HOME.index[cable],
        "name": cable,
        "scoped": f"{HOME.local}%{cable}",
        "address": HOME.ipv6[cable],
    }[given]
    with plain_port(far, ("::", THEIRS)) as plain:
        joined(plain, IPV6, cable)
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, IPV6)
            await within(ours.port.joinGroup(IPV6, interface))
            await within(ours.port.setOutgoingInterface(interface))
            assert ours.port.getOutgoingInterface() == HOME.index[cable]
            plain.send(b"question", IPV6, OURS)
            await ours.notes.has(1)
            ours.send(b"answer", THEIRS)
            assert (await plain.next())[0] == b"answer"
    assert ours.notes.received == [b"question"]


@pytest.mark.parametrize("cable", CABLES)
async def test_over_ipv6_the_scope_of_a_group_chooses_as_well(far: Network, cable: str) -> None:
    with plain_port(far, ("::", THEIRS)) as plain:
        joined(plain, IPV6, *CABLES)
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, IPV6)
            ours.port.write(b"hello", (f"{IPV6}%{cable}", THEIRS))
            data, sender = await plain.next()
    assert (data, sender[3]) == (b"hello", FAR.index[cable])


@both_families
@pytest.mark.parametrize("hops", [1, 7, 255])
async def test_it_may_travel_so_many_hops(far: Network, group: str, hops: int) -> None:
    with plain_port(far, (ANY[group], THEIRS)) as plain:
        joined(plain, group, "one")
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, group)
            await ours.leaves_by("one")
            if hops != 1:  # which is what it is at first
                ours.port.setTTL(hops)
            assert ours.port.getTTL() == hops
            ours.send(b"hello", THEIRS)
            assert await plain.next_hops() == (b"hello", hops)


@both_families
async def test_with_no_hops_it_stays_at_home(far: Network, group: str) -> None:
    with plain_port(far, (ANY[group], THEIRS)) as plain:
        joined(plain, group, "one")
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, group, THEIRS)
            await ours.join("one")
            await ours.leaves_by("one")
            ours.port.setTTL(0)
            ours.send(b"for us", THEIRS)
            ours.port.setTTL(1)
            ours.send(b"for all", THEIRS)
            await ours.notes.has(2)
            assert (await plain.next())[0] == b"for all"
    assert ours.notes.received == [b"for us", b"for all"]


@both_families
async def test_whether_we_hear_ourselves_is_our_choice(far: Network, group: str) -> None:
    with plain_port(far, (ANY[group], THEIRS)) as plain:
        joined(plain, group, "one")
        async with AsyncioReactor() as reactor:
            ours = Ours(reactor, group, THEIRS)
            await ours.join("one")
            await ours.leaves_by("one")
            for mode in (True, False, True):
                if mode != ours.port.getLoopbackMode():
                    ours.port.setLoopbackMode(mode)
                ours.send(b"%d" % mode, THEIRS)
            await ours.notes.has(2)
            assert [(await plain.next())[0] for _ in range(3)] == [b"1", b"0", b"1"]
    assert ours.notes.received == [b"1", b"1"]


# What is heard


@both_families
async def test_what_comes_over_a_cable_at_which_we_did_not_join_is_not_heard(
    far: Network, group: str
) -> None:
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            await ours.join("one")
            for cable in ("two", "one"):
                plain.leaves_by(FAR.index[cable])
                plain.send(cable.encode(), group, OURS)
            await ours.notes.has(1)
            await ours.join("two")
            for cable in ("two", "one"):
                plain.leaves_by(FAR.index[cable])
                plain.send(cable.encode(), group, OURS)
            await ours.notes.has(3)
    assert ours.notes.received == [b"one", b"two", b"one"]
    assert [host for host, _ in ours.notes.senders] == [told(group, name) for name in ("one", "two", "one")]


@both_families
async def test_a_group_is_no_longer_heard_once_it_is_left(far: Network, group: str) -> None:
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            plain.leaves_by(FAR.index["one"])
            for _ in range(2):
                await ours.join("one")
                plain.send(b"joined", group, OURS)
                assert await within(ours.port.leaveGroup(group, at_home(group, "one"))) is None
                plain.send(b"left", group, OURS)
            home = HOME.ipv4["one"] if group == IPV4 else HOME.ipv6["one"]
            plain.send(b"to us", home, OURS)
            await ours.notes.has(3)
    assert ours.notes.received == [b"joined", b"joined", b"to us"]


@both_families
async def test_all_that_share_a_port_hear_each_datagram(far: Network, group: str) -> None:
    async with AsyncioReactor() as reactor:
        ours = [Ours(reactor, group, several=True)]
        ours += [Ours(reactor, group, OURS, several=True) for _ in range(2)]
        for each in ours:
            await each.join("one")
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            plain.leaves_by(FAR.index["one"])
            for count in range(5):
                plain.send(b"%d" % count, group, OURS)
            for each in ours:
                await each.notes.has(5)
    assert [each.notes.received for each in ours] == [[b"0", b"1", b"2", b"3", b"4"]] * 3


@both_families
async def test_who_answers_is_told_from_whom_the_question_came(far: Network, group: str) -> None:
    """As in SSDP or DNS-SD: the question goes to the group, the answer to who asked."""
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        ours.notes.answers = True
        await ours.join(*CABLES)
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            for cable in CABLES:
                plain.leaves_by(FAR.index[cable])
                plain.send(b"who is there?", group, OURS)
                data, sender = await plain.next()
                assert data == b"WHO IS THERE?"
                if group == IPV4:
                    assert sender == (HOME.ipv4[cable], OURS)
                else:
                    assert sender[1] == OURS and sender[3] == FAR.index[cable]


# What is refused, and what goes wrong


@both_families
async def test_where_joining_is_refused_the_port_goes_on(far: Network, group: str) -> None:
    nowhere = FAR.ipv4["one"] if group == IPV4 else "none"
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        await ours.join("one")
        for refused, *arguments in (
            (ours.port.joinGroup, group, nowhere),
            (ours.port.joinGroup, group, at_home(group, "one")),  # for the second time
            (ours.port.leaveGroup, group, at_home(group, "two")),
            (ours.port.setOutgoingInterface, nowhere),
        ):
            with pytest.raises(MulticastJoinError):
                await within(refused(*arguments))
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            plain.leaves_by(FAR.index["one"])
            plain.send(b"still", group, OURS)
            await ours.notes.has(1)


@both_families
async def test_when_a_cable_is_pulled_the_other_is_heard(far: Network, group: str) -> None:
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        await ours.join(*CABLES)
        with plain_port(far, (ANY[group], THEIRS)) as plain:
            joined(plain, group, "two", "one")
            far.ip("link delete one\n")
            await ours.leaves_by("two")
            ours.send(b"here", THEIRS)
            assert (await plain.next())[0] == b"here"
            plain.send(b"there", group, OURS)
            await ours.notes.has(1)
            with pytest.raises(MulticastJoinError):
                await within(ours.port.setOutgoingInterface(at_home(group, "one")))
    assert ours.notes.received == [b"there"]


# socat


@both_families
async def test_socat_is_a_member_and_answers(far: Network, group: str) -> None:
    need("socat")
    if group == IPV4:
        place = f"UDP4-RECVFROM:{THEIRS},ip-add-membership={group}:{FAR.ipv4['one']},fork"
    else:
        place = f"UDP6-RECVFROM:{THEIRS},ipv6-join-group=[{group}]:one,fork"
    command = far.command("socat", "-d", "-d", place, "EXEC:cat")
    async with AsyncioReactor() as reactor, running(*command, ready=SOCAT_IS_READY):
        ours = Ours(reactor, group)
        await ours.leaves_by("one")
        for count in range(3):
            ours.send(b"%d" % count, THEIRS)
            await ours.notes.has(count + 1)
    assert ours.notes.received == [b"0", b"1", b"2"]
    assert set(ours.notes.senders) == {(told(group, "one"), THEIRS)}


@both_families
async def test_socat_sends_and_is_answered(far: Network, group: str) -> None:
    need("socat")
    async with AsyncioReactor() as reactor:
        ours = Ours(reactor, group)
        ours.notes.answers = True
        await ours.join("one")
        if group == IPV4:
            place = f"UDP4-DATAGRAM:{group}:{OURS},bind=:{THEIRS},ip-multicast-if={FAR.ipv4['one']}"
        else:
            place = f"UDP6-DATAGRAM:[{group}%one]:{OURS},bind=:{THEIRS}"
        command = far.command("socat", "-d", "-d", "STDIO", place)
        async with running(*command, ready=SOCAT_IS_READY) as program:
            for line in (b"one\n", b"two\n"):
                await program.takes(line)
                assert await program.line() == line.upper()
