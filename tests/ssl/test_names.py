"""Distinguished names."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_compat.ssl import DN, DistinguishedName
from twisted_compat.ssl.names import FIELDS, SHORT, as_x509_name, copied_from

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=16
)  # at most 64 bytes
VALUES = {name: TEXTS for name in FIELDS} | {
    "countryName": st.sampled_from(["SE", "de"]),
    "emailAddress": st.sampled_from(["a@example.org"]),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
@settings(max_examples=50, deadline=None)
def test_a_name_goes_into_a_certificate_and_back(fields: dict[str, str]) -> None:
    name = DN(**{field: value.encode() for field, value in fields.items()})
    assert copied_from(as_x509_name(name)) == name
    assert copied_from(as_x509_name(name), strict=True) == name


@pytest.mark.parametrize(("short", "full"), list(SHORT.items()))
def test_a_field_has_two_names(short: str, full: str) -> None:
    name = DN(**{short: "XX"})
    assert name == DN(**{full: b"XX"}) == {full: b"XX"}
    assert getattr(name, short) == getattr(name, full) == name[full] == b"XX"
    setattr(name, short, "YY")
    assert getattr(name, full) == b"YY"


def test_a_field_that_is_not_there_is_no_attribute() -> None:
    assert not hasattr(DN(CN="a"), "organizationName")
    assert not hasattr(DN(CN="a"), "cn")


def test_a_field_that_there_is_not_can_not_be_set() -> None:
    with pytest.raises(AttributeError, match=r"no field 'Cn'.*commonName"):
        DN(CN="a").Cn = b"x"
    with pytest.raises(AttributeError):
        DN(serialNumber="5")


def test_text_is_ascii() -> None:
    with pytest.raises(UnicodeEncodeError):
        DN(CN="bücher")


def test_is_shown_with_its_fields() -> None:
    assert repr(DN(CN="a", O="b")) == "<DN 'commonName': b'a', 'organizationName': b'b'>"


def test_is_laid_out_by_the_names_of_its_fields() -> None:
    assert DN(O="Dublin Ltd", CN="www.example.org", ST="é".encode()).inspect().split("\n") == [
        "               Common Name: www.example.org",
        "         Organization Name: Dublin Ltd",
        "    State Or Province Name: é",
    ]


def test_nothing_is_laid_out_in_no_lines() -> None:
    assert DN().inspect() == ""


def test_can_be_copied_and_pickled() -> None:
    name = DN(CN="a", C="SE")
    for other in (copy.copy(name), pickle.loads(pickle.dumps(name))):
        assert type(other) is DistinguishedName
        assert other == name and other is not name


def test_of_a_field_that_is_there_twice_the_first_counts() -> None:
    twice = [x509.NameAttribute(NameOID.COMMON_NAME, value) for value in ("a", "b")]
    assert copied_from(twice) == DN(CN="a")


def test_an_unknown_field_is_left_out_or_refused() -> None:
    attributes = [
        x509.NameAttribute(NameOID.GIVEN_NAME, "Alice"),
        x509.NameAttribute(NameOID.COMMON_NAME, "a"),
    ]
    assert copied_from(attributes) == DN(CN="a")
    with pytest.raises(ValueError, match=r"2\.5\.4\.42"):
        copied_from(attributes, strict=True)


def test_a_name_that_no_certificate_can_hold_is_refused() -> None:
    with pytest.raises(ValueError):
        as_x509_name(DN(C="Sweden"))


class OldName:
    """pyOpenSSL's X509Name: fields are attributes, those not set are None."""

    CN: str | None = None
    commonName: str | None = None
    countryName: str | None = None


def test_goes_into_pyopenssls_names_and_back() -> None:
    old = OldName()
    DN(CN="a", C="SE")._copyInto(old)
    assert (old.commonName, old.countryName) == ("a", "SE")
    name = DN()
    name._copyFrom(old)
    assert name == DN(CN="a", C="SE")


def test_looks_as_twisteds_does() -> None:
    twisteds = pytest.importorskip("twisted.internet.ssl").DistinguishedName
    fields = {name: f"the {name}" for name in FIELDS}
    assert repr(DN(**fields)) == repr(twisteds(**fields))
    assert DN(**fields).inspect() == twisteds(**fields).inspect()
    assert DN(L="x").inspect() == twisteds(L="x").inspect()
