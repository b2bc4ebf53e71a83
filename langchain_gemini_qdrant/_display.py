"""How objects show themselves as the last line of a notebook's cell: a table of HTML.

The HTML has no scripts, external resources or colors, so that it is readable in light and dark
notebooks. It is also readable without its styles, which GitHub removes.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import DataclassInstance

_MOST_ENTRIES = 20  # of a mapping or list in a cell
_KIB = 1024
_LEFT, _RIGHT, _TOP = "text-align:left", "text-align:right", "vertical-align:top"
_LABELS = {"seconds": "time", "usd": "price"}


class Printer(Protocol):
    """IPython's printer, for output as plain text."""

    def text(self, text: str, /) -> None:
        """Add text."""


class Displayed:
    """Base class of objects that are displayed as a table of their fields.

    Attributes:
        _shown: Properties that are shown in addition to the fields.
        _hidden: Fields that are not shown.
    """

    __slots__ = ()

    _shown: ClassVar[tuple[str, ...]] = ()
    _hidden: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        # IPython prefers a class's own methods, and a dataclass has its own `__repr__`.
        setattr(cls, "_repr_pretty_", cls._repr_pretty_)  # noqa: B010 - mypy: a method is assigned

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return facts_html(type(self).__name__, self._facts())

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:  # noqa: ARG002, FBT001 - IPython's
        """Show what `print` shows in IPython."""
        printer.text(str(self))

    def _facts(self) -> dict[str, object]:
        own = cast("DataclassInstance", self)  # other classes override `_facts`
        names = [each.name for each in fields(own) if each.name not in self._hidden]
        return {each: getattr(self, each) for each in (*names, *self._shown)}


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return a table with a row for each fact; the suffix of a name determines its unit."""
    rows = "".join(
        f'<tr><th scope="row" style="{_LEFT};{_TOP};white-space:nowrap">{escape(_label(name))}</th>'
        f'<td style="{_LEFT}">{_cell(name, value)}</td></tr>'
        for name, value in facts.items()
        if value is not None
    )
    return f"<div><strong>{escape(title)}</strong><table><tbody>{rows}</tbody></table></div>"


def table_html(
    title: str,
    lines: Iterable[str],
    header: Sequence[str],
    rows: Iterable[Sequence[Sequence[str]]],
    caption: str = "",
) -> str:
    """Return lines of text and a table.

    Args:
        title: The title, shown in bold.
        lines: Lines of text above the table.
        header: One entry for each column; the first is aligned left, the others right.
        rows: Rows of cells; a cell is a list of lines, and the first of several is bold.
        caption: Text below the table; empty for none.
    """
    above = "".join(f"<br>{escape(line)}" for line in lines)
    head = "".join(
        f'<th style="{_RIGHT if position else _LEFT}">{_breaks(name)}</th>'
        for position, name in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_RIGHT if position else _LEFT};{_TOP}">{_lines(cell)}</td>'
            for position, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    below = f"<small>{escape(caption)}</small>" if caption else ""
    return (
        f"<div><strong>{escape(title)}</strong>{above}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


def text_html(title: str, text: str) -> str:
    """Return text under a title; line breaks are kept."""
    return f"<div><strong>{escape(title)}</strong><br>{_breaks(text)}</div>"


def _breaks(text: str) -> str:
    return "<br>".join(map(escape, text.splitlines()))


def _lines(cell: Sequence[str]) -> str:
    first, *others = map(escape, cell)
    if not others:
        return first
    return f"<strong>{first}</strong>" + "".join(f"<br><small>{each}</small>" for each in others)


def _label(name: str) -> str:
    return _LABELS.get(name) or name.removesuffix("_bytes").removesuffix("_s").replace("_", " ")


def _cell(name: str, value: object) -> str:
    if callable(show := getattr(value, "_repr_html_", None)):
        return str(show())
    if isinstance(value, Mapping):
        return _entries([f"{key}: {each}" for key, each in value.items()])
    if isinstance(value, list | tuple | Set):
        return _entries([str(each) for each in value])
    return escape(_as_text(name, value))


def _entries(entries: list[str]) -> str:
    shown = [*entries[:_MOST_ENTRIES]]
    if len(entries) > len(shown):
        shown.append(f"and {len(entries) - len(shown):,} more")
    return "<br>".join(map(escape, shown)) or "none"


def _as_text(name: str, value: object) -> str:
    """Return a value with the unit that the suffix of its name determines."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if name.endswith("_bytes"):
        return _size(value)
    if name == "seconds" or name.endswith(("_s", "_seconds")):
        return f"{value:,.3g} s" if value < 100 else f"{value:,.0f} s"  # noqa: PLR2004
    if name == "usd":
        return f"${value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= _KIB
    return f"{number:,.1f} TiB"
