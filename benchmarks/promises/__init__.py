"""What this package promises, each as a probe that runs the same against it and against its peers.

`PROMISES` has all of them. A probe asks a `Side`, which is this package or langchain-google-genai
with langchain-qdrant, in an environment that has only that one.
"""

from __future__ import annotations

from promises import embeddings, runs, searches, store  # noqa: F401 - they fill the list
from promises.promise import PROMISES, Promise, Seen

__all__ = ["PROMISES", "Promise", "Seen"]
