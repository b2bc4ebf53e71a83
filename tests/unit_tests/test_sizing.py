"""Memory is known before it is bought: Qdrant's own formulas, with Qdrant's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_gemini_qdrant import QuantizationPreset
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.sizing import memory_size

GIB = 2**30
DOCS = Path(__file__).parents[2] / "docs"


def test_full_vectors_in_memory_take_what_qdrant_s_rule_says():
    """1.5 times 4 bytes for each component; the parts besides are 2 % of that."""
    estimate = memory_size(1_000_000, 1024)
    assert estimate.vector_bytes == 4_096_000_000
    assert estimate.memory_bytes == pytest.approx(6_144_000_000, rel=0.05)


def test_parts_add_up_to_what_qdrant_measured_on_400_million_vectors():
    """512 bits and 6 links each: 53.8 GiB in use, with numbers for ids, which are half as long."""
    parts = memory_size(400_000_000, 512, quantization="binary", m=6, on_disk=True)
    assert parts.code_bytes / GIB == pytest.approx(23.84, abs=0.01)
    assert parts.graph_bytes / GIB == pytest.approx(17.88, abs=0.01)
    assert 12.4 <= parts.id_bytes / GIB < 16
    assert parts.memory_bytes == 1.5 * (parts.code_bytes + parts.graph_bytes + parts.id_bytes)


def test_vectors_on_disk_leave_memory_and_stay_on_the_disk():
    held = memory_size(1000, 768, quantization="binary", payload_bytes=2000)
    freed = memory_size(1000, 768, quantization="binary", payload_bytes=2000, on_disk=True)
    assert held.memory_bytes - freed.memory_bytes == 1.5 * 1000 * 768 * 4
    assert held.disk_bytes == freed.disk_bytes
    assert held.disk_bytes == held.memory_bytes + 1.5 * 1000 * 2000


@pytest.mark.parametrize(("datatype", "component"), [("float32", 4), ("float16", 2), ("uint8", 1)])
def test_vectors_take_the_bytes_of_their_datatype(datatype, component):
    assert memory_size(10, 100, datatype=datatype).vector_bytes == 10 * 100 * component


def test_a_preset_of_your_own_brings_its_bits():
    own = QuantizationPreset(
        name="own",
        quantization={"product": {"compression": "x32"}},
        bits=1,
        oversampling=4.0,
        use="Tests.",
    )
    assert memory_size(10, 80, quantization=own).code_bytes == 100


def test_an_empty_collection_takes_nothing():
    empty = memory_size(0, quantization="turbo-2bit")
    assert (empty.memory_bytes, empty.disk_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"points_count": -1}, "points_count must be 0 or more, got -1"),
        ({"size": 0}, "size must be 1 or more, got 0"),
        ({"m": -1}, "m must be 0 or more, got -1"),
        ({"payload_bytes": -5}, "payload_bytes must be 0 or more, got -5"),
        ({"datatype": "float64"}, "datatype must be one of 'float32', 'float16', 'uint8'"),
        ({"quantization": "ternary"}, "one of 'binary', .* got 'ternary'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, expected):
    with pytest.raises(ConfigurationError, match=expected):
        memory_size(**{"points_count": 1, **arguments})


def rows(page):
    """Return the cells of each line of a page's tables."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]


def test_codes_are_as_long_as_the_table_of_presets_says():
    found = {row[0].strip("`"): row[2] for row in rows("quantization.md") if len(row) == 6}
    for name in QUANTIZATION_PRESETS:
        assert found[name] == f"{memory_size(1, 3072, quantization=name).code_bytes:,}"


def test_the_table_of_the_page_for_scale_is_what_the_function_says():
    unit = {"M": 10**6, "B": 10**9}
    table = [row for row in rows("scale.md") if len(row) == 6 and row[0][-1] in unit]
    for number, size, *cells in table:
        points = int(number[:-2]) * unit[number[-1]]
        shape = (points, int(size.replace(",", "")))
        binary = memory_size(*shape, quantization="binary", on_disk=True)
        turbo = memory_size(*shape, quantization="turbo-2bit", on_disk=True)
        estimates = (memory_size(*shape).memory_bytes, turbo.memory_bytes, binary.memory_bytes)
        assert cells == [gigabytes(number) for number in (*estimates, binary.disk_bytes)]
    assert len(table) == 8


def gigabytes(number):
    return f"{number / 1e9:,.1f}" if number < 1e10 else f"{number / 1e9:,.0f}"
