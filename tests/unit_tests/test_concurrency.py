"""Operations side by side come to an end, whether they have begun or not."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._concurrency import Threads


@pytest.mark.timeout(20)
def test_nobody_waits_for_an_operation_that_was_dropped_before_it_began():
    began, go_on = threading.Event(), threading.Event()

    async def wait():
        began.set()
        go_on.wait()
        return "done"

    threads = Threads(1)
    first, second = threads.start(wait), threads.start(wait)
    began.wait()
    closing = threading.Thread(target=threads.close)
    closing.start()
    while not second.cancelled():
        pass
    run(threads.wait_any([second]))
    go_on.set()
    closing.join()
    run(threads.wait_any([first]))
    assert first.result() == "done"
    with pytest.raises(CancelledError):
        second.result()
