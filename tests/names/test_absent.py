"""twisted_compat.names without dnspython."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

BLOCKED = """
import sys
sys.modules["dns"] = None
try:
    import twisted_compat.names
except ModuleNotFoundError as error:
    print(error.name, error)
del sys.modules["dns"]
if len(sys.argv) > 1:
    import twisted_compat.names
    print(twisted_compat.names.client.Resolver.__name__, "twisted" in sys.modules)
"""


def test_it_says_what_is_missing_and_how_to_get_it_and_brings_no_twisted_along() -> None:
    present = ["dnspython"] if find_spec("dns") else []
    said = subprocess.run(
        [sys.executable, "-c", BLOCKED, *present], capture_output=True, text=True, check=True
    )
    missing, *rest = said.stdout.splitlines()
    assert missing.startswith("dns")
    assert "needs dnspython, which is not installed" in missing
    assert "pip install 'twisted-compat[dns]'" in missing
    assert rest == ["Resolver False"] * len(present)
