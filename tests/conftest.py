"""Every fixture that more than one test module uses."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch):
    """A key or address in the developer's environment must never reach a test."""
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "QDRANT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
