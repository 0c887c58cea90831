"""twisted_compat.names without dnspython."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import sys
sys.modules["dns"] = None
try:
    import twisted_compat.names
except ModuleNotFoundError as error:
    print(error.name, error)
del sys.modules["dns"]
import twisted_compat.names
print(twisted_compat.names.client.Resolver.__name__, "twisted" in sys.modules)
"""


def test_it_says_what_is_missing_and_how_to_get_it_and_brings_no_twisted_along() -> None:
    said = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True)
    missing, present = said.stdout.splitlines()
    assert missing.startswith("dns")
    assert "needs dnspython, which is not installed" in missing
    assert "pip install 'twisted-compat[dns]'" in missing
    assert present == "Resolver False"
