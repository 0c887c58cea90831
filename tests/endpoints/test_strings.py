"""Descriptions of endpoints: what is taken, and what is said about those that are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from twisted_compat import endpoints
from twisted_compat.endpoints import clientFromString, serverFromString
from twisted_compat.interfaces import IStreamClientEndpoint, IStreamServerEndpoint

REACTOR = object()  # is given on, and not asked for anything


@pytest.mark.parametrize(
    "description, kind",
    [
        ("tcp:80", "TCP4ServerEndpoint"),
        ("tcp6:80", "TCP6ServerEndpoint"),
        ("unix:/no/such/socket", "UNIXServerEndpoint"),
        ("stdio:", "StandardIOEndpoint"),
        ("stdio", "StandardIOEndpoint"),
    ],
)
def test_a_servers_description_makes_an_endpoint(description: str, kind: str) -> None:
    for text in (description, description.encode(), description.title(), description.upper().encode()):
        endpoint = serverFromString(REACTOR, text)
        assert type(endpoint) is getattr(endpoints, kind)
        assert verifyObject(IStreamServerEndpoint, endpoint)


@pytest.mark.parametrize(
    "description, kind",
    [
        ("tcp:localhost:80", "TCP4ClientEndpoint"),
        ("unix:/no/such/socket", "UNIXClientEndpoint"),
    ],
)
def test_a_clients_description_makes_an_endpoint(description: str, kind: str) -> None:
    for text in (description, description.encode(), description.title(), description.upper().encode()):
        endpoint = clientFromString(REACTOR, text)
        assert type(endpoint) is getattr(endpoints, kind)
        assert verifyObject(IStreamClientEndpoint, endpoint)


# What is wrong is said at once, in a sentence that names it

ONE_SENTENCE = re.compile(r"[^\n]+[.?!]")


def complaint(from_string: Any, description: Any) -> tuple[type[BaseException], str]:
    with pytest.raises((ValueError, TypeError)) as caught:
        from_string(REACTOR, description)
    assert type(caught.value) in (ValueError, TypeError)
    text = str(caught.value)
    assert ONE_SENTENCE.fullmatch(text), text
    for inside in (
        "parse",
        "argument_",
        "<lambda>",
        "()",
        "_client",
        "_server",
        "NoneType",
        "invalid literal",
        "int(",
    ):
        assert inside not in text, text
    return type(caught.value), text


@pytest.mark.parametrize(
    "description, kind, words",
    [
        # numbers that are none
        ("tcp:http", ValueError, "port http"),
        ("tcp:", TypeError, "tcp port"),
        ("tcp:80:backlog=many", ValueError, "backlog many"),
        ("tcp:8_0", ValueError, "port 8_0"),
        ("tcp: 80", ValueError, "port"),
        ("tcp:+80", ValueError, "port"),
        ("tcp:-1", ValueError, "port -1"),
        ("tcp:65536", ValueError, "port 65536"),
        pytest.param(f"tcp:{'9' * 5000}", ValueError, "port", id="endless"),
        ("tcp:٨٠", ValueError, "port"),
        ("tcp6:http", ValueError, "port http"),
        ("tcp6:80:backlog=", ValueError, "backlog"),
        ("unix:/x:mode=rw", ValueError, "mode rw"),
        ("unix:/x:mode=888", ValueError, "mode 888"),
        ("unix:/x:mode=", ValueError, "mode"),
        ("unix:/x:backlog=x", ValueError, "backlog x"),
        ("unix:/x:lockfile=yes", ValueError, "lockfile yes"),
        ("fd:fileno=three", ValueError, "fileno three"),
        ("fd:fileno=-1", ValueError, "fileno -1"),
        ("fd:fileno=999999", ValueError, "999999"),
        ("fd:fileno=99999999999999999999", ValueError, "99999999999999999999"),
        ("systemd:domain=INET:index=first", ValueError, "index first"),
        ("systemd:domain=INET:index=0", ValueError, "0"),
        ("systemd:domain=INET:name=web", ValueError, "web"),
        ("systemd:domain=INET", ValueError, "index name"),
        ("systemd:", ValueError, ""),
        ("systemd:domain=INET:index=0:name=web", ValueError, "index name"),
        # what is missing, or too much
        ("tcp", TypeError, "tcp port"),
        ("tcp6", TypeError, "tcp6 port"),
        ("ssl", TypeError, "ssl port"),
        ("tls", TypeError, "tls"),
        ("unix", TypeError, "unix"),
        ("fd", TypeError, "fd fileno"),
        ("haproxy", TypeError, "haproxy"),
        ("haproxy:", TypeError, "haproxy"),
        ("haproxy:port=80", TypeError, "haproxy"),
        ("haproxy:haproxy", TypeError, "haproxy"),
        ("tcp:80:host=localhost", TypeError, "tcp host"),
        ("haproxy:tcp", TypeError, "tcp port"),
        ("haproxy:bicycle:80", ValueError, "bicycle"),
        ("tcp:80:interfaces=127.0.0.1", TypeError, "tcp interfaces"),
        ("tcp:80:reactor=1", TypeError, "tcp reactor"),
        ("tcp:80:self=1", TypeError, "tcp self"),
        ("tcp:80:args=1", TypeError, "tcp args"),
        ("tcp:80:Port=80", TypeError, "tcp Port"),
        ("tcp:80:=1", TypeError, "tcp"),
        ("tcp6:80:x=1", TypeError, "tcp6 x"),
        ("ssl:80:x=1", TypeError, "ssl x"),
        ("tls:/:x=1", TypeError, "tls x"),
        ("unix:/x:wantPID=1", TypeError, "unix wantPID"),
        ("stdio:x=1", TypeError, "stdio x"),
        ("stdio:1", TypeError, "stdio"),
        ("fd:fileno=0:x=1", TypeError, "fd x"),
        ("systemd:domain=INET:index=0:x=1", TypeError, "systemd x"),
        ("tcp:80:127.0.0.1:50:more", TypeError, "tcp"),
        ("unix:/x:666:50:1:more", TypeError, "unix"),
        ("tcp:80:port=81", TypeError, "tcp port"),
        ("tcp:80:127.0.0.1:interface=\\:\\:1", TypeError, "tcp interface"),
        # no such thing
        ("", ValueError, ""),
        (":80", ValueError, ""),
        ("80", ValueError, "80"),
        ("bicycle:80", ValueError, "bicycle tcp tcp6 ssl tls unix stdio systemd fd haproxy"),
        ("=tcp:80", ValueError, ""),
        ("tcp=80", ValueError, ""),
        (" tcp:80", ValueError, "tcp"),
        ("\\", ValueError, "backslash"),
    ],
)
def test_a_servers_description_that_is_wrong_is_refused_at_once(
    description: str, kind: type[Exception], words: str
) -> None:
    for text in (description, description.encode()):
        raised, said = complaint(serverFromString, text)
        assert raised is kind, said
        for word in words.split():
            assert re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", said), (word, said)


@pytest.mark.parametrize(
    "description, kind, words",
    [
        ("tcp:localhost:http", ValueError, "port http"),
        ("tcp:localhost:", ValueError, "port"),
        ("tcp:localhost:70000", ValueError, "port 70000"),
        ("tcp:localhost:80:timeout=soon", ValueError, "timeout soon"),
        ("tcp:localhost:80:timeout=-1", ValueError, "timeout -1"),
        ("tcp:localhost:80:timeout=nan", ValueError, "timeout nan"),
        ("ssl:localhost:https", ValueError, "port https"),
        ("tls:localhost:https", ValueError, "port https"),
        ("tls:localhost:443:timeout=x", ValueError, "timeout x"),
        ("tls:localhost:443:endpoint=bicycle\\:1", ValueError, "bicycle"),
        ("tls:localhost:443:endpoint=tcp\\:x", TypeError, "tcp port"),
        ("unix:/x:timeout=x", ValueError, "timeout x"),
        ("unix:/x:lockfile=x", ValueError, "lockfile x"),
        ("tcp", TypeError, "tcp host port"),
        ("tcp:localhost", TypeError, "tcp port"),
        ("tcp:port=80", TypeError, "tcp host"),
        ("ssl:localhost", TypeError, "ssl port"),
        ("tls:localhost", TypeError, "tls port"),
        ("unix", TypeError, "unix path"),
        ("tcp:localhost:80:30:127.0.0.1:more", TypeError, "tcp"),
        ("tcp:host=localhost:80:x=1", TypeError, "tcp x"),
        ("tcp:localhost:host=localhost:port=80", TypeError, "tcp host"),
        ("ssl:host=localhost:80:x=1", TypeError, "ssl x"),
        ("ssl:localhost:443:privateKey=/no/such/file", ValueError, "privateKey certKey"),
        ("tls:localhost:443:privateKey=/no/such/file", ValueError, "privateKey certificate"),
        ("tcp:a:80:host=b:port=81", TypeError, "tcp"),
        ("tcp:localhost:80:interface=x", TypeError, "tcp interface"),
        ("tcp:localhost:80:sslContextFactory=x", TypeError, "tcp sslContextFactory"),
        ("ssl:localhost:80:certificate=x", TypeError, "ssl certificate"),
        ("tls:localhost:80:certKey=x", TypeError, "tls certKey"),
        ("unix:/x:checkPID=1", TypeError, "unix checkPID"),
        ("unix:/x:path=/y", TypeError, "unix path"),
        ("unix:/x:/y", ValueError, "lockfile /y"),
        ("", ValueError, ""),
        ("bicycle:80", ValueError, "bicycle tcp ssl tls unix"),
        ("\\", ValueError, "backslash"),
        # those that only listen
        ("stdio:", ValueError, "stdio"),
        ("tcp6:localhost:80", ValueError, "tcp6"),
        ("systemd:domain=INET:index=0", ValueError, "systemd"),
        ("fd:fileno=0", ValueError, "fd"),
        ("haproxy:tcp:80", ValueError, "haproxy"),
    ],
)
def test_a_clients_description_that_is_wrong_is_refused_at_once(
    description: str, kind: type[Exception], words: str
) -> None:
    if description.startswith(("ssl:", "tls:")):
        pytest.importorskip("OpenSSL")
    for text in (description, description.encode()):
        raised, said = complaint(clientFromString, text)
        assert raised is kind, said
        for word in words.split():
            assert re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", said), (word, said)


def test_of_a_name_that_is_given_twice_the_last_counts() -> None:
    with pytest.raises(ValueError, match="last"):
        serverFromString(REACTOR, "tcp:port=first:port=last")
    assert serverFromString(REACTOR, "tcp:port=first:port=80")


# Files that aren't there, or are something else

FILES = [
    (serverFromString, "ssl:0:privateKey={}"),
    (serverFromString, "ssl:0:privateKey={good}:certKey={}"),
    (serverFromString, "ssl:0:privateKey={good}:extraCertChain={}"),
    (serverFromString, "ssl:0:privateKey={good}:dhParameters={}"),
    (serverFromString, "tls:{}:0"),
    (clientFromString, "ssl:localhost:0:privateKey={}:certKey={good}"),
    (clientFromString, "ssl:localhost:0:certKey={}"),
    (clientFromString, "ssl:localhost:0:caCertsDir={}"),
    (clientFromString, "tls:localhost:0:certificate={}"),
    (clientFromString, "tls:localhost:0:certificate={good}:privateKey={}"),
    (clientFromString, "tls:localhost:0:trustRoots={}"),
]


@pytest.mark.parametrize("from_string, description", FILES, ids=[each[1] for each in FILES])
def test_files_that_are_missing_or_hold_something_else_are_named_at_once(
    from_string: Any, description: str, certificates: Any, tmp_path: Path
) -> None:
    pytest.importorskip("OpenSSL")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("-----BEGIN CERTIFICATE-----\nnot at all\n-----END CERTIFICATE-----\n")
    nothing = tmp_path / "empty.pem"
    nothing.touch()
    for path in (tmp_path / "missing.pem", wrong, nothing):
        with pytest.raises((ValueError, OSError)) as caught:
            from_string(REACTOR, description.format(path, good=certificates.server.both_path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_method_of_tls_that_there_is_not_is_named(certificates: Any) -> None:
    pytest.importorskip("OpenSSL")
    path = certificates.server.both_path
    for method in ("bicycle", "TLSv9_METHOD", "Context", ""):
        raised, said = complaint(serverFromString, f"ssl:0:privateKey={path}:sslmethod={method}")
        assert raised is ValueError and "sslmethod" in said and method in said
