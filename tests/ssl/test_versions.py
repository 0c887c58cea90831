"""The versions of TLS, and which are allowed."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import pytest
from OpenSSL import SSL

from tests.ssl.handshakes import self_signed, shake_hands
from twisted_compat.ssl import CertificateOptions, TLSVersion
from twisted_compat.ssl.versions import DEFAULT_MINIMUM, SWITCHES, disabled_by, oldest_allowed

SSLv3, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3 = TLSVersion


def test_versions_are_in_order() -> None:
    assert sorted(TLSVersion, reverse=True) == [TLSv1_3, TLSv1_2, TLSv1_1, TLSv1_0, SSLv3]
    assert SSLv3 < TLSv1_0 <= TLSv1_0 < TLSv1_1 and TLSv1_3 > TLSv1_2 >= TLSv1_2
    assert list(TLSVersion.iterconstants()) == sorted(TLSVersion)
    with pytest.raises(TypeError):
        assert TLSv1_2 < 3  # type: ignore[operator]  # the wrong type is the point


def test_a_version_is_found_by_its_name() -> None:
    assert TLSVersion.lookupByName("TLSv1_2") is TLSv1_2
    with pytest.raises(ValueError, match="TLSv1_9"):
        TLSVersion.lookupByName("TLSv1_9")


@pytest.mark.parametrize(
    ("raised", "lowered", "newest", "oldest"),
    [
        (None, None, None, TLSv1_2),
        (TLSv1_3, None, None, TLSv1_3),
        (SSLv3, None, None, TLSv1_2),
        (TLSv1_0, None, TLSv1_3, TLSv1_2),
        (None, TLSv1_0, None, TLSv1_0),
        (None, TLSv1_3, None, TLSv1_3),
        (None, None, TLSv1_3, TLSv1_2),
        (None, None, TLSv1_0, TLSv1_0),
        (None, TLSv1_0, TLSv1_0, TLSv1_0),
    ],
)
def test_the_oldest_that_is_allowed(
    raised: TLSVersion | None, lowered: TLSVersion | None, newest: TLSVersion | None, oldest: TLSVersion
) -> None:
    assert oldest_allowed(raised, lowered, newest, TLSv1_2) is oldest


def test_none_would_be_left() -> None:
    with pytest.raises(ValueError, match=r"raiseMinimumTo=.*leaves no version"):
        oldest_allowed(TLSv1_3, None, TLSv1_2)
    with pytest.raises(ValueError, match=r"insecurelyLowerMinimumTo=.*leaves no version"):
        oldest_allowed(None, TLSv1_3, TLSv1_2)


@pytest.mark.parametrize("oldest", TLSVersion)
@pytest.mark.parametrize("newest", [*TLSVersion, None])
def test_every_other_version_is_taken_away(oldest: TLSVersion, newest: TLSVersion | None) -> None:
    disabled = disabled_by(oldest, newest)
    for version, switch in SWITCHES.items():
        allowed = oldest <= version and (newest is None or version <= newest)
        assert bool(disabled & switch) is not allowed


@pytest.fixture(scope="module")
def twisteds() -> Any:
    return pytest.importorskip("twisted.internet.ssl")


@pytest.mark.parametrize("newest", [None, *TLSVersion])
def test_decides_as_twisteds_does(twisteds: Any, newest: TLSVersion | None) -> None:
    versions = [None, *TLSVersion]
    for raised, lowered in product(versions, versions):
        arguments = {
            name: value
            for name, value in (
                ("raiseMinimumTo", raised),
                ("insecurelyLowerMinimumTo", lowered),
                ("lowerMaximumSecurityTo", newest),
            )
            if value is not None
        }
        assert outcome(CertificateOptions, arguments) == outcome(
            twisteds.CertificateOptions,
            {name: getattr(twisteds.TLSVersion, version.name) for name, version in arguments.items()},
        )


def outcome(options: Any, arguments: dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return options(**arguments)._options & sum(SWITCHES.values())
    except (TypeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize(("newest", "spoken"), [(None, "TLSv1.3"), (TLSv1_2, "TLSv1.2")])
def test_the_newest_that_both_allow_is_spoken(newest: TLSVersion | None, spoken: str) -> None:
    client = CertificateOptions(lowerMaximumSecurityTo=newest)
    handshake = shake_hands(self_signed().options(), client)
    assert handshake.client.connection.get_protocol_version_name() == spoken


def test_an_older_one_than_the_default_is_refused() -> None:
    client = CertificateOptions(lowerMaximumSecurityTo=TLSv1_2)
    server = CertificateOptions(
        self_signed().privateKey.original, self_signed().original, raiseMinimumTo=TLSv1_3
    )
    handshake = shake_hands(server, client)
    assert not handshake.client.done and not handshake.server.done
    assert "unsupported protocol" in handshake.server.said
    assert "protocol version" in handshake.client.said


def test_the_default_is_no_older_than_what_is_safe() -> None:
    assert TLSv1_2 <= DEFAULT_MINIMUM
    assert CertificateOptions()._options & SSL.OP_NO_TLSv1_1
