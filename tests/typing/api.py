"""The public API in use: type-checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_type

from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import HumanMessage
from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.runnables import RunnablePassthrough
from mcp.server.mcpserver import MCPServer
from qdrant_client import models

from langchain_gemini_qdrant import (
    AsyncEdgeClient,
    EdgeBm25,
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    IngestError,
    QuantizationPreset,
    acreate_vector_store,
    aingest,
    create_vector_store,
    ingest,
)
from langchain_gemini_qdrant.edge import Repair
from langchain_gemini_qdrant.embeddings import GEMINI_MODELS
from langchain_gemini_qdrant.errors import InvalidInputError, PartialWriteError, RateLimitError
from langchain_gemini_qdrant.ingestion import IngestProgress, IngestReport
from langchain_gemini_qdrant.mcp import ServedCollection, create_mcp_server, create_mcp_tools
from langchain_gemini_qdrant.media import (
    MEDIA_TYPES,
    Content,
    ContentBlock,
    acontent_blocks,
    content_blocks,
)
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.testing import (
    GeminiEmulator,
    RecordedMedium,
    RecordedText,
    assert_texts,
    sample_media,
)
from langchain_gemini_qdrant.vectorstores import (
    GeminiQdrantTranslator,
    ScoreFactor,
    boost,
    newer_first,
)

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.messages.content import ImageContentBlock
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.structured_query import Visitor
    from langchain_core.vectorstores import VectorStore
    from pydantic import SecretStr
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant.vectorstores import OptimizeProgress, ScoreFormula


def make(key: SecretStr) -> Embeddings:
    return GeminiEmbeddings(
        model="gemini-embedding-001",
        task_type="QUESTION_ANSWERING",
        output_dimensionality=768,
        api_key=key,
        timeout=10.0,
        backend="google-generativeai",
        transport="rest",
    )


def make_over_grpc() -> Embeddings:
    return GeminiEmbeddings(backend="grpc", transport="grpc", base_url="https://localhost:8443")


def wrong_option() -> None:
    GeminiEmbeddings(ouput_dimensionality=768)  # type: ignore[call-arg] # misspelt


async def embed(embeddings: GeminiEmbeddings) -> None:
    vectors = embeddings.embed_documents(["a"], titles=["t", None], task_type="CLUSTERING")
    assert_type(vectors, list[list[float]])
    assert_type(await embeddings.aembed_documents(["a"]), list[list[float]])
    assert_type(await embeddings.aembed_query("a"), list[float])
    assert_type(embeddings.vector_size, int | None)
    texts: list[str] = []
    embeddings.embed_documents(texts)
    assert_type(embeddings.embed_image(["dog.png"]), list[list[float]])
    assert_type(await embeddings.aembed_image(["dog.png"]), list[list[float]])
    assert_type(embeddings.usage.tokens_by_modality, Mapping[str, int])
    assert_type(GEMINI_MODELS["gemini-embedding-2"].usd({"IMAGE": 258}), float | None)


def store(embeddings: GeminiEmbeddings) -> VectorStore:
    store = create_vector_store(
        embeddings,
        "c",
        path="index",
        quantization="binary",
        search_params=models.SearchParams(exact=True),
        distance=models.Distance.DOT,
        title_key="title",
    )
    assert_type(store, GeminiQdrantVectorStore)
    assert_type(store.similarity_search("q", k=1), list[Document])
    assert_type(store.similarity_search_with_score("q"), list[tuple[Document, float]])
    retriever: BaseRetriever = store.as_retriever()
    _ = {"context": retriever, "question": RunnablePassthrough()} | RunnablePassthrough()
    return store


async def media_in_a_store(embeddings: GeminiEmbeddings) -> None:
    store = create_vector_store(
        embeddings, "c", path="index", media_key="media", media_root=Path("photos")
    )
    dog, block = Blob.from_path("dog.png"), create_image_block(base64="", mime_type="image/png")
    assert_type(store.add_media(blob for blob in [dog]), list[str | int])
    assert_type(await store.aadd_images(["dog.png"], [{"a": 1}], ids=["a"]), list[str | int])
    assert_type(store.similarity_search(dog, k=1), list[Document])
    assert_type(await store.asimilarity_search(["a dog", block]), list[Document])
    assert_type(store.max_marginal_relevance_search(block), list[Document])
    assert_type(store.similarity_search_by_image("dog.png", 1, {"a": 1}), list[Document])
    scored = store.similarity_search_by_image_with_relevance_score(Path("dog.png"))
    assert_type(scored, list[tuple[Document, float]])
    assert_type(store.as_retriever().invoke([dog, "on a beach"]), list[Document])
    assert_type(store.media_key, str | None)
    store.similarity_search(Path("dog.png"))  # type: ignore[arg-type] # a Blob is needed


def on_optimized(progress: OptimizeProgress) -> None:
    assert_type(progress.waited_s, float)


async def quantized(embeddings: GeminiEmbeddings) -> None:
    preset = QUANTIZATION_PRESETS["turbo-2bit"]
    assert_type(preset, QuantizationPreset)
    assert_type(preset.config, models.QuantizationConfig)
    assert_type(preset.search_params, models.SearchParams)
    store = create_vector_store(embeddings, "c", path="index", quantization=preset)
    store.set_quantization({"binary": {"always_ram": True}})
    await store.aset_quantization(None)
    store.remember_search_params(models.SearchParams(exact=True))
    await store.aremember_search_params(None)
    store.optimize(timeout=60.0, on_progress=on_optimized)
    await store.aoptimize(on_progress=on_optimized)
    store.set_quantization("trubo-2bit")  # type: ignore[arg-type] # misspelt


async def everything(embeddings: GeminiEmbeddings, key: SecretStr) -> None:
    store = await acreate_vector_store(
        embeddings,
        "c",
        url="https://example.com",
        api_key=key,
        sparse_embedding=EdgeBm25(language="german"),
        hybrid_fusion=models.RrfQuery(rrf=models.Rrf(weights=[1.0, 2.0])),
        score_formula=[newer_first("date", timedelta(days=90), weight=0.5), boost({"a": 1}, 2.0)],
        group_by="source",
        group_size=2,
        payload_indexes={"user": "tenant", "page": models.IntegerIndexParams(type="integer")},
        client_options={"headers": {"x-tenant": "me"}},
    )
    assert_type(store, GeminiQdrantVectorStore)
    await store.aadd_texts((text for text in "ab"), ids=[1, "b"])
    await store.adelete(filter={"page": {"$gt": 3}})
    assert_type(await store.asimilarity_search("q", filter={"a": 1}), list[Document])
    assert_type(boost({"a": 1}, 2), ScoreFactor)
    formula: ScoreFormula = models.FormulaQuery(formula=boost({"a": 1}, 2).expression("metadata"))
    assert_type(store.similarity_search("q", score_formula=formula), list[Document])
    assert_type(await store.acount(), int)
    async for document in store.aiter_documents({"a": [1, 2]}):
        assert_type(document, Document)
    try:
        store.add_documents([Document("a")])
    except PartialWriteError as error:
        assert_type(error.written, list[str | int])
    await acreate_vector_store(embeddings, "c", pth="index")  # type: ignore[call-arg] # misspelt
    await store.aclose()


def self_query() -> Visitor:
    return GeminiQdrantTranslator(metadata_payload_key="about")


def edge() -> QdrantClient:
    client = EdgeClient("index")
    assert_type(client.info().version, str)
    assert_type(client.vector_storage_size("c").original_bytes, int)
    assert_type(client.storage_info("c").disk_bytes, int)
    assert_type(client.optimize("c"), bool)
    EdgeClient.restore("backup", "index")
    assert_type(EdgeClient.repair("damaged", "index"), list[Repair])
    EdgeClient("index", durability="peace")  # type: ignore[arg-type] # no such durability
    return client


async def async_edge(embeddings: GeminiEmbeddings) -> AsyncQdrantClient:
    client = AsyncEdgeClient("index", durability="power")
    await client.backup("backup")
    await acreate_vector_store(embeddings, "c", path="index", worker=True)
    return client


def run(store: GeminiQdrantVectorStore) -> IngestReport:
    def show(progress: IngestProgress) -> None:
        assert_type(progress.stored, int)

    try:
        assert_type(ingest(store, [Document("a"), Blob(path="a.png")]), IngestReport)
        return ingest(store, iter([Document("a")]), on_progress=show)
    except IngestError as error:
        assert_type(error.report.failed, Mapping[str, str])
        assert_type(error.report.causes, Mapping[str, Exception])
        return error.report


async def arun(store: GeminiQdrantVectorStore, documents: AsyncIterator[Document]) -> None:
    assert_type(await aingest(store, documents, cleanup="source"), IngestReport)
    await aingest(store, documents, cleanup="all")  # type: ignore[arg-type] # no such cleanup
    ingest(store, documents)  # type: ignore[arg-type] # asynchronous


def query(embeddings: GeminiEmbeddings) -> list[float]:
    try:
        return embeddings.embed_query("a")
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
        raise
    except InvalidInputError as error:
        assert_type(error.indices, tuple[int, ...])
        raise


async def media(embeddings: GeminiEmbeddings, document: Document) -> HumanMessage:
    dog = Blob.from_path("dog.png")
    content: Content = ["A dog", dog, {"type": "image", "url": "gs://b/dog.png"}]
    embeddings.embed_documents(["a text", dog, content])
    await aembed_image(embeddings, create_image_block(base64="iVBO", mime_type="image/png"))
    embeddings.embed_query(3)  # type: ignore[arg-type] # no content
    assert_type(MEDIA_TYPES["image/png"], Literal["IMAGE", "AUDIO", "VIDEO", "DOCUMENT"])
    assert_type(content_blocks(document, root="photos"), list[ContentBlock])
    blocks = await acontent_blocks(document, media_key="picture", fetch=["images.example.com"])
    embeddings.embed_query(blocks)
    return HumanMessage(content_blocks=[*blocks, create_text_block("What is it?")])


async def aembed_image(embeddings: GeminiEmbeddings, block: ImageContentBlock) -> list[float]:
    return await embeddings.aembed_query(block)


def serve(store: GeminiQdrantVectorStore) -> MCPServer:
    served = ServedCollection(store=store, description="a")
    assert_type(served.problem, str | None)
    server = create_mcp_server({"a": store, "b": served}, read_only=True, instructions="Ask.")
    server.run("stdio")
    create_mcp_server({"a": "b"})  # type: ignore[dict-item] # no store
    return MCPServer("ours", tools=create_mcp_tools({"a": store}))


def emulate() -> None:
    with GeminiEmulator() as emulator:
        emulator.fail_next(status=429, retry_after=2)
        emulator.fail_next(status=429, quota={"tokens_per_minute": 30_000})
        emulator.fail_next(error="credits")
        emulator.fail_next(status=429, headers={"grpc-status-details-bin": b""})
        emulator.answer_next("unusual")
        emulator.answer_next(body=b"")
        emulator.fail_next(error="credit")  # type: ignore[arg-type] # no such error
        emulator.misbehave(0.1, kinds=[503, "spending-cap", "short"])
        emulator.answer_next("lost", method="files.upload")
        emulator.max_request_images = None
        assert_texts(emulator, ["a text", sample_media.png("a"), ["a caption", b""]])
        assert_type(sample_media.pdf("a", "b", padding=1), bytes)
        assert_type(emulator.files, list[RecordedMedium])
        assert_type(emulator.texts, list[RecordedText])
