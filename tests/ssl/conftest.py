"""Without the extra ``tls`` only what is said about its absence can be tested."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

collect_ignore = (
    []
    if all(map(find_spec, ("OpenSSL", "cryptography", "service_identity")))
    else [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_absent.py"]
)
