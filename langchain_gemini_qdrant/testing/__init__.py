"""An emulator of the Gemini embeddings API, for tests and for trials without a key.

`GeminiEmulator` serves any Gemini client; the assertions report how a client's requests differ from
those expected; `sample_media` makes small media files; `gemini_vcr_config` is for recordings of the
real API.

```python
from langchain_gemini_qdrant.testing import GeminiEmulator

with GeminiEmulator() as emulator:
    client = genai.Client(
        api_key=emulator.api_key, http_options={"base_url": emulator.base_url}
    )
```

It imports nothing from the rest of this package, so that no bug can cancel itself out.
`docs/testing.md` shows every use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing import sample_media
    from langchain_gemini_qdrant.testing._api._named_errors import NamedError
    from langchain_gemini_qdrant.testing._api._quota_errors import Quota
    from langchain_gemini_qdrant.testing._api._records import (
        RecordedMedium,
        RecordedRequest,
        RecordedText,
    )
    from langchain_gemini_qdrant.testing._api._script import WrongAnswer
    from langchain_gemini_qdrant.testing._assertions import (
        assert_no_secrets,
        assert_statuses,
        assert_texts,
        assert_vectors,
    )
    from langchain_gemini_qdrant.testing._vcr import gemini_vcr_config
    from langchain_gemini_qdrant.testing.emulator import GeminiEmulator

__all__ = [
    "GeminiEmulator",
    "NamedError",
    "Quota",
    "RecordedMedium",
    "RecordedRequest",
    "RecordedText",
    "WrongAnswer",
    "assert_no_secrets",
    "assert_statuses",
    "assert_texts",
    "assert_vectors",
    "gemini_vcr_config",
    "sample_media",
]

_MODULES = {
    "GeminiEmulator": "emulator",
    "NamedError": "_api._named_errors",
    "Quota": "_api._quota_errors",
    "RecordedMedium": "_api._records",
    "RecordedRequest": "_api._records",
    "RecordedText": "_api._records",
    "WrongAnswer": "_api._script",
    "assert_no_secrets": "_assertions",
    "assert_statuses": "_assertions",
    "assert_texts": "_assertions",
    "assert_vectors": "_assertions",
    "gemini_vcr_config": "_vcr",
    "sample_media": "sample_media",  # the module itself
}


def __getattr__(name: str) -> object:
    """Import a name on first use, so that one name does not load all of them."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return module if name == _MODULES[name] else getattr(module, name)
