"""Which certificates are accepted, and what is said of those that are not.

OpenSSL decides about chains of certificates, and tells no more than that one was refused. So what it found is
put on the TLS layer, as ``verification_error``, for whoever raises the error. About the name in a certificate
service-identity decides; the TLS layer is told by ``failVerification``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from OpenSSL import SSL
from OpenSSL._util import ffi, lib  # where the texts are; pyOpenSSL has no public way to them
from OpenSSL.crypto import X509
from service_identity import VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity

from twisted_compat.failure import Failure

__all__ = ["VerifyCallback", "checks_name", "explain", "remembers_error"]

logger = logging.getLogger(__name__)

VerifyCallback = Callable[[SSL.Connection, X509, int, int, int], bool]
"""As pyOpenSSL calls it: connection, certificate, number of the error, depth, whether OpenSSL accepts it."""


def explain(certificate: X509, number: int, depth: int) -> str:
    """Put in words why OpenSSL refuses a chain.

    :param certificate: where it came upon the error.
    :param number: the error's (X509_V_ERR_...).
    :param depth: how far that certificate is from the peer's own, which has 0.
    """
    error = ffi.string(lib.X509_verify_cert_error_string(number)).decode("ascii", "replace")
    try:
        subject = certificate.to_cryptography().subject.rfc4514_string()
    except ValueError:
        subject = "a certificate that can't be read"
    return f"{error}, at depth {depth}: {subject}"


def remembers_error(
    connection: SSL.Connection, certificate: X509, number: int, depth: int, accepted: int
) -> bool:
    """A callback that leaves the decision to OpenSSL, and remembers why a chain was refused."""
    if not accepted:
        protocol = connection.get_app_data()
        if protocol is not None:
            protocol.verification_error = explain(certificate, number, depth)
    return bool(accepted)


def checks_name(host: str, is_name: bool) -> VerifyCallback:
    """Make a callback that also wants the peer's certificate to be for a host.

    It holds no reference to any connection: pyOpenSSL would keep it, through OpenSSL, where no collector of
    garbage sees it.

    :param host: the host's name, in ASCII, or its IP address.
    :param is_name: whether it is a name.
    """
    expected = DNS_ID(host) if is_name else IPAddress_ID(host)

    def check(connection: SSL.Connection, certificate: X509, number: int, depth: int, accepted: int) -> bool:
        try:
            chain_is_good = remembers_error(connection, certificate, number, depth, accepted)
            if depth != 0:
                return chain_is_good  # the names of authorities don't matter
            try:
                verify_service_identity(extract_patterns(certificate.to_cryptography()), [expected], [])
            except VerificationError:
                connection.get_app_data().failVerification(Failure())
                return False
            except Exception:  # such as service_identity's CertificateError, for one without any names
                if chain_is_good:
                    connection.get_app_data().failVerification(Failure())
                return False
            return chain_is_good
        except Exception:  # pyOpenSSL would keep it to itself
            logger.exception("A certificate is refused, since checking it failed")
            return False

    return check
