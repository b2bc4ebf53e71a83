"""google-genai 2.x and 3.x on Vertex AI, which Google also calls Gemini Enterprise Agent Platform.

The SDK chooses the method by model and version: `:predict` for models such as text-embedding-005,
and up to 3.3 for gemini-embedding-001; `:embedContent` for one content of the other Gemini models;
since 3.4 `:batchEmbedContents` for several contents.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from google import genai
from google.auth import exceptions
from google.auth.credentials import Credentials
from google.auth.transport import mtls
from google.genai import types

from langchain_gemini_qdrant.embeddings._backends.addresses import DEFAULT_LOCATION, vertex_host
from langchain_gemini_qdrant.embeddings._backends.errors import unreachable
from langchain_gemini_qdrant.embeddings._backends.google_genai import (
    GenaiConnections,
    client_options,
    http_options,
)
from langchain_gemini_qdrant.embeddings._backends.google_genai_errors import translated_errors
from langchain_gemini_qdrant.embeddings._backends.google_genai_parts import json_parts
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        BackendSettings,
        EmbedAnswer,
        EmbedRequest,
    )

MAX_BATCH_TOKENS = 20_000
"""Most tokens of one request; `:predict` answers 400 to more.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/get-text-embeddings
No limit is documented for `:batchEmbedContents`. This one is applied to it, and the 100 texts of
the Developer API's method of that name.
"""

_OAUTH_ERROR = re.compile(r"[a-z_]{1,40}(?![^:])")  # such as invalid_grant

# Since 3.4.0; before, gemini-embedding-2 took one content, and gemini-embedding-001 one instance.
_HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")

# The SDK chooses the batch method for two contents.
_PLACEHOLDERS = [types.Content(parts=[types.Part(text="-")])] * 2


class VertexBackend(GenaiConnections):
    """Sends with `models.embed_content`, with one client for each process and event loop."""

    def __init__(self, settings: BackendSettings) -> None:
        own = None if settings.client is None else _checked_client(settings.client)
        if own is None:
            _check_access(settings)
        super().__init__(settings, own, self._new_client)

    def max_batch_size(self, model: str) -> int:
        """Return how many texts one request may have; see also `max_batch_tokens`."""
        if _is_predicted(model):
            return MAX_BATCH_SIZE  # it takes 250
        return MAX_BATCH_SIZE if _HAS_BATCHES and "maas" not in model else 1

    def max_batch_tokens(self, model: str) -> int | None:
        """Return how many tokens the texts of one request may have in total."""
        return MAX_BATCH_TOKENS if self.max_batch_size(model) > 1 else None

    def _new_client(self) -> genai.Client:
        settings = self._settings
        options = client_options(_address(settings))
        if _has_client_certificate():  # sent through google-auth, unless there are client_args
            options.client_args = None
        if settings.api_key is not None:  # express mode
            return genai.Client(vertexai=True, api_key=settings.api_key, http_options=options)
        try:
            # With base_url and without a location, the SDK would leave both out of the path.
            return genai.Client(
                vertexai=True,
                project=_project(settings),
                location=settings.location or DEFAULT_LOCATION,
                credentials=_credentials(settings),
                http_options=options,
            )
        except exceptions.DefaultCredentialsError as error:
            raise _no_credentials(error) from error
        except ValueError as error:
            if "project" not in str(error):
                raise
            raise ConfigurationError(  # there are credentials
                "Vertex AI needs a project, and the credentials name none: pass project or set "
                "GOOGLE_CLOUD_PROJECT"
            ) from error

    def _config(self, request: EmbedRequest, timeout: float | None) -> types.EmbedContentConfig:
        """Return the request's parameters; several texts are in `extra_body`, one in `contents`.

        The SDK has only one title for all contents.
        """
        if len(request.texts) == 1:
            return types.EmbedContentConfig(
                task_type=request.task_type,
                title=request.titles[0] or None,
                output_dimensionality=request.output_dimensionality,
                auto_truncate=self._settings.auto_truncate,
                http_options=http_options(timeout),
            )
        if len(request.texts) > self.max_batch_size(request.model):
            raise RequestRejectedError(
                f"{request.model}: one request takes {self.max_batch_size(request.model)} texts "
                f"with google-genai {genai.__version__}, got {len(request.texts)}",
                model=request.model,
            )
        if _is_predicted(request.model):
            body: dict[str, object] = {"instances": _instances(request)}
        else:
            body = {"requests": _requests(request, auto_truncate=self._settings.auto_truncate)}
        return types.EmbedContentConfig(
            output_dimensionality=request.output_dimensionality,
            auto_truncate=self._settings.auto_truncate,
            http_options=http_options(timeout, body),
        )

    def _contents(self, request: EmbedRequest, *, is_watched: bool) -> types.ContentListUnion:
        if is_watched or len(request.texts) == 1:
            return super()._contents(request, is_watched=True)
        return [*_PLACEHOLDERS]

    def _name(self, model: str) -> str:
        return model.removeprefix("models/")

    def _translated(self, model: str) -> AbstractContextManager[None]:
        return _translated_errors(model)

    def _read(self, response: types.EmbedContentResponse) -> EmbedAnswer:
        answer = super()._read(response)
        if answer.tokens is not None:
            return answer
        embeddings = response.embeddings or []
        counts = [e.statistics.token_count for e in embeddings if e.statistics]
        known = [count for count in counts if count is not None]
        tokens = round(sum(known)) if known and len(known) == len(embeddings) else None
        return replace(answer, tokens=tokens)


create = VertexBackend


def _checked_client(client: object) -> genai.Client:
    if not isinstance(client, genai.Client):
        raise ConfigurationError(
            f"client must be a google.genai.Client for Vertex AI, got {type(client).__name__}"
        )
    if not client.vertexai:
        raise ConfigurationError(
            "client must talk to Vertex AI, got one for the Gemini Developer API, whose requests "
            "differ: make it with google.genai.Client(vertexai=True, project=..., location=...)"
        )
    return client


def _check_access(settings: BackendSettings) -> None:
    if settings.api_key is not None and (settings.project or settings.credentials is not None):
        raise ConfigurationError(
            "Vertex AI takes an API key (express mode) or a project with credentials, got both: "
            "leave out api_key, or leave out project and credentials"
        )
    if settings.api_key is None and settings.base_url and not _project(settings):
        # The SDK would send to base_url itself, without authorization.
        raise ConfigurationError(
            "Vertex AI needs a project if base_url is set: pass project or set GOOGLE_CLOUD_PROJECT"
        )
    _credentials(settings)


def _credentials(settings: BackendSettings) -> Credentials | None:
    credentials = settings.credentials
    if credentials is not None and not isinstance(credentials, Credentials):
        raise ConfigurationError(
            "credentials must be google.auth.credentials.Credentials, got "
            f"{type(credentials).__name__}"
        )
    return credentials


def _has_client_certificate() -> bool:
    """Return whether the environment has a certificate that identifies this machine to Google."""
    wanted = getattr(mtls, "should_use_client_cert", None)
    return wanted is not None and wanted() and mtls.has_default_client_cert_source()


def _address(settings: BackendSettings) -> str | None:
    """Return Google's own address if the SDK would use one that was set after construction."""
    if settings.base_url or not os.environ.get("GOOGLE_VERTEX_BASE_URL"):
        return settings.base_url
    return f"https://{vertex_host(settings.location)}/"


def _project(settings: BackendSettings) -> str | None:
    """Return the project, by default that of a service account; None leaves it to the SDK."""
    project: str | None = settings.project or getattr(settings.credentials, "project_id", None)
    return project


def _is_predicted(model: str) -> bool:
    """Return whether `:predict` sends several texts to this model, by the SDK's own rule."""
    model_id = model.rsplit("/", 1)[-1]
    return "gemini" not in model_id and "maas" not in model_id


def _instances(request: EmbedRequest) -> list[dict[str, object]]:
    common: dict[str, object] = {}
    if request.task_type is not None:
        common["task_type"] = request.task_type
    return [
        common | {"content": text} | ({"title": title} if title else {})
        for text, title in zip(request.texts, request.titles, strict=True)
    ]


def _requests(request: EmbedRequest, *, auto_truncate: bool) -> list[dict[str, object]]:
    common: dict[str, object] = {"autoTruncate": auto_truncate}
    if request.task_type is not None:
        common["taskType"] = request.task_type
    if request.output_dimensionality is not None:
        common["outputDimensionality"] = request.output_dimensionality
    return [
        {
            "content": {"parts": json_parts(parts)},
            "embedContentConfig": common | ({"title": title} if title else {}),
        }
        for parts, title in zip(request.contents, request.titles, strict=True)
    ]


@contextmanager
def _translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of the SDK's and of google-auth's."""
    try:
        with translated_errors(model):
            yield
    except exceptions.DefaultCredentialsError as error:
        raise _no_credentials(error) from error
    except exceptions.GoogleAuthError as error:
        if error.retryable or isinstance(
            error, (exceptions.TransportError, exceptions.TimeoutError)
        ):
            raise unreachable(error, model=model) from error
        raise RequestRejectedError(
            f"{model}: Google Cloud gave no access token for these credentials: "
            f"{_oauth_error(error)}",
            model=model,
        ) from error


def _no_credentials(error: exceptions.DefaultCredentialsError) -> ConfigurationError:
    """Return the error for credentials that are missing or cannot be used; google-auth says why."""
    return ConfigurationError(
        f"Vertex AI needs Google Cloud credentials: {str(error.args[0]).rstrip('.')}. Pass "
        "credentials, or run gcloud auth application-default login"
    )


def _oauth_error(error: exceptions.GoogleAuthError) -> str:
    """Return OAuth's error code only; the rest of the answer may quote the request."""
    word = _OAUTH_ERROR.match(str(error.args[0] if error.args else ""))
    return word[0] if word else type(error).__name__
