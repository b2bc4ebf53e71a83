"""Import path for older code: string ids to Qdrant's point ids and back."""

from __future__ import annotations

from langchain_gemini_qdrant._qdrant_values import (
    CANONICAL_UUID,
    ID_KEY,
    content_id,
    document_id,
    id_payload,
    point_id,
)

__all__ = ["CANONICAL_UUID", "ID_KEY", "content_id", "document_id", "id_payload", "point_id"]
