"""A cluster of two nodes for tests: each collection has a replica on both, and one may miss writes.

As Qdrant 1.19 does it: a write that one replica misses is answered by 500 where the collection's
write_consistency_factor is 2, and stays on the other one, which nothing repairs; where it is 1, the
replica is brought up to date. A read goes to one replica, or to as many as its consistency says:
what comes back is on all of these.

Source: `lib/collection/src/shards/replica_set/` and `shards/resolve.rs` of Qdrant.
"""

from __future__ import annotations

from qdrant_client import models

from tests.integration_tests.qdrant_server_exchange import QdrantError
from tests.integration_tests.qdrant_server_local import LocalQdrant

_READS = {"retrieve", "scroll", "count", "query"}
_WRITES = {"batch", "delete", "set_payload", "upsert"}


class ReplicatedQdrant(LocalQdrant):
    """The first node, with the second one behind it.

    Attributes:
        misses: How many of the next writes the second replica misses.
        reader: The replica that reads without consistency go to, 0 or 1; None for one after the
            other.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.second = LocalQdrant(**options)
        self.misses = 0
        self.reader = None
        self._reads = 0

    def close(self):
        super().close()
        self.second.close()

    def call(self, operation, collection, body, consistency=None):
        if operation in _READS:
            return self._read(operation, collection, body, consistency)
        result = super().call(operation, collection, body)
        if self.misses and operation in _WRITES:
            self.misses -= 1
            params = super().call("get_collection", collection, {}).config.params
            if params.write_consistency_factor > 1:
                raise QdrantError(
                    500, "Service internal error: Tonic status error: status: Unavailable"
                )
        self.second.call(operation, collection, body)
        return result

    def _read(self, operation, collection, body, consistency):
        if consistency in {None, "1", 1}:
            self._reads += 1
            reader = self._reads % 2 if self.reader is None else self.reader
            node = self.second if reader else super()
            return node.call(operation, collection, body)
        one = super().call(operation, collection, body)
        other = self.second.call(operation, collection, body)
        if operation == "count":
            return min(one, other, key=lambda each: each.count)
        if operation == "retrieve":
            return _on_both(one, other)
        points = _on_both(one.points, other.points)
        if operation == "query":
            return models.QueryResponse(points=points)
        # A page that is not full is taken for the last one.
        is_last = len(points) < len(one.points) or one.next_page_offset != other.next_page_offset
        offset = None if is_last else one.next_page_offset
        return models.ScrollResult(points=points, next_page_offset=offset)


def _on_both(one, other):
    """Return the points that are the same on both."""
    found = {point.id: point for point in other}
    return [point for point in one if found.get(point.id) == point]
