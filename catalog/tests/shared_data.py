"""Files of real shops, kept outside the repository; tests that need them skip without."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
SHARED_DATA = Path(os.environ.get("SHOPWRIGHT_SHARED_DATA", _BESIDE))
_EXPECTED = SHARED_DATA / "expected.json"

needs_shared_data = pytest.mark.skipif(
    not _EXPECTED.is_file(),
    reason=f"no shop data at {SHARED_DATA} (SHOPWRIGHT_SHARED_DATA says where)",
)


def expected_of_shopify() -> list[Any]:
    """Return what each of the files holds, as parameters of a test."""
    if not _EXPECTED.is_file():
        return [pytest.param("", {}, id="absent")]
    expected = json.loads(_EXPECTED.read_text())
    return [
        pytest.param(name, holds, id=Path(name).stem)
        for name, holds in expected.items()
        if name.startswith("shopify_")
    ]
