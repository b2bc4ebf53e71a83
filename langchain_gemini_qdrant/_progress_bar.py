"""Progress bars for `progress=True`: a widget in notebooks, text elsewhere."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")

# Without a rate: documents that are found stored are done at once, and would raise it.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}<{remaining}{postfix}]"
_FORMAT_WITHOUT_TOTAL = "{desc}{n_fmt}{unit} [{elapsed}{postfix}]"


@contextmanager
def progress_bar(
    unit: str, on_progress: Callable[P, None] | None, *, shown: bool
) -> Iterator[Callable[P, None] | None]:
    """Show a bar until the block ends, normally or by an exception.

    Args:
        unit: What is counted, in the plural.
        on_progress: The caller's own callback; it is called after the bar has moved.
        shown: False shows no bar.

    Yields:
        The function to call with each progress in place of `on_progress`. The progress, which has
        `done` and `total` and may have a `remark`, is the last argument. An argument before it
        names the part of the work; each part starts at 0.
    """
    if not shown:
        yield on_progress
        return
    with _bar(unit) as bar:

        def show(*args: P.args, **kwargs: P.kwargs) -> None:
            _move(bar, *args)
            if on_progress is not None:
                on_progress(*args, **kwargs)

        yield show


@contextmanager
def _bar(unit: str) -> Iterator[Any]:
    with warnings.catch_warnings():
        # Without ipywidgets, a notebook shows the bar as text; that needs no warning.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm  # noqa: PLC0415 - only where a bar is shown
        from tqdm.notebook import tqdm_notebook  # noqa: PLC0415
    # A notebook shows standard error in red.
    file = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    options = {
        "unit": f" {unit}",
        "dynamic_ncols": True,
        "file": file,
        "bar_format": _FORMAT_WITHOUT_TOTAL,
    }
    if not issubclass(tqdm, tqdm_notebook):
        with tqdm(**options) as bar:
            yield bar
        return
    from IPython.display import display  # noqa: PLC0415 - the notebook has it

    bar = tqdm(**options, display=False)
    shown = display(bar.container, display_id=True)
    try:
        yield bar
    finally:
        bar.close()
        # A saved notebook has no widgets: text stays.
        shown.update({"text/plain": str(bar)}, raw=True)


def _move(bar: Any, *args: Any) -> None:  # noqa: ANN401
    *names, progress = args
    name = f"{names[0]}: " if names else ""
    begins = progress.total != bar.total or progress.done < bar.n
    bar.set_description_str(name, refresh=False)
    bar.set_postfix_str(getattr(progress, "remark", ""), refresh=False)
    bar.bar_format = _FORMAT if progress.total else _FORMAT_WITHOUT_TOTAL
    if begins:
        bar.reset(total=progress.total)
    bar.update(progress.done - bar.n)
    if getattr(progress, "waiting", None) is not None:
        bar.refresh()  # the next update may be far away
