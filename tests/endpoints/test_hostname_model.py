"""Whatever a resolver tells, and whatever becomes of the attempts: what holds after every step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.endpoints.naming import Scene
from twisted_compat.error import ConnectingCancelledError, ConnectionRefusedError, DNSLookupError

DELAY = 0.25
PATIENCE = 0.05  # seconds that IPv4 waits for IPv6

STEPS = st.one_of(
    st.tuples(st.sampled_from(["tell", "tell both", "tell again", "refuse"]), st.sampled_from("46")),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.03, 0.05, 0.125, 0.25, 0.5])),
    st.tuples(st.sampled_from(["fail", "fail", "succeed"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["complete", "cancel"]), st.none()),
)


class Run:
    """A connect under way, what was done to it, and what has to be so."""

    def __init__(self) -> None:
        self.scene = Scene().begin()
        self.told: list[str] = []
        self.seen = 0  # attempts that were looked at
        self.failed: list[str] = []
        self.complete = self.cancelled = False
        self.ipv4_since: float | None = None
        self.waited_for: set[str] = set()  # what had been told before the latest step

    def host(self, family: str) -> str:
        number = len(self.told) + 1
        return f"2001:db8::{number:x}" if family == "6" else f"192.0.2.{number}"

    def step(self, what: str, how: object) -> None:
        scene = self.scene
        self.waited_for = set(self.told)
        match what, how:
            case "tell" | "refuse", str(family):
                host = self.host(family)
                if what == "refuse":  # as connect() itself does where no route leads
                    scene.reactor.refused.add(host)
                self._tell(host)
            case "tell both", _:
                one = self.host("4")
                self.told.append(one)
                other = self.host("6")
                self.told.pop()
                self._tell(one, other)
            case "tell again", _:
                if self.told:
                    scene.tell(self.told[-1])
            case "wait", float(seconds):
                scene.after(seconds)
            case "fail" | "succeed", int(number):
                if number < len(scene.under_way):
                    host = scene.under_way[number]
                    if what == "fail":
                        self.failed.append(host)
                        scene.fail(host)
                    else:
                        scene.succeed(host)
            case "complete", _:
                self.complete = self.complete or not scene.results
                scene.complete()
            case "cancel", _:
                self.cancelled = self.cancelled or not scene.results
                scene.deferred.cancel()
        self.check()

    def _tell(self, *hosts: str) -> None:
        scene = self.scene
        if not scene.results and not self.complete:
            self.told += hosts
            if self.ipv4_since is None and any(":" not in host for host in hosts):
                self.ipv4_since = scene.reactor.seconds()
        scene.tell(*hosts)

    def check(self) -> None:
        tried = self.scene.tried
        assert len(set(tried)) == len(tried) and set(tried) <= set(self.told)
        for colon in (True, False):
            of_family = [host for host in tried if (":" in host) is colon]
            assert of_family == [host for host in self.told if (":" in host) is colon][: len(of_family)]
        for number in range(self.seen, len(tried)):
            self._check_beginning(number)
        self.seen = len(tried)
        if self.scene.results:
            self._check_end()
        else:
            self._check_going_on()

    def _check_beginning(self, number: int) -> None:
        """Whether this attempt may have begun in the latest step."""
        attempts = self.scene.reactor.attempts
        attempt = attempts[number]
        left = [host for host in self.told if host not in self.scene.tried[:number]]
        if number == 0:
            any_ipv6 = any(":" in host for host in self.told)
            patient = self.ipv4_since is not None and attempt.began >= self.ipv4_since + PATIENCE - 1e-9
            assert any_ipv6 or self.complete or patient
            return
        latest = attempts[number - 1]
        assert latest.state == "disconnected" or attempt.began >= latest.began + DELAY - 1e-9
        of_the_other_family = [host for host in left if (":" in host) != (":" in latest.host)]
        if self.waited_for.intersection(of_the_other_family):
            assert (":" in attempt.host) != (":" in latest.host)

    def _check_going_on(self) -> None:
        """It can go on, and no slower than it has to."""
        scene = self.scene
        assert not self.cancelled and not scene.factory.protocols
        left = len(self.told) - len(scene.tried)
        timers = scene.reactor.getDelayedCalls()
        if self.complete:
            assert scene.under_way
        if left:
            assert timers and min(timer.getTime() for timer in timers) <= scene.reactor.seconds() + DELAY
            assert scene.under_way or not scene.tried

    def _check_end(self) -> None:
        """It has ended as it had to, and nothing is left of it."""
        scene = self.scene
        assert scene.leaves_nothing()
        made = [protocol for protocol in scene.factory.protocols if protocol.made]
        if made:
            assert scene.results == made == scene.factory.protocols
            assert not made[0].transport.disconnecting
        elif self.cancelled:
            assert isinstance(scene.failure, ConnectingCancelledError)
        else:
            assert self.complete and set(scene.tried) == set(self.told)
            assert isinstance(scene.failure, ConnectionRefusedError if self.told else DNSLookupError)
        assert scene.names.cancelled == (0 if self.complete else 1)
        assert scene.factory.numPorts == len(made)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens(steps: list[tuple[str, object]]) -> None:
    run = Run()
    for what, how in steps:
        run.step(what, how)
    run.step("complete", None)
    for _ in range(len(run.told) + 1):
        run.step("wait", DELAY)
    while run.scene.under_way:
        run.step("fail", 0)
    assert len(run.scene.results) == 1
