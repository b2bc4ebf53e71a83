"""Pools of every kind bring errors back from their workers whole, and go on working."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from langchain_gemini_qdrant.embeddings._vectors import Result
from langchain_gemini_qdrant.errors import PartialEmbeddingError
from tests.samples import ERRORS, parts

TEXTS = [f"passage {i}." for i in range(50)]
LIMIT_S = 120  # of a worker's start and answer; a pool that lost an error would wait for ever


def in_multiprocessing(jobs):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = [pool.apply_async(job, args) for job, args in jobs]
        return [caught(result.get, LIMIT_S) for result in results]


def in_process_pool(jobs):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(job, *args) for job, args in jobs]
        return [caught(future.result, LIMIT_S) for future in futures]


def in_joblib(jobs):
    joblib = pytest.importorskip("joblib")
    with joblib.Parallel(2, backend="loky", timeout=LIMIT_S) as parallel:
        return [caught(parallel, [joblib.delayed(job)(*args)]) for job, args in jobs]


def in_threads(jobs):
    """By cloudpickle, as Dask and Ray send what they run and what comes of it."""
    cloudpickle = pytest.importorskip("cloudpickle")

    def work(message):
        job, args = cloudpickle.loads(message)
        return cloudpickle.dumps(caught(job, *args))

    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(work, map(cloudpickle.dumps, jobs))
        return [cloudpickle.loads(answer) for answer in answers]


def caught(job, *args):
    with pytest.raises(Exception) as info:  # noqa: PT011 - of every class
        job(*args)
    return info.value


POOLS = [
    pytest.param(in_multiprocessing, marks=pytest.mark.slow),
    pytest.param(in_process_pool, marks=pytest.mark.slow),
    pytest.param(in_joblib, marks=pytest.mark.slow),
    in_threads,
]


@pytest.mark.parametrize("pool", POOLS)
def test_every_error_comes_back_from_a_worker_with_all_it_holds(pool):
    raised = [(Result(error=error).unwrap, ()) for error in ERRORS]
    assert [parts(error) for error in pool(raised)] == [parts(error) for error in ERRORS]


@pytest.mark.parametrize("pool", POOLS)
def test_failed_texts_of_a_worker_are_sent_again_by_the_process_that_started_it(
    make_embeddings, emulator, backend, pool
):
    if backend == "grpc":
        pytest.skip("the same error as over REST, and a minute of starting")
    emulator.fail_next(status=400, containing="passage 15.")
    embeddings = make_embeddings(output_dimensionality=128, batch_size=10, pickle_api_key=True)
    [error] = pool([(embeddings.embed_documents, (TEXTS,))])
    assert isinstance(error, PartialEmbeddingError)
    assert list(error.failures) == list(range(10, 20))
    emulator.clear()
    assert len(embeddings.retry_failed(error)) == 50
    assert len(emulator.requests) == 1
