"""The emulator's vectors: the same everywhere, near for texts alike, good for binary codes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from langchain_gemini_qdrant.testing._api._text import count_tokens, cut, terms
from langchain_gemini_qdrant.testing._api._vectors import Meaning, embed

QUERY_TASKS = ["RETRIEVAL_QUERY", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"]


UNRELATED = 0.53  # the share of the common part


def vectors(
    *texts: str, task: str = "RETRIEVAL_DOCUMENT", title: str | None = None, space: str = "m"
) -> np.ndarray:
    meanings = [Meaning(text=text, title=title, task_type=task) for text in texts]
    return embed(
        meanings,
        space=space,
        unrelated=UNRELATED,
        model_size=3072,
        size=3072,
        normalizes=True,
    )


def cosine(one: str, other: str, **options: str) -> float:
    first, second = vectors(one, other, **options)
    return float(first @ second)


def test_vectors_are_the_same_on_every_machine():
    (found,) = vectors("Whales sleep close to the surface.")
    expected = [0.001498307, 0.007313998, -0.015810721, 0.061442889, 0.013534671, -0.000164267]
    assert found[:6].tolist() == np.array(expected, dtype=np.float32).tolist()


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_hash_seed():
    code = (
        "from langchain_gemini_qdrant.testing._api._vectors import Meaning, embed; import hashlib; "
        "m = [Meaning(text='a set of words', title='t', task_type='CLUSTERING')]; "
        "v = embed(m, space='m', unrelated=0.5, model_size=3072, size=3072, normalizes=True); "
        "print(hashlib.sha256(v.tobytes()).hexdigest())"
    )
    digests = set()
    for seed in ("1", "2"):
        run = subprocess.run(  # noqa: S603  our own code
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        digests.add(run.stdout)
    assert len(digests) == 1


def test_a_vector_does_not_depend_on_its_batch():
    alone = vectors("whales")
    assert np.array_equal(vectors(*(["bridges"] * 20), "whales")[-1:], alone)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Whales sleep near the surface", "the surface near which a whale is sleeping"),
        ("WHALES AND BRIDGES", "whales and bridges"),
        ("鯨は水面の近くで眠る", "鯨は水面で眠る"),
        ("def getUserName(self): return self.user_name", "get user name"),
        ("Привет мир", "привет"),
    ],
)
def test_texts_that_share_words_are_near_and_others_are_not(one, other):
    assert cosine(one, other) > 0.7
    assert cosine(one, "yeast eats sugar") < 0.6
    assert cosine(one, other) > cosine(one, "yeast eats sugar") + 0.1


def test_a_title_draws_the_document_to_it():
    (query,) = vectors("whales", task="RETRIEVAL_QUERY")
    (plain,), (titled,) = vectors("they sleep"), vectors("they sleep", title="Whales")
    assert query @ titled > query @ plain + 0.15


@pytest.mark.parametrize("task", QUERY_TASKS)
def test_every_query_task_meets_documents_in_the_same_place(task):
    document, other = vectors("Whales sleep near the surface.", "Yeast makes bread rise.")
    (query,) = vectors("How do whales sleep?", task=task)
    assert query @ document > query @ other + 0.15


def test_query_tasks_give_vectors_of_their_own_that_are_near():
    queries = np.concatenate([vectors("whales sleep", task=task) for task in QUERY_TASKS])
    cosines = (queries @ queries.T)[np.triu_indices(4, 1)]
    assert (cosines > 0.9).all()
    assert (cosines < 0.99).all()


@pytest.mark.parametrize(
    "task", ["SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING", "TASK_TYPE_UNSPECIFIED"]
)
def test_other_tasks_are_farther_from_queries(task):
    (query,) = vectors("whales sleep", task="RETRIEVAL_QUERY")
    (other,) = vectors("whales sleep", task=task)
    assert query @ other < 0.85


def test_two_models_have_nothing_in_common():
    (one,), (other,) = vectors("whales sleep", space="a"), vectors("whales sleep", space="b")
    assert abs(one @ other) < 0.1


def test_components_are_never_zero_and_as_often_positive_as_negative():
    words = [f"word{i}" for i in range(500)]
    found = vectors(*(" ".join(words[i : i + 10]) for i in range(0, 500, 10)))
    assert (found != 0).all()
    assert 0.48 < (found > 0).mean() < 0.52
    # What all have in common is in a few components: binary codes tell texts apart by the others.
    share = (found > 0).mean(axis=0)
    assert ((share > 0.2) & (share < 0.8)).mean() > 0.55


def test_nearly_the_same_text_is_nearer_than_one_that_shares_words():
    text = "Orders above fifty euros are shipped without a fee."
    assert cosine(text, text) == pytest.approx(1, abs=1e-6)
    assert 0.85 < cosine(text, "Orders above sixty euros are shipped without a fee.") < 0.95
    assert 0.6 < cosine(text, "Shipping an order to an island has a fee.") < 0.75
    assert cosine(text, "Whales sleep close to the surface.") < 0.6


@pytest.mark.parametrize("text", [" ", "\n\t", "!?", "🐳", "the", "\ud800"])
def test_texts_without_words_have_vectors_too(text):
    for task in ("RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"):
        (found,) = vectors(text, task=task)
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_a_text_of_many_terms_is_embedded_whole():
    terms = [f"term{i}" for i in range(600)]
    whole, start, end, other = vectors(
        " ".join(terms),
        " ".join(terms[:100]),
        " ".join(terms[-100:]),
        " ".join(f"other{i}" for i in range(100)),
    )
    assert whole @ start > whole @ other + 0.05
    assert whole @ end > whole @ other + 0.05


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hello", 1), ("internationalization", 4), ("日本語", 3), ("a, b 42", 5), ("a_b", 3)],
)
def test_tokens_are_counted_by_a_rule_one_can_check_by_hand(text, count):
    assert count_tokens(text) == count


def test_a_text_is_cut_between_tokens():
    assert cut("one two three", 2).strip() == "one two"
    assert cut("one two three", 13) == "one two three"
    assert cut("日本語", 2) == "日本"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("batteries", "battery"),
        ("running", "run"),
        ("stored", "storing"),
        ("camera's", "camera"),
        ("HTTPServer", "http server"),
        ("snake_case", "snake case"),
    ],
)
def test_forms_of_a_word_share_a_term(one, other):
    assert set(terms(other).content) & set(terms(one).content)
