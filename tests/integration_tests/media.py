"""Media for tests, and embeddings of both APIs that take them."""

from __future__ import annotations

import base64
import contextlib

import pytest
from google.genai import types
from google.oauth2.credentials import Credentials
from langchain_core.documents.base import Blob

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.testing import sample_media

HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")  # google-genai 3.4
HAS_USAGE = "usage_metadata" in types.EmbedContentResponse.model_fields  # google-genai 3.1
APIS = ["developer", "vertex"]
ADDRESSES = {"developer": "files/a-dog", "vertex": "gs://a-bucket/dog.png"}


def png(text="a dog", **options):
    return sample_media.png(text, size=(8, 8), **options)


def blob(data, mime_type=None):
    return Blob.from_data(data, mime_type=mime_type)


def block(data, mime_type="image/png"):
    return {"type": "image", "base64": encoded(data), "mime_type": mime_type}


def encoded(data):
    return base64.b64encode(data).decode()


@contextlib.contextmanager
def making(api, emulator):
    """Give a function that makes embeddings of one API with 128 dimensions, closed at the end."""
    options = {"base_url": emulator.base_url, "output_dimensionality": 128}
    if api == "vertex":
        vertex = {"vertexai": True, "project": "p", "location": "us"}
        options |= vertex | {"credentials": Credentials("token")}
    else:
        options["api_key"] = emulator.api_key
    with contextlib.ExitStack() as made:
        yield lambda **changed: made.enter_context(GeminiEmbeddings(**{**options, **changed}))


def contents_of(request):
    """Return the contents of a recorded request as their parts, each a pair of kind and value."""
    body = request.body
    contents = [each["content"] for each in body.get("requests", [body])]
    return [[_part(part) for part in content["parts"]] for content in contents]


def _part(part):
    if "text" in part:
        return ("text", part["text"])
    if "fileData" in part:
        file = part["fileData"]
        return ("file", file.get("fileUri") or file["file_uri"])
    blob = part["inlineData"]
    data = blob["data"].replace("-", "+").replace("_", "/")
    return (blob.get("mimeType") or blob["mime_type"], base64.b64decode(data))


def sent(emulator):
    """Return the contents of all embedding requests, request by request."""
    methods = {"batchEmbedContents", "embedContent"}
    return [contents_of(each) for each in emulator.requests if each.method in methods]


needs_batches = pytest.mark.skipif(not HAS_BATCHES, reason="google-genai 3.4 has batches on Vertex")
