"""The package's logger; at INFO it reports long waits with their reasons, and learned quotas."""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = logging.getLogger("langchain_gemini_qdrant")

LONG_WAIT: Final = 2.0
"""Seconds; shorter waits for a quota are its normal pace and are not logged."""
