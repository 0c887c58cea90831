"""What a connection is told."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.ssl.handshakes import key, self_signed, shake_hands
from twisted_compat.interfaces import (
    IAcceptableCiphers,
    IOpenSSLClientConnectionCreator,
    IOpenSSLContextFactory,
    IOpenSSLServerConnectionCreator,
)
from twisted_compat.ssl import (
    AcceptableCiphers,
    CertificateOptions,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
)
from twisted_compat.ssl.ciphers import OpenSSLCipher
from twisted_compat.ssl.options import ALWAYS, EXCLUSIVE

KEY, CERTIFICATE = key().original, self_signed().original
OTHER = self_signed("another", 1).original

VALUES: dict[str, Any] = {
    "trustRoot": None,
    "requireCertificate": True,
    "verify": False,
    "caCerts": None,
    "method": None,
    "raiseMinimumTo": None,
    "insecurelyLowerMinimumTo": None,
    "lowerMaximumSecurityTo": None,
}
"""Defaults, which count as given when they are given."""


class Recorder:
    """A context that remembers what it was told."""

    def __init__(self, method: int) -> None:
        self.told: dict[str, Any] = {"method": method}

    def __getattr__(self, name: str) -> Any:
        def remember(*args: Any) -> Any:
            if name == "get_cert_store":
                return self
            self.told.setdefault(name, []).append(args[0] if len(args) == 1 else args)

        return remember


def told(**how: Any) -> dict[str, Any]:
    """What a context is told by options that are made like this."""
    options = CertificateOptions(**how)
    options._contextFactory = Recorder
    context: Any = options.getContext()
    recorded: dict[str, Any] = context.told
    return recorded


def flags(**how: Any) -> int:
    (options,) = told(**how)["set_options"]
    return int(options)


def test_interfaces() -> None:
    options = CertificateOptions()
    for interface in (
        IOpenSSLContextFactory,
        IOpenSSLClientConnectionCreator,
        IOpenSSLServerConnectionCreator,
    ):
        assert verifyObject(interface, options)


# What goes together, and what doesn't


@pytest.mark.parametrize(
    "how",
    [
        {"privateKey": KEY},
        {"certificate": CERTIFICATE},
        {"extraCertChain": []},
        {"extraCertChain": [OTHER]},
        {"verify": True},
        {"verify": True, "caCerts": []},
    ],
    ids=lambda how: "-".join(how),
)
def test_what_is_only_half_given_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        CertificateOptions(**how)


@pytest.mark.parametrize("pair", EXCLUSIVE, ids="-".join)
def test_what_says_the_same_twice_is_refused_even_if_it_is_the_default(pair: tuple[str, str]) -> None:
    with pytest.raises(TypeError, match=f"{pair[0]} and {pair[1]} are mutually exclusive"):
        CertificateOptions(**{name: VALUES[name] for name in pair})


def test_it_is_refused_by_position_as_well() -> None:
    with pytest.raises(TypeError, match="trustRoot and verify"):
        CertificateOptions(None, None, None, False, trustRoot=None)


def test_what_else_is_wrong_about_arguments_is_python_s_to_say() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'verfy'"):
        CertificateOptions(verfy=True)  # type: ignore[call-arg]  # the point


def test_the_pairs_are_twisteds() -> None:
    theirs = pytest.importorskip("twisted.internet.ssl").CertificateOptions
    for one in VALUES:
        for other in VALUES:
            if one < other:
                refused = (one, other) in EXCLUSIVE or (other, one) in EXCLUSIVE
                given = {name: VALUES[name] for name in (one, other)}
                try:
                    theirs(**given)
                except TypeError:
                    assert refused, given
                else:
                    assert not refused, given


def test_a_trust_root_is_one() -> None:
    with pytest.raises(TypeError):
        CertificateOptions(trustRoot="everybody")


def test_ciphers_that_are_not_to_be_had_are_refused() -> None:
    with pytest.raises(ValueError, match="acceptableCiphers"):
        CertificateOptions(acceptableCiphers=AcceptableCiphers([OpenSSLCipher("no-such-cipher")]))


# What it remembers


def test_the_defaults() -> None:
    options = CertificateOptions()
    assert (
        vars(options).items()
        >= {
            "privateKey": None,
            "certificate": None,
            "verify": False,
            "caCerts": None,
            "verifyDepth": 9,
            "requireCertificate": True,
            "verifyOnce": True,
            "enableSingleUseKeys": True,
            "enableSessions": False,
            "fixBrokenPeers": False,
            "enableSessionTickets": False,
            "dhParameters": None,
            "trustRoot": None,
            "method": SSL.TLS_METHOD,
        }.items()
    )
    assert options.extraCertChain == []


def test_what_was_given_is_kept() -> None:
    chain, authorities = [OTHER], [OTHER]
    options = CertificateOptions(KEY, CERTIFICATE, verify=True, caCerts=authorities, extraCertChain=chain)
    assert options.privateKey is KEY and options.certificate is CERTIFICATE
    assert options.extraCertChain is chain and options.caCerts is authorities
    assert options.verify and options.trustRoot is not None


def test_authorities_without_verification_are_kept_and_of_no_use() -> None:
    options = CertificateOptions(caCerts=[OTHER])
    assert options.caCerts == [OTHER] and not options.verify and options.trustRoot is None


def test_what_a_trust_root_brings_along() -> None:
    options = CertificateOptions(trustRoot=platformTrust())
    assert options.verify and options.requireCertificate and options.caCerts is None


# What the context is told


def test_the_context_is_made_once() -> None:
    options = CertificateOptions()
    assert options.getContext() is options.getContext()
    assert CertificateOptions().getContext() is not options.getContext()


def test_every_context_is_safe() -> None:
    safe = ALWAYS | SSL.OP_NO_SSLv3 | SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1
    assert flags() & safe == safe
    assert not flags() & (SSL.OP_NO_TLSv1_2 | SSL.OP_NO_TLSv1_3)
    for option in ("NO_COMPRESSION", "CIPHER_SERVER_PREFERENCE", "NO_RENEGOTIATION"):
        assert ALWAYS & getattr(SSL, f"OP_{option}")
    assert told()["set_mode"] == [SSL.MODE_RELEASE_BUFFERS]


def test_switches() -> None:
    single = SSL.OP_SINGLE_DH_USE | SSL.OP_SINGLE_ECDH_USE
    assert flags() & SSL.OP_NO_TICKET
    assert flags(enableSessionTickets=True) & SSL.OP_NO_TICKET == 0
    assert flags(fixBrokenPeers=True) & SSL.OP_ALL == SSL.OP_ALL
    assert flags() & single == single
    assert flags() ^ flags(enableSingleUseKeys=False) == single


def test_a_real_context_is_told_the_same() -> None:
    options = CertificateOptions(KEY, CERTIFICATE)
    assert options.getContext().set_options(0) & options._options == options._options


def test_sessions_are_remembered_if_asked_for() -> None:
    modes = (SSL.SESS_CACHE_OFF, SSL.SESS_CACHE_SERVER)
    for enabled, mode in zip((False, True), modes, strict=True):
        assert CertificateOptions(enableSessions=enabled).getContext().get_session_cache_mode() == mode


def test_each_context_names_its_sessions_differently() -> None:
    (one,), (other,) = told()["set_session_id"], told()["set_session_id"]
    assert one != other and 0 < len(one) <= 32


def test_a_certificate_its_key_and_its_chain() -> None:
    context = told(privateKey=KEY, certificate=CERTIFICATE, extraCertChain=[OTHER, CERTIFICATE])
    assert context["use_certificate"] == [CERTIFICATE] and context["use_privatekey"] == [KEY]
    assert context["add_extra_chain_cert"] == [OTHER, CERTIFICATE]
    assert "check_privatekey" in context


def test_without_a_certificate_there_is_none() -> None:
    assert not {"use_certificate", "use_privatekey", "check_privatekey"} & set(told())


def test_a_key_that_does_not_belong_to_the_certificate_is_refused() -> None:
    with pytest.raises(SSL.Error):
        CertificateOptions(key(1).original, CERTIFICATE).getContext()


def test_both_kinds_of_keys_and_certificates_do() -> None:
    options = CertificateOptions(KEY.to_cryptography_key(), CERTIFICATE.to_cryptography())
    assert shake_hands(options, optionsForClientTLS("localhost", self_signed())).done


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        ({}, SSL.VERIFY_NONE),
        ({"verify": True}, SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT | SSL.VERIFY_CLIENT_ONCE),
        ({"verify": True, "verifyOnce": False}, SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT),
        ({"verify": True, "requireCertificate": False}, SSL.VERIFY_PEER | SSL.VERIFY_CLIENT_ONCE),
        ({"requireCertificate": True, "verify": False}, SSL.VERIFY_NONE),
    ],
)
def test_how_it_verifies(how: dict[str, Any], mode: int) -> None:
    assert CertificateOptions(caCerts=[OTHER], **how).getContext().get_verify_mode() == mode


def test_the_authorities_are_told() -> None:
    assert told(verify=True, caCerts=[OTHER, CERTIFICATE])["add_cert"] == [OTHER, CERTIFICATE]
    assert told(trustRoot=self_signed())["add_cert"] == [CERTIFICATE]
    assert "set_default_verify_paths" in told(trustRoot=platformTrust())
    assert "add_cert" not in told(caCerts=[OTHER])


def test_how_long_a_chain_may_be() -> None:
    assert told()["set_verify_depth"] == [9]
    assert told(verifyDepth=2)["set_verify_depth"] == [2]
    assert "set_verify_depth" not in told(verifyDepth=None)


def test_the_ciphers_are_those_that_were_chosen() -> None:
    @implementer(IAcceptableCiphers)
    class Mine:
        def selectCiphers(self, availableCiphers: Any) -> Any:
            assert availableCiphers
            return [OpenSSLCipher("a"), OpenSSLCipher("b")]

    assert told(acceptableCiphers=Mine())["set_cipher_list"] == [b"a:b"]


def test_a_method_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="raiseMinimumTo") as warned:
        options = CertificateOptions(method=SSL.TLSv1_2_METHOD)
    assert [warning.filename for warning in warned] == [__file__]
    assert options.method == SSL.TLSv1_2_METHOD
    assert not options._options & SSL.OP_NO_TLSv1_1
    handshake = shake_hands(self_signed().options(), options)
    assert handshake.client.connection.get_protocol_version_name() == "TLSv1.2"


def test_a_subclass_may_want_newer_versions() -> None:
    class Mine(CertificateOptions):
        _defaultMinimumTLSVersion = TLSVersion.TLSv1_3

    assert Mine()._options & SSL.OP_NO_TLSv1_2


def test_a_subclass_extends_the_context() -> None:
    """The context is still open to changes, as long as no connection is made with it."""
    seen: list[int] = []

    class Mine(CertificateOptions):
        def getContext(self) -> SSL.Context:
            context = super().getContext()
            if not seen:
                context.set_info_callback(lambda connection, where, result: seen.append(where))
            return context

    assert shake_hands(Mine(KEY, CERTIFICATE), optionsForClientTLS("localhost", self_signed())).done
    assert seen


def test_a_subclass_extends_the_making_of_the_context() -> None:
    """As Scrapy does."""

    class Mine(CertificateOptions):
        _contextFactory = Recorder

        def _makeContext(self, skipCiphers: bool = False) -> SSL.Context:
            context = super()._makeContext(skipCiphers)
            context.set_options(4)
            return context

    made: Any = Mine().getContext(), Mine()._makeContext(True)
    assert [context.told["set_options"][1] for context in made] == [4, 4]
    assert ["set_cipher_list" in context.told for context in made] == [True, False]


def test_who_verifies_later_on_trusts_nobody() -> None:
    options = CertificateOptions(requireCertificate=True)
    options.verify = True
    handshake = shake_hands(self_signed().options(), options)
    assert not handshake.client.done and handshake.client.layer.verification_error is not None
