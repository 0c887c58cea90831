"""Distinguished names (X.501): who a certificate is about, and who signed it.

The certificates and requests that have such names are in ``certificates`` and ``requests``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

__all__ = ["DN", "DistinguishedName", "as_x509_name", "copied_from"]

FIELDS: dict[str, ObjectIdentifier] = {
    "commonName": NameOID.COMMON_NAME,
    "organizationName": NameOID.ORGANIZATION_NAME,
    "organizationalUnitName": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "localityName": NameOID.LOCALITY_NAME,
    "stateOrProvinceName": NameOID.STATE_OR_PROVINCE_NAME,
    "countryName": NameOID.COUNTRY_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}
"""The fields there are, with the identifiers that stand for them in certificates."""

SHORT = {
    "CN": "commonName",
    "O": "organizationName",
    "OU": "organizationalUnitName",
    "L": "localityName",
    "ST": "stateOrProvinceName",
    "C": "countryName",
}
"""What some fields are called for short."""

_full_names = SHORT | {name: name for name in FIELDS}
_names_by_oid = {oid: name for name, oid in FIELDS.items()}


class DistinguishedName(dict[str, bytes]):
    """A name in fields: ``DistinguishedName(commonName="www.example.org", C="SE")``.

    Fields are attributes, under their full name and the short one (CN, O, OU, L, ST, C), and the items of a
    dictionary, under the full name. Values are bytes.

    :param kw: the fields; each text of ASCII characters, or bytes (UTF-8).
    :raises AttributeError: for a field that there isn't; also when one that isn't set is read.
    :raises UnicodeEncodeError: for a text with other characters.
    """

    __slots__ = ()

    def __init__(self, **kw: str | bytes) -> None:
        super().__init__()
        for name, value in kw.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> bytes:
        try:
            return self[_full_names[name]]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: str | bytes) -> None:
        if name not in _full_names:
            raise AttributeError(
                f"A distinguished name has no field {name!r}. There are: {', '.join(_full_names)}."
            )
        self[_full_names[name]] = value if isinstance(value, bytes) else value.encode("ascii")

    def __repr__(self) -> str:
        return f"<DN {super().__repr__()[1:-1]}>"

    def inspect(self) -> str:
        """Lay the fields out for a reader.

        :returns: a line for each field that is set, in the order of their names.
        """
        labels = {name: _label(name) for name in sorted(FIELDS)}
        width = max(map(len, labels.values())) + 2
        return "\n".join(
            f"{label.rjust(width)}: {self[name].decode()}" for name, label in labels.items() if name in self
        )

    # Between these and pyOpenSSL's X509Name, which it is about to drop; Twisted's have them.

    def _copyFrom(self, x509name: Any) -> None:
        for name in FIELDS:
            value = getattr(x509name, name, None)
            if value is not None:
                self[name] = value.encode()

    def _copyInto(self, x509name: Any) -> None:
        for name, value in self.items():
            setattr(x509name, name, value.decode())


DN = DistinguishedName


def as_x509_name(name: DistinguishedName) -> x509.Name:
    """Give the name as cryptography has it, the fields in the order in which they were set.

    :raises ValueError: for what a certificate can't hold, such as a country of three letters.
    """
    return x509.Name([x509.NameAttribute(FIELDS[field], value.decode()) for field, value in name.items()])


def copied_from(attributes: Iterable[x509.NameAttribute[Any]], strict: bool = False) -> DistinguishedName:
    """Read a name out of a certificate or a request. Of a field that is there twice the first counts.

    :param strict: whether a field that :data:`FIELDS` doesn't have is refused; else it is left out.
    :returns: the name; what isn't ASCII is UTF-8 in it.
    :raises ValueError: for such a field.
    """
    name = DistinguishedName()
    for attribute in attributes:
        field = _names_by_oid.get(attribute.oid)
        if field is None:
            if strict:
                raise ValueError(f"A distinguished name has no field for {attribute.oid.dotted_string}")
            continue
        value = attribute.value
        name.setdefault(field, value if isinstance(value, bytes) else value.encode())
    return name


def _label(name: str) -> str:
    """``"commonName"`` -> ``"Common Name"``."""
    return " ".join(word.capitalize() for word in re.findall("[A-Z]?[a-z]+", name))
