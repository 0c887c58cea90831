"""Without the extra ``tls`` only what is said about its absence can be tested."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = (
    [] if all(map(find_spec, ("OpenSSL", "cryptography", "service_identity"))) else ["test_[!a]*.py"]
)
