"""The package's logger: at INFO, why and how long a call waits, and what it learnt of quotas."""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = logging.getLogger("langchain_gemini_qdrant")
