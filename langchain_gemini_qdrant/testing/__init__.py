"""The Gemini embeddings API on this machine, for tests and for trying things without a key.

```python
from langchain_gemini_qdrant.testing import GeminiEmulator

with GeminiEmulator() as emulator:
    client = genai.Client(
        api_key=emulator.api_key, http_options={"base_url": emulator.base_url}
    )
```

It uses nothing of the rest of this package, so that no bug can cancel itself out.
`docs/emulator.md` shows every use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing._records import RecordedRequest, RecordedText
    from langchain_gemini_qdrant.testing._script import Quota, WrongAnswer
    from langchain_gemini_qdrant.testing.emulator import GeminiEmulator

__all__ = ["GeminiEmulator", "Quota", "RecordedRequest", "RecordedText", "WrongAnswer"]

_MODULES = {
    "GeminiEmulator": "emulator",
    "Quota": "_script",
    "RecordedRequest": "_records",
    "RecordedText": "_records",
    "WrongAnswer": "_script",
}


def __getattr__(name: str) -> object:
    """Import on first use: every pytest run of a user imports this package for the plugin."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
