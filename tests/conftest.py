"""Every fixture that more than one test module uses."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from langchain_gemini_qdrant.embeddings import _connection
from langchain_gemini_qdrant.embeddings._rate_limiter import LimiterRegistry

# pytest-xdist sets it, and a console that is made at import would keep it against what a test sets.
os.environ.pop("COLUMNS", None)

# The same generated cases in each run, so that a failure can be seen again.
settings.register_profile(
    "quick",
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("full", settings.get_profile("quick"), max_examples=600)
settings.load_profile("quick")


def pytest_make_parametrize_id(val):
    """Name no test after a file's bytes: archives hold the time at which a process made them.

    Under pytest-xdist, all processes must find tests of the same names.
    """
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True, scope="session")
def _outside_the_checkout(tmp_path_factory):
    """Python imports from where it is started: what tests start must find what is installed.

    The command line keeps files in the user's folders.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("outside"))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch):
    """A key or address in the developer's environment must never reach a test."""
    for name in (
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_VERTEX_BASE_URL",
        "QDRANT_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _limiters_of_this_test_alone(monkeypatch):
    """What one test learns of a quota must not hold back the next."""
    monkeypatch.setattr(_connection, "LIMITERS", LimiterRegistry())
