"""What each client that is installed here gets from the emulator, as JSON; see `clients.py`."""

# ruff: noqa: PLC0415 - no environment has all clients

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from langchain_gemini_qdrant.testing import GeminiEmulator

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"
TEXTS = ["Whales sleep near the surface.", "Yeast makes bread rise."]
TASK, SIZE = "RETRIEVAL_DOCUMENT", 256
STATUSES = (400, 403, 404, 429, 500, 503, 504)  # gRPC has a code of its own for each

Embed = Callable[[str, "list[str]"], Sequence[Sequence[float]]]


def main() -> None:
    """Ask with every client, and print what it got."""
    found = {}
    with GeminiEmulator(grpc=has_generated_client()) as emulator:
        for name, embed, more in clients(emulator):
            found[name] = {**answers(emulator, embed), **more}
    sys.stdout.write(json.dumps(found))


def clients(emulator: GeminiEmulator) -> Iterator[tuple[str, Embed, dict[str, Any]]]:
    """Yield the name of each client, its way to embed, and what else it can be asked."""
    yield from google_genai(emulator)
    if find_spec("langchain_google_genai") is not None:
        yield "langchain-google-genai", langchain_google_genai(emulator), {}
    if has_generated_client():
        yield from generated_client(emulator)
    if find_spec("google.generativeai") is not None:
        yield from google_generativeai(emulator)


def has_generated_client() -> bool:
    """Whether google-ai-generativelanguage is here; google-generativeai brings it, too."""
    return find_spec("google.ai") is not None


def answers(emulator: GeminiEmulator, embed: Embed) -> dict[str, Any]:
    """Vectors of both models, and what is made of faults and quotas."""
    emulator.clear()
    found: dict[str, Any] = {model: rounded(embed(model, TEXTS)) for model in (ONE, TWO)}
    for status in STATUSES:
        emulator.fail_next(status=status)
        found[f"status {status}"] = code(embed)
    emulator.requests_per_minute = 1
    found["over the quota"] = code(embed)
    emulator.clear()
    return found


def google_genai(emulator: GeminiEmulator) -> Iterator[tuple[str, Embed, dict[str, Any]]]:
    """The SDK of today, sync and async."""
    from google import genai
    from google.genai import types

    options = {"base_url": emulator.base_url}
    client = genai.Client(api_key=emulator.api_key, http_options=options)
    config = types.EmbedContentConfig(task_type=TASK, output_dimensionality=SIZE)

    def contents(texts: list[str]) -> list[types.Content]:
        return [types.Content(parts=[types.Part(text=text)]) for text in texts]

    def embed(model: str, texts: list[str]) -> list[list[float]]:
        answer = client.models.embed_content(model=model, contents=contents(texts), config=config)
        return [embedding.values for embedding in answer.embeddings]

    def aembed(model: str, texts: list[str]) -> list[list[float]]:
        async def run() -> list[list[float]]:
            # A client of its own: those of google-genai 2 belong to one event loop.
            own = genai.Client(api_key=emulator.api_key, http_options=options)
            try:
                answer = await own.aio.models.embed_content(
                    model=model, contents=contents(texts), config=config
                )
            finally:
                await own.aio.aclose()
            return [embedding.values for embedding in answer.embeddings]

        return asyncio.run(run())

    job = client.batches.create_embeddings(
        model=ONE,
        src={
            "inlined_requests": {
                "contents": TEXTS,
                "config": {"task_type": TASK, "output_dimensionality": SIZE},
            }
        },
    )
    responses = client.batches.get(name=job.name).dest.inlined_embed_content_responses
    more = {
        "tokens": client.models.count_tokens(model=ONE, contents=TEXTS[0]).total_tokens,
        "models": sorted(model.name for model in client.models.list()),
        "batch": rounded([each.response.embedding.values for each in responses]),
    }
    yield "google-genai", embed, more
    yield "google-genai async", aembed, {}


def langchain_google_genai(emulator: GeminiEmulator) -> Embed:
    """LangChain's own integration, over google-genai 2."""
    from langchain_google_genai import GoogleGenerativeAIEmbeddings

    def embed(model: str, texts: list[str]) -> list[list[float]]:
        return GoogleGenerativeAIEmbeddings(
            model=model,
            google_api_key=emulator.api_key,
            base_url=emulator.base_url,
            output_dimensionality=SIZE,
        ).embed_documents(texts)

    return embed


def generated_client(emulator: GeminiEmulator) -> Iterator[tuple[str, Embed, dict[str, Any]]]:
    """The client that Google generates from the API, over gRPC, sync and async."""
    import grpc
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services.generative_service import transports
    from google.ai.generativelanguage_v1beta.services.model_service import transports as of_models

    # Over plaintext gRPC it does not send the key; its own retries would hide a fault.
    once: dict[str, Any] = {"metadata": [("x-goog-api-key", emulator.api_key)], "retry": None}
    channel = grpc.insecure_channel(emulator.grpc_target)
    client = glm.GenerativeServiceClient(
        transport=transports.GenerativeServiceGrpcTransport(channel=channel)
    )
    models = glm.ModelServiceClient(transport=of_models.ModelServiceGrpcTransport(channel=channel))

    def content(text: str) -> dict[str, Any]:
        return {"parts": [{"text": text}]}

    def request(model: str, texts: list[str]) -> dict[str, Any]:
        name = f"models/{model}"
        options = {"model": name, "task_type": TASK, "output_dimensionality": SIZE}
        return {"model": name, "requests": [{"content": content(t), **options} for t in texts]}

    def embed(model: str, texts: list[str]) -> list[list[float]]:
        answer = client.batch_embed_contents(request(model, texts), **once)
        return [list(embedding.values) for embedding in answer.embeddings]

    def aembed(model: str, texts: list[str]) -> list[list[float]]:
        async def run() -> list[list[float]]:
            async with grpc.aio.insecure_channel(emulator.grpc_target) as channel:
                transport = transports.GenerativeServiceGrpcAsyncIOTransport(channel=channel)
                own = glm.GenerativeServiceAsyncClient(transport=transport)
                answer = await own.batch_embed_contents(request(model, texts), **once)
            return [list(embedding.values) for embedding in answer.embeddings]

        return asyncio.run(run())

    counted = client.count_tokens(
        {"model": f"models/{ONE}", "contents": [content(TEXTS[0])]}, **once
    )
    more = {
        "tokens": counted.total_tokens,
        "models": sorted(model.name for model in models.list_models(**once)),
    }
    yield "google-ai-generativelanguage", embed, more
    yield "google-ai-generativelanguage async", aembed, {}
    channel.close()


def google_generativeai(emulator: GeminiEmulator) -> Iterator[tuple[str, Embed, dict[str, Any]]]:
    """The older SDK, over both of its transports."""
    import google.generativeai as old_genai
    import grpc
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services.generative_service import transports

    channel = grpc.insecure_channel(emulator.grpc_target)
    transport = transports.GenerativeServiceGrpcTransport(channel=channel)
    over_grpc = glm.GenerativeServiceClient(transport=transport)
    address = {"api_endpoint": emulator.base_url}
    old_genai.configure(api_key=emulator.api_key, transport="rest", client_options=address)
    # Its own retries would hide a fault; over plaintext gRPC it does not send the key.
    once = {"retry": None, "metadata": [("x-goog-api-key", emulator.api_key)]}

    def embed_with(**options: Any) -> Embed:
        return lambda model, texts: old_genai.embed_content(
            f"models/{model}", texts, task_type=TASK, output_dimensionality=SIZE, **options
        )["embedding"]

    yield "google-generativeai, REST", embed_with(request_options={"retry": None}), {}
    yield "google-generativeai, gRPC", embed_with(client=over_grpc, request_options=once), {}
    channel.close()


def rounded(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    """The same numbers as protobuf has them, in 32 bits."""
    return [list(struct.unpack(f"{len(v)}f", struct.pack(f"{len(v)}f", *v))) for v in vectors]


def code(embed: Embed) -> int | None:
    """The HTTP status in the error of a request, None without an error."""
    try:
        embed(ONE, TEXTS)
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(found := getattr(cause, "code", None), int):
                return int(found)
            cause = cause.__cause__
        raise
    return None


if __name__ == "__main__":
    main()
