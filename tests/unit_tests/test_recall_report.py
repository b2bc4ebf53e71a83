"""What a report shows of figures that are known."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from rich.console import Console

from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall import (
    ComparisonRow,
    QuantizationComparison,
    RecallReport,
    RecallRow,
)


def row(limit, oversampling, rescore, recall, *, hnsw_ef=None, p50_s=None):
    return RecallRow(
        limit=limit,
        oversampling=oversampling,
        rescore=rescore,
        hnsw_ef=hnsw_ef,
        recall=recall,
        low=recall - 0.02,
        high=min(recall + 0.02, 1.0),
        p50_s=p50_s,
        p95_s=p50_s and p50_s * 2,
    )


ROWS = (
    row(10, 1.0, False, 0.5, p50_s=0.001),
    row(10, 1.0, True, 0.6, p50_s=0.0123),
    row(10, 3.0, False, 0.5, p50_s=0.001),
    row(10, 3.0, True, 0.95, p50_s=0.2),
    row(100, 1.0, False, 0.55, p50_s=0.002),
    row(100, 1.0, True, 0.65, p50_s=0.002),
    row(100, 3.0, False, 0.55, p50_s=0.002),
    row(100, 3.0, True, 1.0, p50_s=0.004),
)
REPORT = RecallReport(
    collection="[docs]",
    engine="edge",
    points=12_345,
    vector_size=768,
    quantization={"binary": {"always_ram": True, "query_encoding": "scalar8bits"}},
    segments=1,
    indexed_vectors=0,
    status="green",
    queries=200,
    query_kind="stored vectors",
    latency_queries=100,
    filtered=False,
    confidence=0.95,
    measured_at="2030-01-02T03:04:05+00:00",
    rows=ROWS,
)
COMPARISON = QuantizationComparison(
    collection="docs",
    points=10_000,
    vector_size=768,
    queries=200,
    query_kind="texts",
    latency_queries=100,
    confidence=0.95,
    measured_at="2030-01-02T03:04:05+00:00",
    rows=(
        ComparisonRow(
            quantization="none",
            bits=32.0,
            bytes_per_vector=3072.0,
            figures=row(10, None, None, 1.0, p50_s=0.01),
        ),
        ComparisonRow(
            quantization="binary",
            bits=1.0,
            bytes_per_vector=96.0,
            figures=row(10, 3.0, True, 0.95, p50_s=0.001),
        ),
    ),
)


def test_the_plain_tables_have_limits_down_and_settings_across():
    assert (
        str(REPORT).split("\n\n", 1)[1]
        == """\
recall@limit
oversampling      1      1      3      3
rescore         off     on    off     on
limit 10      0.500  0.600  0.500  0.950
limit 100     0.550  0.650  0.550  1.000

95% interval
oversampling          1          1          3          3
rescore             off         on        off         on
limit 10      .480-.520  .580-.620  .480-.520  .930-.970
limit 100     .530-.570  .630-.670  .530-.570  .980-1.00

latency p50/p95, ms
oversampling          1          1          3          3
rescore             off         on        off         on
limit 10      1.00/2.00  12.3/24.6  1.00/2.00    200/400
limit 100     2.00/4.00  2.00/4.00  2.00/4.00  4.00/8.00"""
    )


def test_the_collection_the_queries_and_the_time_come_first():
    codes = "binary codes (one_bit, query_encoding scalar8bits)"
    assert REPORT.describe() == [
        f"'[docs]' (edge): 12,345 points of size 768, {codes}, 1 segment, no index",
        "against exact search by 200 stored vectors, each without its own point",
        "at 2030-01-02T03:04:05+00:00",
    ]
    assert str(REPORT).startswith("\n".join(REPORT.describe()))


def test_markdown_is_laid_out_as_qdrant_s_page():
    assert """\
**recall@limit**

| oversampling | 1 | 1 | 3 | 3 |
| :-- | --: | --: | --: | --: |
| rescore | off | on | off | on |
| limit 10 | 0.500 | 0.600 | 0.500 | 0.950 |
| limit 100 | 0.550 | 0.650 | 0.550 | 1.000 |
""" in REPORT.to_markdown()


WIDE = replace(
    REPORT,
    rows=tuple(row(10, float(times), True, 0.9, p50_s=0.001) for times in range(1, 8)),
)


def test_more_settings_than_fit_side_by_side_are_listed():
    lines = str(WIDE).splitlines()
    assert [*lines[4:6], lines[-1]] == [
        "limit  oversampling  rescore  recall  95% interval  p50/p95, ms",
        "10                1       on   0.900     .880-.920    1.00/2.00",
        "10                7       on   0.900     .880-.920    1.00/2.00",
    ]
    assert "| 10 | 7 | on | 0.900 | .880-.920 | 1.00/2.00 |" in WIDE.to_markdown()
    beams = tuple(replace(each, hnsw_ef=64, p50_s=None, p95_s=None) for each in WIDE.rows)
    listed = str(replace(WIDE, rows=beams, latency_queries=0)).splitlines()
    assert [listed[4], listed[-1]] == [
        "limit  ef  oversampling  rescore  recall  95% interval",
        "10     64             7       on   0.900     .880-.920",
    ]


@pytest.mark.parametrize("report", [REPORT, COMPARISON, WIDE])
def test_rich_shows_every_cell_in_80_columns(report):
    console = Console(width=80, record=True, file=sys.stdout, force_terminal=False)
    console.print(report)
    shown = console.export_text()
    assert "…" not in shown
    assert ".930-.970" in shown or ".880-.920" in shown
    assert "docs" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_columns_that_mean_nothing_are_left_out():
    plain = replace(
        REPORT,
        quantization=None,
        rows=(row(10, None, None, 1.0),),
        latency_queries=0,
        segments=None,
    )
    assert str(plain).endswith(
        """\
recall@limit
limit     full vectors
limit 10         1.000

95% interval
limit     full vectors
limit 10     .980-1.00"""
    )
    assert "full vectors, no index" in str(plain)


def test_beams_are_rows_of_their_own():
    rows = (row(10, 1.0, True, 0.5, hnsw_ef=64), row(10, 1.0, True, 0.75, hnsw_ef=128))
    text = str(replace(REPORT, rows=rows, latency_queries=0))
    assert "limit 10, ef 64   0.500\nlimit 10, ef 128  0.750" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"indexed_vectors": 12_345}, "index built"),
        ({"indexed_vectors": 20_000}, "index built"),  # of several vectors to a point
        ({"indexed_vectors": 1_000}, "1,000 vectors in the index"),
        ({"indexed_vectors": None}, "no index"),
        ({"segments": 4}, "4 segments"),
        ({"status": "grey"}, "(status grey): measure again after store.optimize()"),
        ({"engine": "local"}, "ignores quantization"),
        ({"filtered": True}, "own point, filtered"),
        ({"queries": 1, "query_kind": "texts"}, "by 1 text embedded as queries"),
        ({"queries": 2, "query_kind": "vectors"}, "by 2 vectors given"),
        ({"quantization": {"scalar": {"type": "int8"}}}, "scalar codes (int8)"),
        ({"quantization": {"turbo": {}}}, "turbo codes,"),
    ],
)
def test_what_recall_depends_on_is_said(changed, said):
    assert said in "\n".join(replace(REPORT, **changed).describe())


@pytest.mark.parametrize("report", [REPORT, COMPARISON])
def test_json_brings_a_report_back(report):
    assert type(report).from_json(report.to_json()) == report
    assert type(report).from_json(report.to_json(indent=2)) == report


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"rows": [{"limit": 3}]}', '{"rows": 3}'])
@pytest.mark.parametrize("kind", [RecallReport, QuantizationComparison])
def test_other_json_is_told(kind, text):
    with pytest.raises(ConfigurationError, match=f"the JSON of a {kind.__name__} has"):
        kind.from_json(text)


def test_dataframes_have_a_column_for_each_figure():
    frame = REPORT.to_dataframe()
    assert list(frame.columns) == [
        "limit",
        "oversampling",
        "rescore",
        "hnsw_ef",
        "recall",
        "low",
        "high",
        "p50_s",
        "p95_s",
    ]
    assert frame.pivot(index="limit", columns=["oversampling", "rescore"], values="recall").loc[
        100, (3.0, True)
    ] == pytest.approx(1.0)
    compared = COMPARISON.to_dataframe()
    assert compared[["quantization", "bytes_per_vector", "recall"]].to_numpy().tolist() == [
        ["none", 3072.0, 1.0],
        ["binary", 96.0, 0.95],
    ]


def test_a_row_is_found_by_its_setting():
    assert REPORT.row(limit=10, oversampling=3, rescore=True).recall == 0.95
    with pytest.raises(KeyError, match="were not measured"):
        REPORT.row(limit=11, oversampling=3, rescore=True)


def test_a_plot_has_a_line_for_each_limit_and_error_bars(tmp_path):
    figure = REPORT.plot(tmp_path / "recall.png")
    (axes,) = figure.axes
    drawn = {each.get_label(): each for each in axes.containers}
    assert list(drawn) == [
        "limit 10",
        "limit 10, no rescoring",
        "limit 100",
        "limit 100, no rescoring",
    ]
    points, _, (bars,) = drawn["limit 10"]
    assert points.get_xydata().tolist() == [[pytest.approx(12.3), 0.6], [200.0, 0.95]]
    assert bars.get_segments()[1].tolist() == [[200.0, pytest.approx(0.93)], [200.0, 0.97]]
    assert axes.get_xscale() == "log"
    assert "ms" in axes.get_xlabel()
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("report", [REPORT, COMPARISON])
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("x.bmp", r"'.*x.bmp' is not a format of pictures: use one of .*\.png, .*\.svg"),
        ("missing/x.png", r"there is no folder '.*missing' for the picture 'x.png'"),
        ("folder.png", r"'.*folder.png' cannot be written"),
    ],
)
def test_a_file_that_cannot_be_a_picture_is_refused(report, tmp_path, file, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigurationError, match=message):
        report.plot(tmp_path / file)


def test_a_picture_without_an_ending_is_a_png(tmp_path):
    REPORT.plot(tmp_path / "recall")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_latencies_that_are_alike_are_drawn_on_an_axis_from_zero():
    """The noise between them would fill an axis of its own, and a line would run backwards."""
    rows = tuple(replace(each, p50_s=0.0002 + 0.00001 * i) for i, each in enumerate(ROWS[:4]))
    (axes,) = replace(REPORT, rows=rows).plot().axes
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim() == pytest.approx((0, 1.15 * 0.23))


def test_a_logarithmic_axis_has_three_labels_in_each_decade():
    figure = REPORT.plot()
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    shown = [label.get_text() for label in axes.get_xticklabels(which="both")]
    assert [each for each in shown if each and low <= float(each) <= high] == [
        *("0.5", "1", "2", "5", "10", "20", "50", "100", "200"),
    ]


def test_oversampling_stands_at_each_point_where_the_axis_promises_it():
    (axes,) = COMPARISON.plot().axes
    assert [text.get_text() for text in axes.texts] == ["\N{MULTIPLICATION SIGN}3"]
    assert axes.get_xlabel().endswith("(\N{MULTIPLICATION SIGN}n: oversampling)")
    plain = replace(REPORT, rows=(row(10, None, None, 1.0, p50_s=0.001),), quantization=None)
    (axes,) = plain.plot().axes
    assert axes.get_xlabel() == "median latency of a search, ms"


def test_a_plot_without_latencies_is_over_oversampling():
    rows = tuple(replace(each, p50_s=None, p95_s=None) for each in ROWS)
    (axes,) = replace(REPORT, rows=rows, latency_queries=0).plot().axes
    assert axes.get_xlabel() == "oversampling"
    assert axes.containers[0][0].get_xdata().tolist() == [1.0, 3.0]


def test_a_comparison_is_drawn_with_a_panel_for_each_limit_and_a_color_for_each_kind(tmp_path):
    figure = COMPARISON.plot(tmp_path / "compared.svg")
    (axes,) = figure.axes
    assert axes.get_title() == "limit 10"
    assert [each.get_label() for each in axes.containers] == [
        "none, 3,072 bytes",
        "binary, 96 bytes",
    ]
    assert (tmp_path / "compared.svg").exists()


def test_a_comparison_prints_bits_bytes_and_figures():
    assert str(COMPARISON).splitlines()[-3:] == [
        "quantization  bits  bytes  oversampling  recall@10     95% CI  p50/p95 ms",
        "none            32  3,072                    1.000  .980-1.00   10.0/20.0",
        "binary           1     96             3      0.950  .930-.970   1.00/2.00",
    ]
    assert "| binary | 1 | 96 | 3 | 0.950 | .930-.970 | 1.00/2.00 |" in COMPARISON.to_markdown()
    assert "by 200 texts embedded as queries" in str(COMPARISON)


@pytest.mark.parametrize(
    ("library", "use", "extra"),
    [
        ("pandas", RecallReport.to_dataframe, "dataframe"),
        ("matplotlib.figure", RecallReport.plot, "plot"),
    ],
)
def test_a_missing_library_names_its_extra(monkeypatch, library, use, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=rf"langchain-gemini-qdrant\[{extra}\]"):
        use(REPORT)
