"""A wrong or missing task costs retrieval on the emulator, as it does on the real models."""

# ruff: noqa: E501  one text to a line

from __future__ import annotations

import numpy as np
import pytest
from google import genai
from google.genai import types

QUESTIONS_AND_ANSWERS = {
    "How do I reset a forgotten password?": "Click the reset link on the sign-in page and a mail with a new password arrives.",
    "What is the refund period for orders?": "Refunds are paid for orders that come back within thirty days.",
    "When does the library close on Sunday?": "On Sundays the library is open from ten until it closes at four.",
    "Which battery does the camera take?": "The camera takes a lithium battery of 7 volts, sold apart.",
    "How can the heating be turned off at night?": "A timer turns off the heating every night at eleven.",
    "Where are my photos stored after a backup?": "Each backup stores photos in an encrypted folder on your disk.",
    "Who approves travel expenses?": "Travel expenses need the approval of the head of the department.",
    "Why is the printer so slow?": "A printer gets slow when its spooler folder fills up.",
    "How do whales sleep?": "Whales sleep with half of the brain awake, close to the surface.",
    "What makes bread rise?": "Yeast eats sugar and its gas makes the bread rise.",
    "How far is the moon from the earth?": "The moon circles the earth at a distance of 384,000 kilometres.",
    "What causes thunder?": "Thunder is the sound of air that lightning heats in an instant.",
    "How do bees find flowers?": "Bees see ultraviolet patterns that lead them to flowers.",
    "Is the museum free for students?": "Students enter the museum free with a valid card.",
    "How should wool be washed?": "Wash wool by hand in cold water and dry it flat.",
    "What does the warranty cover?": "The warranty covers defects of material but not scratches.",
    "How do I connect the headphones by bluetooth?": "Hold the bluetooth button of the headphones until the lamp blinks blue.",
    "When was the bridge built?": "Workers built the stone bridge in the year 1782.",
    "How is cheese made from milk?": "Rennet turns milk into curd, which is pressed to cheese.",
    "What do I do about a flat tyre?": "Loosen the nuts, lift the car and swap the flat tyre.",
}
OTHER_DOCUMENTS = [
    "The sign-in page is translated into nine languages and can be themed.",
    "Orders above fifty euros are shipped without a fee.",
    "The library lends instruments, too, for two weeks at a time.",
    "The camera is what we use when it is dark and there is no flash.",
    "Night trains are back, and they are how to cross the Alps.",
    "The folder with the contract is on the desk of the notary.",
    "What is new in this department is that there is a kitchen.",
    "The printer in the hall takes paper of size A3.",
    "How the brain stores memories is what we do not know.",
    "Sugar is what makes the drink so sweet, and it is not good for you.",
    "The earth is what a gardener turns over in the spring.",
    "The sound of the old organ is famous beyond the valley.",
    "How do flowers know when it is spring? It is the length of the day.",
    "A valid card opens the door to the garage.",
    "Cold water is what you should drink in summer.",
    "Scratches on the lens are not to be polished away.",
    "The blue lamp is on when the machine is washing.",
    "What was built in that year is still in use, and it is a school.",
    "Milk should be kept in the fridge, where it is cold.",
    "The car is parked where the nuts fall from the tree, and it is flat there.",
]
QUESTIONS = list(QUESTIONS_AND_ANSWERS)
DOCUMENTS = [*QUESTIONS_AND_ANSWERS.values(), *OTHER_DOCUMENTS]
PREFIXES = {
    None: "{}",
    "RETRIEVAL_QUERY": "task: search result | query: {}",
    "QUESTION_ANSWERING": "task: question answering | query: {}",
    "SEMANTIC_SIMILARITY": "task: sentence similarity | query: {}",
    "CLUSTERING": "task: clustering | query: {}",
    "RETRIEVAL_DOCUMENT": "title: none | text: {}",
}
QUERY_TASKS = ["RETRIEVAL_QUERY", "QUESTION_ANSWERING"]


@pytest.fixture(scope="module")
def client(request):
    emulator = request.getfixturevalue("_running_emulator")
    client = genai.Client(api_key=emulator.api_key, http_options={"base_url": emulator.base_url})
    yield client
    client.close()


@pytest.fixture(params=["gemini-embedding-001", "gemini-embedding-2"])
def search(request, client):
    """Embed both sides with a task each: recall@1 and mean reciprocal rank come back."""

    def embed(texts, task):
        config = {"output_dimensionality": 768}
        if request.param == "gemini-embedding-2":
            texts = [PREFIXES[task].format(text) for text in texts]
        else:
            config["task_type"] = task
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        response = client.models.embed_content(
            model=request.param, contents=contents, config=config
        )
        vectors = np.array([embedding.values for embedding in response.embeddings])
        return vectors / np.linalg.norm(vectors, axis=1)[:, None]

    def search(query_task, document_task):
        scores = embed(QUESTIONS, query_task) @ embed(DOCUMENTS, document_task).T
        right = scores[np.arange(len(QUESTIONS)), np.arange(len(QUESTIONS))]
        ranks = 1 + (scores > right[:, None]).sum(axis=1)
        return (ranks == 1).mean(), (1 / ranks).mean()

    return search


@pytest.mark.parametrize("query_task", QUERY_TASKS)
def test_the_right_tasks_find_nearly_everything(search, query_task):
    recall, reciprocal_rank = search(query_task, "RETRIEVAL_DOCUMENT")
    assert recall >= 0.95
    assert reciprocal_rank >= 0.97


@pytest.mark.parametrize(
    ("query_task", "document_task", "at_most"),
    [
        ("RETRIEVAL_QUERY", "RETRIEVAL_QUERY", 0.93),
        ("RETRIEVAL_DOCUMENT", "RETRIEVAL_DOCUMENT", 0.93),
        ("SEMANTIC_SIMILARITY", "SEMANTIC_SIMILARITY", 0.88),
        ("SEMANTIC_SIMILARITY", "RETRIEVAL_DOCUMENT", 0.75),
    ],
)
def test_wrong_tasks_find_less(search, query_task, document_task, at_most):
    recall, reciprocal_rank = search(query_task, document_task)
    assert recall < 0.9
    assert reciprocal_rank < at_most


# gemini-embedding-001 takes a text without a task for a query.
@pytest.mark.parametrize("search", ["gemini-embedding-2"], indirect=True)
@pytest.mark.parametrize(
    ("query_task", "document_task", "at_most"),
    [(None, None, 0.6), (None, "RETRIEVAL_DOCUMENT", 0.7), ("RETRIEVAL_QUERY", None, 0.85)],
)
def test_missing_prefixes_find_less(search, query_task, document_task, at_most):
    recall, reciprocal_rank = search(query_task, document_task)
    assert recall < 0.9
    assert reciprocal_rank < at_most


def test_a_task_for_both_sides_matches_itself_and_no_other(search):
    _, same = search("SEMANTIC_SIMILARITY", "SEMANTIC_SIMILARITY")
    _, other = search("SEMANTIC_SIMILARITY", "CLUSTERING")
    assert same > other + 0.2
