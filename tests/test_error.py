"""The table of errors: Twisted's names, bases, arguments and attributes; what they say; that they travel."""

from __future__ import annotations

import builtins
import copy
import errno
import inspect
import pickle
import socket
from typing import Any

import pytest

from twisted_compat import error

CLASSES = [
    thing
    for thing in vars(error).values()
    if inspect.isclass(thing) and issubclass(thing, BaseException) and thing.__module__ == error.__name__
]
ARGUMENTS: dict[type[BaseException], tuple[Any, ...]] = {
    error.CannotListenError: ("127.0.0.1", 80, OSError(errno.EADDRINUSE, "in use")),
    error.ProcessDone: (0,),
    error.ProcessTerminated: (None, 9, 9),
    error.ConnectingCancelledError: ("somewhere",),
    error.InvalidAddressError: ("nonsense", "not an IP address"),
}


def make(cls: type[BaseException]) -> BaseException:
    """One of each, with arguments where they are optional."""
    return cls(*ARGUMENTS.get(cls, ("why",)))


@pytest.fixture
def theirs() -> Any:
    return pytest.importorskip("twisted.internet.error")


def test_every_public_name_of_twisted_is_here_with_the_same_bases(theirs: Any) -> None:
    for name, cls in vars(theirs).items():
        if not inspect.isclass(cls) or name.startswith("_"):
            continue
        mine = getattr(error, name)
        expected = [
            (base.__module__.replace(theirs.__name__, error.__name__), base.__name__) for base in cls.__mro__
        ]
        assert [(base.__module__, base.__name__) for base in mine.__mro__] == expected, name
    assert callable(error.getConnectError)


def test_constructors_take_what_twisteds_take(theirs: Any) -> None:
    for name, cls in vars(theirs).items():
        if inspect.isclass(cls) and "__init__" in vars(cls):
            assert list(inspect.signature(getattr(error, name)).parameters) == list(
                inspect.signature(cls).parameters
            )


def test_the_errno_table_holds_twisteds(theirs: Any) -> None:
    for number, cls in theirs.errnoMapping.items():
        assert error.errnoMapping[number].__name__ == cls.__name__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "travel", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"]
)
def test_travels_whole(cls: type[BaseException], travel: Any) -> None:
    before = make(cls)
    after = travel(before)
    assert type(after) is cls
    assert str(after) == str(before)
    assert repr(after.args) == repr(before.args)
    assert repr(vars(after)) == repr(vars(before))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_says_something_with_and_without_arguments(cls: type[BaseException]) -> None:
    assert len(str(make(cls))) > 2
    if cls not in ARGUMENTS and cls is not error.PotentialZombieWarning:
        assert str(cls()).endswith(".")
        assert "why" in str(cls("why"))


def test_the_reason_of_a_connection_says_what_happened_then_why() -> None:
    assert str(error.ConnectionDone()) == "The connection was closed cleanly."
    assert str(error.ConnectionLost("reset", 104)) == "The connection was not closed cleanly: reset 104."


def test_a_sentence_of_ones_own_is_not_decorated() -> None:
    assert str(error.ReactorNotRunning("Not now.")) == "Not now."
    assert str(error.NoProtocol("a", 1)) == "('a', 1)"


def test_a_subclass_can_say_what_it_means() -> None:
    class Fell(error.ConnectionLost):
        MESSAGE = "It fell over"

    assert str(Fell("twice")) == "It fell over: twice."


def test_connect_error_shows_errno_and_text() -> None:
    assert str(error.ConnectError()) == "Could not connect."
    assert str(error.ConnectError(string="because")) == "Could not connect: because."
    assert str(error.ConnectError(111, "refused")) == "Could not connect: 111: refused."
    refused = error.ConnectionRefusedError(osError=111, string="refused")
    assert refused.osError == 111
    assert refused.args == ("refused",)


@pytest.mark.parametrize(
    ("interface", "port", "where"),
    [("", 80, "any interface, port 80"), ("::1", 80, "::1, port 80"), (None, "/run/x", "on /run/x:")],
)
def test_cannot_listen_says_where(interface: str | None, port: Any, where: str) -> None:
    said = error.CannotListenError(interface, port, OSError(errno.EADDRINUSE, "in use"))
    assert where in str(said)
    assert "in use" in str(said)
    assert (said.interface, said.port, said.socketError.errno) == (interface, port, errno.EADDRINUSE)


def test_the_end_of_a_process() -> None:
    done = error.ProcessDone(0)
    assert (done.exitCode, done.signal, done.status) == (0, None, 0)
    killed = error.ProcessTerminated(signal=9, status=9)
    assert (killed.exitCode, killed.signal, killed.status) == (None, 9, 9)
    assert "signal 9" in str(killed)
    assert "code 3" in str(error.ProcessTerminated(3))
    assert "not known" in str(error.ProcessTerminated())


def test_what_the_others_hold() -> None:
    assert error.ConnectingCancelledError("there").address == "there"
    invalid = error.InvalidAddressError("example.org", "a name")
    assert (invalid.address, invalid.message) == ("example.org", "a name")
    assert str(invalid) == "'example.org': a name"


@pytest.mark.parametrize(
    ("raised", "cls", "number"),
    [
        (OSError(errno.ECONNREFUSED, "no"), error.ConnectionRefusedError, errno.ECONNREFUSED),
        (OSError(errno.ENETUNREACH, "no"), error.NoRouteError, errno.ENETUNREACH),
        (OSError(errno.EHOSTUNREACH, "no"), error.NoRouteError, errno.EHOSTUNREACH),
        (OSError(errno.ETIMEDOUT, "no"), error.TCPTimedOutError, errno.ETIMEDOUT),
        (OSError(errno.EACCES, "no"), error.ConnectError, errno.EACCES),
        (OSError(errno.ENOENT, "no", "/run/x"), error.ConnectError, errno.ENOENT),
        (socket.gaierror(socket.EAI_NONAME, "no"), error.UnknownHostError, socket.EAI_NONAME),
        (builtins.ConnectionRefusedError("no"), error.ConnectionRefusedError, None),
        (builtins.TimeoutError("no"), error.TCPTimedOutError, None),
        (OSError("no"), error.ConnectError, None),
        (ValueError("no", "no", "no"), error.ConnectError, None),
        (ValueError("not a number", "no"), error.ConnectError, "not a number"),
    ],
    ids=repr,
)
def test_get_connect_error(raised: Exception, cls: type[error.ConnectError], number: Any) -> None:
    translated = error.getConnectError(raised)
    assert type(translated) is cls
    assert translated.osError == number
    assert "no" in translated.args[0]


def test_a_real_refusal(unused_tcp_port: int) -> None:
    with socket.socket() as skt, pytest.raises(OSError) as caught:
        skt.connect(("127.0.0.1", unused_tcp_port))
    assert type(error.getConnectError(caught.value)) is error.ConnectionRefusedError
