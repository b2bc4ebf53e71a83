"""Estimates how much memory and disk a collection will take.

Sources:
- https://qdrant.tech/documentation/guides/capacity-planning/ gives the reserve of 50 % for
  temporary segments of the optimizer and small parts.
- https://qdrant.tech/documentation/database-tutorials/large-scale-search/ gives the parts: codes,
  graph and ids. They add up to 54.1 GiB for its 400 million vectors; 53.8 GiB were in use.
- The bytes of a code were measured with Qdrant Edge 0.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS, QuantizationPreset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.quantization import QuantizationName

__all__ = ["Datatype", "MemoryEstimate", "memory_size"]

Datatype: TypeAlias = Literal["float32", "float16", "uint8"]

_COMPONENT_BYTES: Mapping[str, int] = {"float32": 4, "float16": 2, "uint8": 1}
_LINK_BYTES = 4
# A UUID is stored twice, once for each direction, with the point's number and its version.
_ID_BYTES = 16 + (16 + 4) + 4
_ROOM = 1.5
# A code is made of whole blocks; some kinds also store a length or an offset.
_BLOCK_BYTES: Mapping[str, int] = {"binary": 16, "scalar": 16, "product": 1, "turbo": 1}
_BESIDE_BYTES: Mapping[str, int] = {"binary": 0, "scalar": 4, "product": 0, "turbo": 8}


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryEstimate(Displayed):
    """Memory and disk of one replica of a collection, over all its shards.

    Attributes:
        vector_bytes: Full vectors; only on disk with `on_disk`, otherwise also in memory.
        code_bytes: Quantized codes; in memory.
        graph_bytes: HNSW links before Qdrant's compression, which often halves them; in memory.
        id_bytes: Ids of points, if all are UUIDs, and their versions; in memory.
        payload_bytes: Texts and metadata; on disk.
        on_disk: Whether full vectors stay out of memory.
    """

    _shown: ClassVar[tuple[str, ...]] = ("memory_bytes", "disk_bytes")

    vector_bytes: int
    code_bytes: int
    graph_bytes: int
    id_bytes: int
    payload_bytes: int
    on_disk: bool

    @property
    def memory_bytes(self) -> int:
        """Memory to plan for: everything kept in memory, plus 50 %."""
        vector_bytes = 0 if self.on_disk else self.vector_bytes
        return round(_ROOM * (vector_bytes + self.code_bytes + self.graph_bytes + self.id_bytes))

    @property
    def disk_bytes(self) -> int:
        """Disk to plan for: everything, plus 50 %. Snapshots need additional space."""
        index_bytes = self.code_bytes + self.graph_bytes + self.id_bytes
        return round(_ROOM * (self.vector_bytes + index_bytes + self.payload_bytes))


def memory_size(
    points_count: int,
    size: int = 3072,
    *,
    quantization: QuantizationName | QuantizationPreset | None = None,
    datatype: Datatype = "float32",
    on_disk: bool = False,
    m: int = 16,
    payload_bytes: int = 0,
) -> MemoryEstimate:
    """Estimate memory and disk of a collection with one dense vector for each point.

    Payload indexes and sparse vectors are not included; measure them on a sample.

    Args:
        points_count: Points in the collection.
        size: Components of a vector; the current Gemini models make 3,072 by default.
        quantization: A preset or its name, as for `create_vector_store`. For any other
            setting, make a `QuantizationPreset` with its bits.
        datatype: Data type of the full vectors.
        on_disk: Whether full vectors stay out of memory, as with `vector_params={"on_disk": True}`.
            Recommended for most quantized collections on fast disks: a search reads only a few
            dozen full vectors.
        m: Links of a point in the HNSW graph; there are twice as many on its lowest level.
        payload_bytes: Bytes of one point's text and metadata, as JSON.

    Returns:
        The estimate for one replica: multiply by `replication_factor`, divide by nodes.

    Raises:
        ConfigurationError: A number is negative, or a size, datatype or preset does not exist.
    """
    numbers = {"points_count": points_count, "m": m, "payload_bytes": payload_bytes}
    for name, number in numbers.items():
        if number < 0:
            raise ConfigurationError(f"{name} must be 0 or more, got {number!r}")
    if size < 1:
        raise ConfigurationError(f"size must be 1 or more, got {size!r}")
    if datatype not in _COMPONENT_BYTES:
        raise ConfigurationError(
            f"datatype must be one of {', '.join(map(repr, _COMPONENT_BYTES))}, got {datatype!r}"
        )
    preset = None if quantization is None else _preset(quantization)
    return MemoryEstimate(
        vector_bytes=points_count * size * _COMPONENT_BYTES[datatype],
        code_bytes=0 if preset is None else points_count * _code_bytes(preset, size),
        graph_bytes=points_count * 2 * m * _LINK_BYTES,
        id_bytes=points_count * _ID_BYTES,
        payload_bytes=points_count * payload_bytes,
        on_disk=on_disk,
    )


def _preset(quantization: QuantizationName | QuantizationPreset) -> QuantizationPreset:
    if isinstance(quantization, QuantizationPreset):
        return quantization
    if quantization in QUANTIZATION_PRESETS:
        return QUANTIZATION_PRESETS[quantization]
    raise ConfigurationError(
        f"quantization must be None, a QuantizationPreset or one of "
        f"{', '.join(map(repr, QUANTIZATION_PRESETS))}, got {quantization!r}"
    )


def _code_bytes(preset: QuantizationPreset, size: int) -> int:
    """Return the bytes of one vector's code."""
    [kind] = preset.config.model_dump()
    block_bytes = _BLOCK_BYTES[kind]
    return math.ceil(preset.bits * size / 8 / block_bytes) * block_bytes + _BESIDE_BYTES[kind]
