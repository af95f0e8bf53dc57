"""Files of real shops, kept outside the repository; tests that need them skip without."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
SHARED_DATA = Path(os.environ.get("SHOPWRIGHT_SHARED_DATA", _BESIDE))
_EXPECTED = SHARED_DATA / "expected.json"

# ``SHOPWRIGHT_SHARED_DATA`` says where they are, if not in a folder beside the repository.
_IS_HERE = _EXPECTED.is_file()
needs_shared_data = pytest.mark.skipif(not _IS_HERE, reason="no real shop's files")


def expected_of_shopify() -> list[Any]:
    """Return what each of the files holds, as parameters of a test."""
    if not _IS_HERE:
        return [pytest.param("", {}, id="absent")]
    expected = json.loads(_EXPECTED.read_text())
    return [
        pytest.param(name, holds, id=Path(name).stem)
        for name, holds in expected.items()
        if name.startswith("shopify_")
    ]
