"""What is run: the families of Twisted's tests, their modules, and the loops that each is run on."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

__all__ = ["COMPARISON", "FAMILIES", "Family", "Module", "exists", "families_of"]

COMPARISON = "epoll"
"""Twisted's own reactor, on which nothing is excused: run when asked for, to see what a test does there."""


class Module(NamedTuple):
    """A test module.

    :ivar slow: whether ``--fast`` leaves it out.
    """

    name: str
    slow: bool = False


class Family(NamedTuple):
    """Tests that are run in the same way; how is in ``loading.py``.

    :ivar about: what they are, in a line.
    :ivar loops: name -> what that is.
    :ivar modules: what to run.
    """

    name: str
    about: str
    loops: dict[str, str]
    modules: tuple[Module, ...]


OURS = {
    "asyncio": "our TwistedReactor on a stdlib loop",
    "uvloop": "our TwistedReactor on a uvloop loop",
    COMPARISON: "Twisted's EPollReactor, for comparison",
}

DEFERREDS = Family(
    "deferreds",
    "Deferreds, tasks, threads and failures: our modules in the places of Twisted's",
    {
        "asyncio": "Twisted's AsyncioSelectorReactor on a stdlib loop",
        "uvloop": "Twisted's AsyncioSelectorReactor on a uvloop loop",
        "our-asyncio": "our AsyncioReactor on a stdlib loop",
        "our-uvloop": "our AsyncioReactor on a uvloop loop",
    },
    (
        Module("twisted.test.test_defer"),
        Module("twisted.test.test_defgen"),  # moved to test_inlinecb with Twisted 26.10
        Module("twisted.internet.test.test_inlinecb"),
        Module("twisted.internet.test.test_defer_await"),
        Module("twisted.internet.test.test_defer_yieldfrom"),
        Module("twisted.test.test_task"),
        Module("twisted.test.test_cooperator"),
        Module("twisted.test.test_failure"),
        Module("twisted.test.test_threads"),
    ),
)

NETWORK = Family(
    "network",
    "endpoints, names, addresses and protocols: our modules in the places of Twisted's",
    {"asyncio": "our AsyncioReactor on a stdlib loop", "uvloop": "our AsyncioReactor on a uvloop loop"},
    (
        Module("twisted.internet.test.test_endpoints"),
        Module("twisted.internet.test.test_resolver"),
        Module("twisted.internet.test.test_address"),
        Module("twisted.internet.test.test_protocol"),
        Module("twisted.test.test_error"),
        Module("twisted.test.test_factories"),
        Module("twisted.test.test_iutils"),
        Module("twisted.python.test.test_systemd"),
        Module("twisted.protocols.haproxy.test.test_v1parser"),
        Module("twisted.protocols.haproxy.test.test_v2parser"),
    ),
)

REACTOR = Family(
    "reactor",
    "what ReactorBuilder makes for our TwistedReactor: one reactor for each test",
    OURS,
    (
        Module("twisted.internet.test.test_core"),
        Module("twisted.internet.test.test_fdset"),
        Module("twisted.internet.test.test_newtls"),
        Module("twisted.internet.test.test_process"),
        Module("twisted.internet.test.test_socket"),
        Module("twisted.internet.test.test_stdio"),
        Module("twisted.internet.test.test_tcp"),
        Module("twisted.internet.test.test_threads"),
        Module("twisted.internet.test.test_time"),
        Module("twisted.internet.test.test_tls"),
        Module("twisted.internet.test.test_udp"),
        Module("twisted.internet.test.test_unix"),
        Module("twisted.internet.test.test_win32events"),
    ),
)

GLOBAL = Family(
    "global",
    "Twisted's trial suites with our TwistedReactor as twisted.internet.reactor",
    OURS,
    (
        # transports
        Module("twisted.test.test_tcp"),
        Module("twisted.test.test_tcp_internals"),
        Module("twisted.internet.test.test_tcp"),
        Module("twisted.test.test_udp"),
        Module("twisted.test.test_unix"),
        Module("twisted.internet.test.test_unix"),
        Module("twisted.test.test_ssl"),
        Module("twisted.test.test_sslverify", slow=True),
        Module("twisted.test.test_sni"),
        Module("twisted.protocols.test.test_tls"),
        Module("twisted.internet.test.test_endpoints"),
        Module("twisted.test.test_policies"),
        Module("twisted.test.test_protocols"),
        Module("twisted.test.test_loopback"),
        # time, threads, names, and the reactor's life
        Module("twisted.test.test_internet"),
        Module("twisted.test.test_task"),
        Module("twisted.test.test_cooperator"),
        Module("twisted.test.test_threads"),
        Module("twisted.test.test_threadpool"),
        Module("twisted.test.test_adbapi"),
        Module("twisted.internet.test.test_inlinecb"),
        Module("twisted.internet.test.test_resolver"),
        # child processes and descriptors
        Module("twisted.test.test_process"),
        Module("twisted.test.test_iutils"),
        Module("twisted.internet.test.test_posixprocess"),
        Module("twisted.test.test_main"),
        Module("twisted.test.test_stdio"),
        Module("twisted.internet.test.test_inotify"),
        Module("twisted.python.test.test_sendmsg"),
        Module("twisted.runner.test.test_procmon"),
        # what is built on them
        Module("twisted.test.test_application"),
        Module("twisted.application.test.test_internet"),
        Module("twisted.test.test_twistd"),
        Module("twisted.test.test_amp"),
        Module("twisted.test.test_ftp", slow=True),
        Module("twisted.test.test_sip"),
        Module("twisted.spread.test.test_pb"),
        Module("twisted.web.test.test_cgi"),
        Module("twisted.web.test.test_distrib"),
        Module("twisted.web.test.test_http"),
        Module("twisted.web.test.test_newclient"),
        Module("twisted.web.test.test_agent"),
        Module("twisted.web.test.test_wsgi"),
        Module("twisted.web.test.test_xmlrpc"),
        Module("twisted.mail.test.test_imap"),
        Module("twisted.mail.test.test_mail"),
        Module("twisted.mail.test.test_pop3client"),
        Module("twisted.mail.test.test_smtp"),
        Module("twisted.names.test.test_names"),
        Module("twisted.words.test.test_service"),
    ),
)

FAMILIES = {family.name: family for family in (DEFERREDS, NETWORK, REACTOR, GLOBAL)}


def families_of(module: str) -> list[str]:
    """The families that have a module; all of them if none has it."""
    having = [name for name, family in FAMILIES.items() if module in {m.name for m in family.modules}]
    return having or list(FAMILIES)


def exists(module: str) -> bool:
    """Whether the installed Twisted has this test module."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even its package
        return False
