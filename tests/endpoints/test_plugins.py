"""Prefixes of other packages: found among the entry points of what is installed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.places import HERE, connected, echoed, spoken
from tests.endpoints.plugged import HEAD, RECORDING, installed
from tests.support import within
from tests.transport.recorders import Echo, Listening
from tests.transport.unix_sockets import both_kinds, fired, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import TCP4ServerEndpoint, clientFromString, serverFromString

REACTOR = object()


def warnings(caplog: pytest.LogCaptureFixture, word: str) -> list[str]:
    """What has been logged as a warning or worse and has this in it."""
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [message for message in messages if word in message]


SERVING = (
    HEAD
    + """
@implementer(IStreamServerEndpointStringParser)
class Parser:
    prefix = "anyport"

    def parseStreamServer(self, reactor, interface, *, backlog="50"):
        return TCP4ServerEndpoint(reactor, 0, int(backlog), interface)

instance = Parser()
"""
)
CONNECTING = (
    HEAD
    + """
@implementer(IStreamClientEndpointStringParser{suffix})
class Parser:
    prefix = "path{suffix}"

    def parseStreamClient(self, reactor, path):
        return UNIXClientEndpoint(reactor, path)
"""
)


@pytest.mark.without_debug
@both_kinds
@pytest.mark.parametrize("name", ["Parser", "instance"])
async def test_a_servers_prefix_listens(name: str, kind: str, tmp_path: Path) -> None:
    with installed(tmp_path, SERVING, name):
        async with make_reactor(kind) as reactor:
            endpoint = serverFromString(reactor, f"anyport:{HERE}:backlog=3")
            assert type(endpoint) is TCP4ServerEndpoint
            port = await fired(endpoint.listen(Listening(Echo)))
            await echoed((HERE, port.getHost().port))


@pytest.mark.without_debug
@pytest.mark.parametrize("suffix", ["WithReactor", ""], ids=["today's", "of old"])
async def test_a_clients_prefix_connects(suffix: str, tmp_path: Path) -> None:
    with installed(tmp_path, CONNECTING.format(suffix=suffix)), socket_path() as path:
        async with AsyncioReactor() as reactor:
            await within(serverFromString(reactor, f"unix:{path}").listen(Listening(Echo)))
            await spoken(await connected(reactor, f"path{suffix}:{path}"))


def test_a_parser_is_given_text_however_the_description_comes(tmp_path: Path) -> None:
    with installed(tmp_path, RECORDING.format(prefix="texts")):
        for description in (r"texts:a\:b:é=\=", r"texts:a\:b:é=\=".encode()):
            expected = (REACTOR, ("a:b",), {"é": "="})
            assert serverFromString(REACTOR, description) == ("server", *expected)
            assert clientFromString(REACTOR, description) == ("client", *expected)


def test_prefixes_are_the_same_in_upper_case(tmp_path: Path) -> None:
    with installed(tmp_path, RECORDING.format(prefix="LoudPrefix")):
        for prefix in ("loudprefix", "LOUDPREFIX", "LoudPrefix"):
            assert serverFromString(REACTOR, f"{prefix}:1")[2] == ("1",)
            assert clientFromString(REACTOR, f"{prefix}:1".encode())[2] == ("1",)


def test_one_that_serves_is_none_to_connect_by(tmp_path: Path) -> None:
    with installed(tmp_path, SERVING.replace("anyport", "onlyserves")):
        assert serverFromString(REACTOR, "onlyserves:x")
        with pytest.raises(ValueError, match="onlyserves"):
            clientFromString(REACTOR, "onlyserves:x")
    with installed(tmp_path, CONNECTING.format(suffix="").replace('"path', '"onlyconnects')):
        assert clientFromString(REACTOR, "onlyconnects:x")
        with pytest.raises(ValueError, match="onlyconnects"):
            serverFromString(REACTOR, "onlyconnects:x")


def test_those_known_are_named_to_who_asks_for_an_unknown_one(tmp_path: Path) -> None:
    with installed(tmp_path, RECORDING.format(prefix="namedtoo")):
        for from_string in (serverFromString, clientFromString):
            with pytest.raises(ValueError, match="bicycle") as caught:
                from_string(REACTOR, "bicycle:80")
            for prefix in ("tcp", "ssl", "tls", "unix", "namedtoo"):
                assert prefix in str(caught.value)


def test_what_a_parser_raises_is_raised(tmp_path: Path) -> None:
    raising = RECORDING.format(prefix="raising").replace(
        'return "server"', 'raise LookupError("on purpose")\n        return "server"'
    )
    with installed(tmp_path, raising), pytest.raises(LookupError, match="on purpose"):
        serverFromString(REACTOR, "raising:")


def test_a_package_that_is_installed_later_is_found(tmp_path: Path) -> None:
    """A program that runs need not be started again, as it has not been to know of a new module."""
    for from_string in (serverFromString, clientFromString):
        with pytest.raises(ValueError, match="comeslate"):
            from_string(REACTOR, "comeslate:1")
    with installed(tmp_path, RECORDING.format(prefix="comeslate")):
        assert serverFromString(REACTOR, "comeslate:1")[2] == ("1",)
        assert clientFromString(REACTOR, "comeslate:1")[2] == ("1",)


def test_other_groups_entry_points_are_not_even_imported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        installed(tmp_path, "raise KeyError", "Parser", group="twisted_compat.other") as other,
        pytest.raises(ValueError, match="bicycle"),
    ):
        serverFromString(REACTOR, "bicycle:1")
    assert warnings(caplog, other) == []


# Those that are of no use

USELESS = {
    "raises": ("raise KeyError('on purpose')", "Parser"),
    "exits": ("raise SystemExit(1)", "Parser"),
    "isn't there": ("", "Parser"),
    "needs another": ("import no_such_module_anywhere", "Parser"),
    "is misspelt": ("this is no Python", "Parser"),
    "can't be made": ("class Parser:\n    def __init__(self, needed): pass", "Parser"),
    "provides nothing": ("class Parser:\n    prefix = 'useless'", "Parser"),
    "is None": ("Parser = None", "Parser"),
    "is a module": ("import os as Parser", "Parser"),
    "has no prefix": (RECORDING.format(prefix="x").replace("    prefix =", "    other ="), "Parser"),
    "has another prefix": (RECORDING.format(prefix="x").replace('"x"', "80"), "Parser"),
}


@pytest.mark.parametrize("what", USELESS)
def test_one_that_is_of_no_use_is_logged_once_and_the_others_work(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module, name = USELESS[what]
    with (
        installed(tmp_path, RECORDING.format(prefix="before")),
        installed(tmp_path, module, name) as useless,
        installed(tmp_path, RECORDING.format(prefix="after")),
    ):
        for _ in range(2):
            for prefix in ("before", "after"):
                assert serverFromString(REACTOR, f"{prefix}:1")[2] == ("1",)
                assert clientFromString(REACTOR, f"{prefix}:1")[2] == ("1",)
            for from_string in (serverFromString, clientFromString):
                with pytest.raises(ValueError, match="bicycle"):
                    from_string(REACTOR, "bicycle:80")
        assert len(warnings(caplog, useless)) == 1


def test_one_that_is_of_no_use_does_not_disturb_another_of_its_package(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed(tmp_path, RECORDING.format(prefix="neighbour"), "Missing", "Parser") as name:
        assert serverFromString(REACTOR, "neighbour:1")[2] == ("1",)
        assert len(warnings(caplog, f"{name}-Missing")) == 1


def test_the_standard_prefixes_need_no_plugin_and_are_not_to_be_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed(tmp_path, "raise KeyError('on purpose')") as useless:
        assert type(serverFromString(REACTOR, "tcp:80")) is TCP4ServerEndpoint
        assert warnings(caplog, useless) == []
    with installed(tmp_path, RECORDING.format(prefix="TCP")) as name:
        with pytest.raises(ValueError):
            serverFromString(REACTOR, "bicycle:80")
        assert type(serverFromString(REACTOR, "tcp:80")) is TCP4ServerEndpoint
        assert len(warnings(caplog, name)) == 1


def test_of_two_with_one_prefix_the_same_is_always_taken_and_the_other_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def of(word: str) -> str:
        return (
            RECORDING.format(prefix="twice").replace('"server"', f'"{word}"').replace('"client"', f'"{word}"')
        )

    with installed(tmp_path, of("first")) as first, installed(tmp_path, of("second")) as second:
        taken: set[Any] = {serverFromString(REACTOR, "twice:")[0] for _ in range(3)}
        taken |= {clientFromString(REACTOR, "twice:")[0] for _ in range(3)}
        assert len(taken) == 1
        [message] = warnings(caplog, "'twice'")
        assert (second if taken == {"first"} else first) in message


@pytest.mark.parametrize("half", ["Server", "Client"])
def test_two_halves_of_one_prefix_may_come_from_two_packages(
    half: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = f"shared{half.lower()}"
    serving = SERVING.replace("anyport", prefix)
    connecting = CONNECTING.format(suffix="").replace('"path"', f'"{prefix}"')
    pair = (serving, connecting) if half == "Server" else (connecting, serving)
    with installed(tmp_path, pair[0]), installed(tmp_path, pair[1]):
        assert serverFromString(REACTOR, f"{prefix}:x")
        assert clientFromString(REACTOR, f"{prefix}:x")
        assert warnings(caplog, prefix) == []


@pytest.mark.without_debug
async def test_a_plugin_that_speaks_twisteds_interfaces_works_on_twisteds_reactor(tmp_path: Path) -> None:
    pytest.importorskip("twisted.internet.endpoints")
    theirs = (
        SERVING.replace("anyport", "theirs")
        .replace("twisted_compat.interfaces", "twisted.internet.interfaces")
        .replace("    IStreamClientEndpointStringParser,\n", "")
    )
    with installed(tmp_path, theirs):
        async with make_reactor("twisted") as reactor:
            port = await fired(serverFromString(reactor, f"theirs:{HERE}").listen(Listening(Echo)))
            await echoed((HERE, port.getHost().port))
