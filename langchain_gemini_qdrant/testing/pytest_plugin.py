"""The `gemini_emulator` fixture; pytest finds it by itself wherever the package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.testing.emulator import GeminiEmulator


@pytest.fixture
def gemini_emulator() -> Iterator[GeminiEmulator]:
    """A fresh Gemini API for one test, over REST on a free port.

    A test that sent a request which the emulator does not know fails at its end.
    """
    # Imported here: this module is loaded in every pytest run, used or not.
    from langchain_gemini_qdrant.testing.emulator import GeminiEmulator  # noqa: PLC0415

    with GeminiEmulator() as emulator:
        yield emulator
    unknown = [request for request in emulator.requests if request.method is None]
    if unknown:
        pytest.fail("\n".join(request.answer_message for request in unknown), pytrace=False)
