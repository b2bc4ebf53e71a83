"""A chain that finds documents with media and shows them to a chat model."""

from __future__ import annotations

from base64 import b64decode

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.media import content_blocks
from langchain_gemini_qdrant.testing import sample_media

DOG, WHALES = sample_media.png("a brown dog on the beach"), sample_media.wav("whales sing")


class Watched(GenericFakeChatModel):
    """Keeps the messages that it was asked with."""

    asked: list = Field(default_factory=list)

    def _generate(self, messages, *args, **kwargs):
        self.asked.extend(messages)
        return super()._generate(messages, *args, **kwargs)


@pytest.fixture
async def store(client, embeddings, tmp_path):
    (tmp_path / "dog.png").write_bytes(DOG)
    (tmp_path / "whales.wav").write_bytes(WHALES)
    store = create_vector_store(
        embeddings, "c", client=client, media_key="media", media_root=tmp_path
    )
    store.add_documents(
        [
            Document("Rex in summer", metadata={"media": "dog.png"}),
            Document("", metadata={"media": "whales.wav"}),
            Document("A text alone"),
        ]
    )
    yield store
    embeddings.close()
    await embeddings.aclose()


@pytest.mark.parametrize("data", [DOG, WHALES])
async def test_a_chat_model_gets_the_media_that_were_found(store, twin, tmp_path, data):
    model = Watched(messages=iter([AIMessage("I see.")]))

    def message(documents):
        blocks = [block for each in documents for block in content_blocks(each, root=tmp_path)]
        return [HumanMessage(content_blocks=[*blocks, {"type": "text", "text": "What is it?"}])]

    chain = store.as_retriever(search_kwargs={"k": 1}) | RunnableLambda(message) | model
    answer = await twin(chain, "invoke", Blob.from_data(data))
    assert answer.text == "I see."
    [asked] = model.asked
    *caption, medium, question = asked.content_blocks
    assert b64decode(medium["base64"]) == data
    assert medium["type"] == ("image" if data is DOG else "audio")
    assert [block["text"] for block in caption] == (["Rex in summer"] if data is DOG else [])
    assert question["text"] == "What is it?"
