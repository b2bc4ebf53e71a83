"""EdgeBm25: settings in, token ids and weights out. Nothing here opens a socket."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import re
import subprocess
import sys
import unicodedata
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest
import qdrant_edge
from qdrant_client import models

from langchain_gemini_qdrant.edge.bm25 import (
    STEMMED,
    WITHOUT_STOP_WORDS,
    Bm25Language,
    Bm25Tokenizer,
    EdgeBm25,
    default_tokenizer,
)
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

LANGUAGES = get_args(Bm25Language)


def tokens(text: str, **settings) -> set[int]:
    return set(EdgeBm25(**settings).embed_query(text).indices)


def members(enum) -> set[str]:
    return {name.lower() for name in dir(enum) if not name.startswith("_")}


# --- languages


def test_every_language_of_the_engine_is_accepted_and_no_other():
    stemmers = members(qdrant_edge.SnowballLanguage)
    stop_words = members(qdrant_edge.Language)
    assert set(LANGUAGES) == stemmers | stop_words | {"none"}
    assert stemmers == STEMMED
    assert set(LANGUAGES) - stop_words == WITHOUT_STOP_WORDS


def test_every_tokenizer_of_the_engine_is_accepted():
    assert set(get_args(Bm25Tokenizer)) == members(qdrant_edge.TokenizerType)


@pytest.mark.parametrize("language", sorted(members(qdrant_edge.Language) - {"japanese"}))
def test_a_language_means_what_the_engine_means_by_it(language):
    """Where the tokenizer is the same; Japanese has a particle of ours."""
    words = "running Häuser chevaux книгами βιβλίου the und le и και في 的 এবং छ och 2024 kitaplar"
    config = qdrant_edge.Bm25Config(language=language, tokenizer=qdrant_edge.TokenizerType.Word)
    expected = qdrant_edge.Bm25(config).embed_document(words)
    [vector] = EdgeBm25(language=language, tokenizer="word").embed_documents([words])
    assert (vector.indices, vector.values) == (expected.indices, expected.values)


@pytest.mark.parametrize(
    ("language", "one", "other", "stop_word"),
    [
        ("english", "running", "runs", "the"),
        ("german", "Häuser", "Haus", "und"),
        ("french", "chevaux", "cheval", "le"),
        ("spanish", "corriendo", "correr", "el"),
        ("russian", "книгами", "книги", "и"),
        ("greek", "σχολεία", "σχολείο", "και"),
        ("turkish", "kitaplar", "kitap", "ve"),
        ("arabic", "الكتاب", "كتاب", "في"),
    ],
)
def test_inflected_forms_are_one_token_and_stop_words_none(language, one, other, stop_word):
    assert len(tokens(f"{one} {other} {stop_word}", language=language)) == 1


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [("armenian", "քաղաքներ", "քաղաքներում"), ("tamil", "வீடுகள்", "வீடு")],
)
def test_languages_that_the_engine_has_only_a_stemmer_for_are_stemmed(language, one, other):
    assert len(tokens(f"{one} {other}", language=language)) == 1


@pytest.mark.parametrize("text", ["한국어 문장을 검색", "Zażółć gęślą jaźń", "the running runs"])
def test_none_leaves_every_word_as_it_is(text):
    assert len(tokens(text, language="none")) == 3


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("chinese", "北京大学学习自然语言处理", 5),
        ("bengali", "বিশ্ববিদ্যালয়", 1),
        ("nepali", "विश्वविद्यालय", 1),
    ],
)
def test_words_that_no_space_divides_or_that_signs_join_are_found(language, text, count):
    assert len(tokens(text, language=language)) == count
    assert len(tokens(text, language=language, tokenizer="word")) != count


def test_multilingual_divides_thai():
    text = "ภาษาไทยเป็นภาษาราชการ"
    assert len(tokens(text, language="none", tokenizer="multilingual")) == 3


@pytest.mark.parametrize("query", ["東京大学", "自然言語処理", "時価総額"])
def test_a_japanese_query_without_kana_finds_japanese_documents(query):
    document = "東京大学で自然言語処理を勉強する。nvidia の時価総額は大きい。"
    assert tokens(query, language="japanese") <= tokens(document, language="japanese")


def test_the_particle_that_marks_japanese_leaves_no_token():
    for stopwords in (None, (), ("東京",)):
        bm25 = EdgeBm25(language="japanese", stopwords=stopwords)
        assert bm25.embed_query("").indices == []
        assert bm25.embed_documents(["のの"])[0].indices == []


# --- options


def test_stopwords_replace_the_language_s():
    assert tokens("the cats", stopwords=["cats"]) == tokens("the", stopwords=())
    assert tokens("the cats", stopwords=()) == tokens("the", stopwords=()) | tokens("cat")


def test_case_and_accents_count_as_asked():
    assert tokens("Café") == tokens("café") != tokens("cafe")
    assert tokens("Café", lowercase=False) != tokens("café", lowercase=False)
    assert tokens("café", ascii_folding=True) == tokens("cafe", ascii_folding=True)


def test_length_limits_count_a_stem_s_characters():
    assert tokens("äöü runs horses", min_token_len=3, max_token_len=3) == tokens("äöü run")


def test_code_tokenizer_finds_the_words_in_a_name():
    assert tokens("getUserName", tokenizer="code") >= tokens("user name")


def test_prefix_tokenizer_finds_a_word_by_its_beginning():
    bm25 = EdgeBm25(language="none", tokenizer="prefix")
    [stored] = bm25.embed_documents(["Hello"])
    assert set(bm25.embed_query("hel").indices) < set(stored.indices)


def test_composed_and_decomposed_accents_are_one_spelling():
    text = "Tiếng Việt là ngôn ngữ"
    decomposed = unicodedata.normalize("NFD", text)
    assert tokens(text, language="none") == tokens(decomposed, language="none")
    stopwords = [unicodedata.normalize("NFD", "ngôn")]
    assert len(tokens(text, language="none", stopwords=stopwords)) == 4


# --- vectors


def test_a_document_s_weights_are_bm25_s_and_fall_with_its_length():
    """By the formula, with stop words left out of the length."""
    bm25 = EdgeBm25(k=1.5, b=0.5, avg_len=4)
    counts = {"cat": 3, "mouse": 1, "dog": 2}
    text = " the ".join(word for word, count in counts.items() for _ in range(count))
    [vector] = bm25.embed_documents([text])
    weights = dict(zip(vector.indices, vector.values, strict=True))
    for word, count in counts.items():
        [token] = tokens(word)
        expected = count * 2.5 / (count + 1.5 * (0.5 + 0.5 * 6 / 4))
        assert weights[token] == pytest.approx(expected, rel=1e-6)
    [short, long] = bm25.embed_documents(["cat", "cat mouse dog horse fox"])
    [cat] = short.indices
    assert short.values[0] > long.values[long.indices.index(cat)]


def test_every_token_of_a_query_weighs_1():
    vector = EdgeBm25().embed_query("cat cat mouse")
    assert vector.values == [1.0, 1.0]


def test_indices_are_unique_ascending_and_32_bit():
    texts = [" ".join(f"word{i}x{j}" for i in range(200)) for j in range(20)]
    for vector in EdgeBm25().embed_documents(texts):
        assert vector.indices == sorted(set(vector.indices))
        assert vector.indices[0] >= 0
        assert vector.indices[-1] < 2**32
        assert len(vector.values) == len(vector.indices) == 200


def test_token_ids_are_those_of_stored_collections():
    """Pinned: another id for a token would lose what is stored. FastEmbed's are the same."""
    assert EdgeBm25().embed_query("running cats search").indices == [
        243905464,
        553238108,
        1751422759,
    ]


@pytest.mark.parametrize("text", ["", "  \n", "the and of", "?! … 😀", "\0"])
def test_a_text_without_tokens_has_an_empty_vector(text):
    bm25 = EdgeBm25()
    assert bm25.embed_documents([text, "cat"])[0].indices == []
    assert bm25.embed_query(text).values == []


def test_no_texts_no_vectors():
    assert EdgeBm25().embed_documents([]) == []


def test_async_twins_give_the_same_in_the_loop_s_own_thread():
    bm25 = EdgeBm25()
    texts = ["a cat runs", "", "two mice"]

    async def embed():
        return await bm25.aembed_documents(texts), await bm25.aembed_query("cats")

    assert asyncio.run(embed()) == (bm25.embed_documents(texts), bm25.embed_query("cats"))
    with pytest.raises(StopIteration):
        bm25.aembed_query("cats").send(None)  # done without ever waiting for another thread


def test_threads_may_share_one():
    bm25 = EdgeBm25(language="finnish")
    texts = [f"taloissa {i} kissaa" for i in range(50)]
    expected = bm25.embed_documents(texts)
    with ThreadPoolExecutor(8) as pool:
        assert all(result == expected for result in pool.map(bm25.embed_documents, [texts] * 32))


# --- the object


def pickled(bm25: EdgeBm25) -> EdgeBm25:
    return pickle.loads(pickle.dumps(bm25))  # noqa: S301 - our own


def test_defaults_are_bm25_s_usual_ones():
    assert repr(EdgeBm25()) == (
        "EdgeBm25(language='english', tokenizer='word', k=1.2, b=0.75, avg_len=256.0,"
        " lowercase=True, ascii_folding=False, stopwords=None, min_token_len=None,"
        " max_token_len=None)"
    )
    assert EdgeBm25().modifier is models.Modifier.IDF


def test_equal_settings_are_equal_objects():
    one = EdgeBm25(stopwords=["b", "a", "b"], avg_len=100)
    assert one == EdgeBm25(stopwords={"a", "b"}, avg_len=100.0, tokenizer="word")
    assert len({one, copy.copy(one), copy.deepcopy(one), pickled(one)}) == 1
    assert one != EdgeBm25(stopwords=["a"], avg_len=100)


def test_copies_of_a_used_one_work():
    bm25 = EdgeBm25(language="german")
    expected = bm25.embed_query("Häuser")
    for other in (copy.deepcopy(bm25), pickled(bm25)):
        assert other.embed_query("Häuser") == expected


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        EdgeBm25().language = "german"


def test_note_is_json_that_every_setting_changes():
    changes = {
        "language": "german",
        "tokenizer": "code",
        "k": 2.0,
        "b": 0.5,
        "avg_len": 100.0,
        "lowercase": False,
        "ascii_folding": True,
        "stopwords": ["a"],
        "min_token_len": 2,
        "max_token_len": 30,
    }
    note = EdgeBm25().note()
    assert set(note) == {"model", *changes}
    for name, value in changes.items():
        changed = EdgeBm25(**{name: value}).note()
        assert changed == {**note, name: value}
        assert json.loads(json.dumps(changed)) == changed
    settings = {name: value for name, value in note.items() if name != "model"}
    assert EdgeBm25(**settings) == EdgeBm25()


# --- errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"language": "korean"}, "language must be one of 'arabic', .*'none'.*, got 'korean'"),
        ({"language": "English"}, "got 'English'"),
        ({"language": None}, "got None"),
        ({"tokenizer": "ngram"}, "tokenizer must be one of 'word', .*, got 'ngram'"),
        ({"k": -0.1}, "k must be a number in 0..1e"),
        ({"k": float("nan")}, "got nan"),
        ({"k": True}, "got True"),
        ({"b": 1.1}, "b must be a number in 0..1, got 1.1"),
        ({"avg_len": 0}, "avg_len must be a number in 1..1e"),
        ({"avg_len": "256"}, "got '256'"),
        ({"lowercase": 1}, "lowercase must be a bool, got 1"),
        ({"ascii_folding": None}, "ascii_folding must be a bool, got None"),
        ({"stopwords": "the"}, "stopwords must be a list of strings or None, got 'the'"),
        ({"stopwords": [1]}, "got \\[1\\]"),
        ({"min_token_len": 0}, "min_token_len must be None or an integer in 1..10000, got 0"),
        ({"max_token_len": 2.5}, "got 2.5"),
        ({"min_token_len": 4, "max_token_len": 3}, "must not be above max_token_len, got 4 and 3"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        EdgeBm25(**settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "texts must be strings, got NoneType at index 2"),
        (b"bytes", "got bytes at index 2"),
        ("secret \ud83d", "half of a surrogate pair at index 2"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_position(text, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        EdgeBm25().embed_documents(["cat", "", text])
    assert caught.value.indices == (2,)
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="at index 0"):
        EdgeBm25().embed_query(text)


def test_a_string_is_no_list_of_texts():
    with pytest.raises(InvalidInputError, match="must be a list of texts, got str"):
        EdgeBm25().embed_documents("cat")


# --- processes and pages


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


@pytest.mark.slow
def test_engine_is_loaded_on_first_use_only():
    run_python(
        "import sys, pickle\n"
        "from langchain_gemini_qdrant.edge.bm25 import EdgeBm25\n"
        "bm25 = pickle.loads(pickle.dumps(EdgeBm25(language='german')))\n"
        "repr(bm25), bm25.note(), hash(bm25)\n"
        "assert 'qdrant_edge' not in sys.modules\n"
        "bm25.embed_query('Haus')\n"
        "assert 'qdrant_edge' in sys.modules"
    )


@pytest.mark.slow
def test_another_process_makes_the_same_vectors():
    texts = ["old houses by the river", "東京大学で勉強する", "Zażółć gęślą jaźń 2024"]
    printed = run_python(
        "from langchain_gemini_qdrant.edge.bm25 import EdgeBm25\n"
        "for language in ('english', 'japanese', 'none'):\n"
        f"    vectors = EdgeBm25(language=language).embed_documents({texts!r})\n"
        "    print(ascii([(v.indices, v.values) for v in vectors]))"
    )
    for language, line in zip(("english", "japanese", "none"), printed.splitlines(), strict=True):
        vectors = EdgeBm25(language=language).embed_documents(texts)
        assert line == ascii([(v.indices, v.values) for v in vectors])


def test_table_of_languages_on_the_page_is_the_code_s():
    page = (Path(__file__).parents[2] / "docs" / "hybrid.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| (yes|no) \| (yes|no) \| `(\w+)` \|$", page, re.MULTILINE)
    documented = {
        key: re.findall(r"`(\w+)`", names) for names, *key in rows for key in [tuple(key)]
    }
    expected = defaultdict(list)
    for language in LANGUAGES:
        stems = "yes" if language in STEMMED else "no"
        stops = "no" if language in WITHOUT_STOP_WORDS else "yes"
        expected[stems, stops, default_tokenizer(language)].append(language)
    assert documented == expected
    assert len(rows) == len(expected)
