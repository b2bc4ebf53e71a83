"""Errors are values: they pass through pickle, between processes and into copies, whole."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil

import pytest

import langchain_gemini_qdrant
from langchain_gemini_qdrant import errors
from langchain_gemini_qdrant.embeddings._request import request_spec
from langchain_gemini_qdrant.embeddings._vectors import Unfinished
from tests.samples import ERRORS, parts

COPIES = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
PACKAGE = langchain_gemini_qdrant.__name__


class TenantError(errors.RateLimitError):
    """As a user may make one, with an argument of its own and no default."""

    def __init__(self, *, tenant):
        super().__init__(f"{tenant} waits", model="m", retry_after=3.0)
        self.tenant = tenant


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "error", [*ERRORS, TenantError(tenant="t")], ids=lambda e: type(e).__name__
)
def test_a_copy_of_an_error_has_its_message_and_all_it_holds(error, copied):
    assert parts(copied(error)) == parts(error)
    assert copied(error).args == error.args


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_of_an_error_keeps_its_notes(copied):
    error = errors.StorageError("full")
    error.__notes__ = ["while the night's run was stored"]  # as `add_note` of Python 3.11 does
    assert copied(error).__notes__ == error.__notes__


def test_a_pickled_partial_error_knows_what_is_left_to_send():
    spec = request_spec("gemini-embedding-2", "RETRIEVAL_DOCUMENT", 128)
    contents = [spec.content("a"), spec.content("b", "title")]
    error = errors.PartialEmbeddingError(
        "1 of 2",
        model="m",
        vectors=[[1.0], None],
        failures={1: errors.ServiceError("503", model="m")},
    )
    error.unfinished = Unfinished(spec=spec, contents=contents)
    assert pickle.loads(pickle.dumps(error)).unfinished == error.unfinished  # noqa: S301 - our own


@pytest.mark.filterwarnings("ignore::FutureWarning")  # google-api-core, of the Python that runs it
def test_every_error_class_of_the_package_is_among_the_samples():
    """So that a class that cannot travel is noticed when it is added."""
    found = {
        value
        for module in pkgutil.walk_packages(langchain_gemini_qdrant.__path__, f"{PACKAGE}.")
        if not module.name.endswith("__main__")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    ours = {each for each in found if each.__module__.startswith(PACKAGE)}
    assert ours == {type(error) for error in ERRORS}
