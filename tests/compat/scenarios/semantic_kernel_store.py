"""Semantic Kernel: its collection over an asynchronous client; each record has its vector."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from semantic_kernel.connectors.qdrant import QdrantCollection
from semantic_kernel.data.vector import VectorStoreField, vectorstoremodel
from steps import ANSWER, IDS, QUESTION, TEXTS, async_client, embeddings, report, step


@vectorstoremodel
@dataclass
class Rule:
    """A record of the handbook."""

    id: Annotated[str, VectorStoreField("key")]
    text: Annotated[str, VectorStoreField("data")]
    name: Annotated[str, VectorStoreField("data", is_indexed=True)]
    vector: Annotated[
        list[float] | None,
        VectorStoreField(
            "vector", dimensions=embeddings.vector_size, distance_function="cosine_similarity"
        ),
    ] = None


def over(qdrant):
    return QdrantCollection(Rule, collection_name="handbook", client=qdrant)


async def texts(collection, **options):
    vector = await embeddings.aembed_query(QUESTION)
    found = await collection.search(vector=vector, top=1, vector_property_name="vector", **options)
    return [each.record.text async for each in found.results]


async def main():
    qdrant = async_client()
    with step("create"):
        collection = over(qdrant)
        await collection.ensure_collection_exists()
    with step("add"):
        vectors = await embeddings.aembed_documents(list(TEXTS.values()))
        await collection.upsert(
            [
                Rule(id=IDS[name], text=text, name=name, vector=vector)
                for (name, text), vector in zip(TEXTS.items(), vectors, strict=True)
            ]
        )
        assert (await collection.get(IDS["travel"])).text == ANSWER
    with step("search"):
        assert await texts(collection) == [ANSWER]
    with step("filter"):
        found = await texts(collection, filter=lambda rule: rule.name == "bicycle")
        assert found == [TEXTS["bicycle"]]
    with step("delete"):
        await collection.delete(IDS["bicycle"])
        assert await collection.get(IDS["bicycle"]) is None
    with step("reopen"):
        await qdrant.close()
        qdrant = async_client()
        assert (await over(qdrant).get(IDS["travel"])).text == ANSWER
    await qdrant.close()
    await embeddings.aclose()


asyncio.run(main())
report()
