"""Google's generated client over gRPC, called as google-generativeai calls it.

So tests of the emulator can ask with either: both have `embed_content` and `embed_content_async`.
"""

from __future__ import annotations

MAX_BATCH_SIZE = 100


def embed_content(model, content, *, client, request_options, **options):
    """Embed one text, or a list of texts in batches: `{"embedding": vector or vectors}`."""
    requests = _requests(model, content, options)
    answers = [getattr(client, name)(request, **request_options) for name, request in requests]
    return {"embedding": _vectors(content, answers)}


async def embed_content_async(model, content, *, client, request_options, **options):
    """The same with an asynchronous client."""
    requests = _requests(model, content, options)
    answers = [
        await getattr(client, name)(request, **request_options) for name, request in requests
    ]
    return {"embedding": _vectors(content, answers)}


def _requests(model, content, options):
    if isinstance(content, str):
        return [("embed_content", _request(model, content, options))]
    requests = [_request(model, text, options) for text in content]
    starts = range(0, len(requests), MAX_BATCH_SIZE)
    return [
        (
            "batch_embed_contents",
            {"model": model, "requests": requests[start : start + MAX_BATCH_SIZE]},
        )
        for start in starts
    ]


def _request(model, text, options):
    return {"model": model, "content": {"parts": [{"text": text}]}, **options}


def _vectors(content, answers):
    if isinstance(content, str):
        return list(answers[0].embedding.values)
    return [list(embedding.values) for answer in answers for embedding in answer.embeddings]
