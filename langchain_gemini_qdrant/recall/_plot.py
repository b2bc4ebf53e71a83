"""Plots of recall against latency."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from langchain_gemini_qdrant.recall._row import RecallRow

_INCHES = (8.0, 5.0)
_DOTS_PER_INCH = 150
_MARGIN = 0.15  # share of the axis, for the marks right of the points
_LOG_TICKS = (1.0, 2.0, 5.0)  # ticks of each decade
_LOG_FROM = 4.0  # ratio of slowest to fastest, above which a linear axis would compress one end


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Settings that differ only in oversampling.

    Attributes:
        label: Entry in the legend; none if it is empty.
        color: Lines of one color belong together.
        rows: Points, in the order in which they are joined.
        hollow: Whether the line is dashed, with hollow marks.
    """

    label: str
    color: int
    rows: Sequence[RecallRow]
    hollow: bool = False


def checked_picture(path: str | os.PathLike[str]) -> Path:
    """Check that a plot can be written to a file, before anything is measured for it.

    Returns:
        The path, with the ending `.png` if it has none.

    Raises:
        ConfigurationError: matplotlib is missing, it has no format of that ending, or
            the folder is missing or cannot be written to.
    """
    formats = sorted(_figure_class()().canvas.get_supported_filetypes())
    picture = Path(path)
    if not picture.suffix:
        picture = picture.with_suffix(".png")
    if picture.suffix[1:].lower() not in formats:
        raise ConfigurationError(
            f"the ending of {str(picture)!r} is not a format of pictures: use one of "
            f"{', '.join(f'.{each}' for each in formats)}"
        )
    if not picture.parent.is_dir():
        raise ConfigurationError(
            f"there is no folder {str(picture.parent)!r} for the picture {picture.name!r}: "
            "create it, or name a different one"
        )
    if picture.is_dir() or not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise ConfigurationError(f"{str(picture)!r} cannot be written: name a different file")
    return picture


def _figure_class() -> type[Figure]:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "a plot needs matplotlib: pip install 'langchain-gemini-qdrant[plot]'"
        ) from error
    return Figure


def draw(
    panels: Sequence[tuple[str, Sequence[Line]]],
    title: str,
    path: str | os.PathLike[str] | None,
) -> Figure:
    """Draw panels side by side, each with its own title, and write them to a file.

    Raises:
        ConfigurationError: As for `checked_picture`; nothing is drawn.
    """
    picture = None if path is None else checked_picture(path)
    width, height = _INCHES
    # Not a Figure of pyplot: this one needs no display and need not be closed.
    figure = _figure_class()(
        figsize=(width * (1 + 0.6 * (len(panels) - 1)), height),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    figure.suptitle(title, fontsize=9, x=0.01, ha="left", wrap=True)
    for (name, lines), axes in zip(
        panels, figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], strict=True
    ):
        _panel(axes, lines)
        axes.set_title(name, fontsize=10)
    figure.axes[0].set_ylabel("recall (share of the exact hits)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    if picture is not None:
        figure.savefig(picture)
    return figure


def _panel(axes: Axes, lines: Sequence[Line]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415 - an extra

    timed = all(row.p50_s is not None for line in lines for row in line.rows)
    is_annotated = False
    for line in lines:
        color = f"C{line.color}"
        across = [
            ((row.p50_s if timed else row.oversampling) or 0.0) * (1000 if timed else 1)
            for row in line.rows
        ]
        recall = [row.recall for row in line.rows]
        ends = (
            [row.recall - row.low for row in line.rows],
            [row.high - row.recall for row in line.rows],
        )
        axes.errorbar(
            across,
            recall,
            yerr=ends,
            label=line.label,
            color=color,
            linestyle=":" if line.hollow else "-",
            linewidth=1.2,
            marker="o",
            markersize=5,
            markerfacecolor="white" if line.hollow else color,
            elinewidth=0.8,
            capsize=2,
        )
        if timed and not line.hollow:
            for row, x, y in zip(line.rows, across, recall, strict=True):
                if row.oversampling is not None:
                    is_annotated = True
                    axes.annotate(
                        f"\N{MULTIPLICATION SIGN}{row.oversampling:g}",
                        (x, y),
                        xytext=(5, -9),
                        textcoords="offset points",
                        fontsize=7,
                        color=color,
                    )
    if timed:
        shown = [row.p50_s for line in lines for row in line.rows if row.p50_s]
        if shown and max(shown) > _LOG_FROM * min(shown):
            axes.set_xscale("log")
            axes.margins(x=_MARGIN)
            axes.xaxis.set_major_locator(LogLocator(subs=_LOG_TICKS))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            # From 0; otherwise noise of a hundredth of a millisecond fills the axis.
            axes.set_xlim(0, (1 + _MARGIN) * 1000 * max(shown, default=1.0))
    marks = " (\N{MULTIPLICATION SIGN}n: oversampling)" if is_annotated else ""
    axes.set_xlabel(f"median latency of a search, ms{marks}" if timed else "oversampling")
    axes.grid(visible=True, alpha=0.3)
