"""twisted_compat.ssl where what it stands on isn't installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

BLOCKED = """
import sys
sys.modules[sys.argv[1]] = None
try:
    import twisted_compat.ssl
except ModuleNotFoundError as error:
    print(error.name, error)
"""

LONELY = "import sys, twisted_compat.ssl; print(any(name.split('.')[0] == 'twisted' for name in sys.modules))"


@pytest.mark.parametrize("name", ["OpenSSL", "cryptography", "service_identity"])
def test_says_what_is_missing_and_how_to_get_it(name: str) -> None:
    said = subprocess.run([sys.executable, "-c", BLOCKED, name], capture_output=True, text=True, check=True)
    first, _, sentence = said.stdout.partition(" ")
    package = first.partition(".")[0]
    assert package == name or find_spec(package) is None
    assert f"needs {package}, which is not installed" in sentence
    assert "pip install 'twisted-compat[tls]'" in sentence


def test_brings_no_twisted_along() -> None:
    pytest.importorskip("OpenSSL")
    pytest.importorskip("service_identity")
    said = subprocess.run([sys.executable, "-c", LONELY], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
