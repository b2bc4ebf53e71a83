"""The package's logger: at INFO, why and how long a call waits, and what it learnt of quotas."""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = logging.getLogger("langchain_gemini_qdrant")

LONG_WAIT: Final = 2.0
"""Seconds; shorter waits for a quota are its steady pace, of which nobody need hear."""
