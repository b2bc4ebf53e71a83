"""What tokens for one collection may do on a Qdrant server: read, write points, make indexes.

Source: https://github.com/qdrant/qdrant/blob/v1.19.0/lib/storage/src/rbac/ops_checks.rs
"""

from __future__ import annotations

import re

from tests.integration_tests.qdrant_server_exchange import QdrantError

_COLLECTIONS = (
    r"(PUT|PATCH|DELETE) /collections/[^/]+|POST /collections/aliases"
    r"|\w+ /qdrant\.Collections/(Create|Update|Delete|UpdateAliases)"
)
_INDEXES = r"(PUT|DELETE) /collections/[^/]+/index.*|\w+ /qdrant\.Points/\w+FieldIndex"
_POINTS = (
    r"PUT /collections/[^/]+/points.*"
    r"|POST /collections/[^/]+/points/(batch|delete|payload.*|vectors/delete)"
    r"|\w+ /qdrant\.Points/(Upsert|Delete\w*|Set\w+|Overwrite\w+|Clear\w+|Update\w+)"
)


def check_access(access, request):
    """Refuse what a token for the collection may not do; it is `"r"`, `"rw"` or `"prw"`."""
    line = f"{request.method} {request.path}"
    if re.fullmatch(_COLLECTIONS, line):
        raise QdrantError(403, "Forbidden: Global access is required")
    if access == "prw" and re.fullmatch(_INDEXES, line):
        raise QdrantError(403, "Forbidden: Only points access is allowed for collection c")
    if access == "r" and re.fullmatch(f"{_INDEXES}|{_POINTS}", line):
        raise QdrantError(403, "Forbidden: Write access to collection c is required")
