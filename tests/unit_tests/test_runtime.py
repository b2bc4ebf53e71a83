"""A coroutine run without an event loop, over blocking objects."""

from __future__ import annotations

import asyncio
import gc
import traceback
import warnings

import pytest

from langchain_gemini_qdrant._runtime import AsAsync, Blocking, as_sync, run


class Target:
    def double(self, number, *, plus=0):
        if number < 0:
            raise ValueError("negative")
        return 2 * number + plus


async def doubled(target, number):
    return await target.double(number, plus=1)


def test_the_value_is_returned():
    assert run(doubled(Blocking(Target()), 3)) == 7


def test_it_works_inside_a_running_event_loop():
    async def inside():
        return run(doubled(Blocking(Target()), 3))

    assert asyncio.run(inside()) == 7


def test_an_exception_comes_out_as_it_is_with_all_frames():
    with pytest.raises(ValueError, match="negative") as caught:
        run(doubled(Blocking(Target()), -1))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-4:] == ["run", "doubled", "call", "double"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_what_the_coroutine_has_open(error):
    closed = []

    class Interrupted:
        def call(self):
            raise error

    async def operation():
        try:
            await Blocking(Interrupted()).call()
        finally:
            closed.append(True)

    with pytest.raises(error):
        run(operation())
    assert closed == [True]


def test_what_needs_an_event_loop_is_refused_and_closed():
    closed = []

    async def operation(future):
        try:
            await future
        finally:
            closed.append(True)

    async def inside():
        with pytest.raises(RuntimeError, match="needs an event loop") as caught:
            run(operation(asyncio.get_running_loop().create_future()))
        assert caught.value.__traceback__  # which holds the coroutine
        assert closed == [True]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what other tests have left
        warnings.simplefilter("error")
        asyncio.run(inside())
        gc.collect()


def test_a_prefix_is_of_the_awaited_names_only():
    async def operation(target):
        return await target.adouble(1), await target.double(2)

    assert run(operation(Blocking(Target(), "a"))) == (2, 4)


def test_a_method_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="double"):
        run(doubled(Blocking(object()), 1))
    with pytest.raises(AttributeError, match="treble"):
        Blocking(Target()).treble  # noqa: B018


def test_a_forgotten_await_is_a_warning():
    async def operation(target):
        target.double(1)
        gc.collect()

    with pytest.warns(RuntimeWarning, match="never awaited"):
        run(operation(Blocking(Target())))


def numbers(closed):
    try:
        yield from range(5)
    finally:
        closed.append(True)


async def anumbers(closed):
    try:
        for number in range(5):
            yield number
    finally:
        closed.append(True)


def test_values_pass_in_order():
    async def listed():
        return [value async for value in AsAsync(range(5))]

    assert run(listed()) == [0, 1, 2, 3, 4]
    assert list(as_sync(anumbers([]))) == [0, 1, 2, 3, 4]


def test_an_async_view_closes_a_generator_when_it_is_told_to_and_not_before():
    closed = []
    source = numbers(closed)

    async def first(values):
        return await anext(values)

    assert run(first(AsAsync(source))) == 0
    assert next(source) == 1  # it is the caller's
    run(AsAsync(source).aclose())
    assert closed == [True]
    run(AsAsync(range(3)).aclose())


def test_an_error_passes_an_async_view_as_it_is():
    def failing():
        yield 1
        raise ValueError("of the source")

    async def listed():
        return [value async for value in AsAsync(failing())]

    with pytest.raises(ValueError, match="of the source"):
        run(listed())


def test_an_async_end_that_sync_values_raise_is_an_error_and_not_their_end():
    class Faulty:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopAsyncIteration

    async def listed():
        return [value async for value in AsAsync(Faulty())]

    with pytest.raises(RuntimeError, match="the values raised StopAsyncIteration"):
        run(listed())


def test_a_sync_view_of_an_async_generator_closes_it():
    closed = []
    values = as_sync(anumbers(closed))
    assert next(values) == 0
    assert closed == []
    values.close()
    assert closed == [True]


def test_a_sync_view_closes_it_inside_a_running_event_loop_too():
    async def inside():
        closed = []
        values = as_sync(anumbers(closed))
        assert next(values) == 0
        values.close()
        assert closed == [True]

    asyncio.run(inside())


async def relayed(values):
    """One async generator in another, as the operations are built."""
    async for value in values:
        yield value


def test_a_sync_view_that_began_inside_an_event_loop_goes_on_after_its_end():
    async def inside():
        values = as_sync(relayed(anumbers(closed)))
        assert next(values) == 0
        return values

    closed = []
    assert list(asyncio.run(inside())) == [1, 2, 3, 4]
    assert closed == [True]


def test_an_event_loop_notes_its_own_generators_after_a_run_inside_it_as_before():
    async def inside():
        values = as_sync(anumbers([]))
        next(values)
        values.close()
        await anext(left_open)

    closed = []
    left_open = anumbers(closed)
    asyncio.run(inside())
    assert closed == [True]  # by the loop, at its end


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_passes_a_sync_view_as_it_is(error):
    async def failing():
        yield 1
        raise error

    values = as_sync(failing())
    assert next(values) == 1
    with pytest.raises(error):
        next(values)
