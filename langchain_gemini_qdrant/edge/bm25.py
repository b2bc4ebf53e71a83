"""BM25 sparse vectors from the embedded engine: nothing to download, nothing to call.

Token ids are those of Qdrant's server and FastEmbed: 32-bit Murmur3 of the token, made positive.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args
from unicodedata import normalize

from langchain_qdrant import SparseEmbeddings
from langchain_qdrant.sparse_embeddings import SparseVector
from qdrant_client import models

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant.edge._engine import engine
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Bm25Language = Literal[
    "arabic",
    "armenian",
    "azerbaijani",
    "basque",
    "bengali",
    "catalan",
    "chinese",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hebrew",
    "hinglish",
    "hungarian",
    "indonesian",
    "italian",
    "japanese",
    "kazakh",
    "nepali",
    "none",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "slovene",
    "spanish",
    "swedish",
    "tajik",
    "tamil",
    "turkish",
]
"""Languages that the engine has a stemmer or stop words for, and `none` for all others."""

Bm25Tokenizer = Literal["word", "multilingual", "whitespace", "prefix", "code"]

STEMMED: frozenset[Bm25Language] = frozenset({
    "arabic",
    "armenian",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
})  # fmt: skip
"""Languages with a stemmer (Snowball)."""

WITHOUT_STOP_WORDS: frozenset[Bm25Language] = frozenset({"armenian", "none", "tamil"})
"""Languages that the engine has no list of stop words for."""

# `word` splits at every character that is neither a letter nor a digit. Chinese and Japanese have
# no such characters between words, and the other scripts have them inside words, so their words
# would be split.
_MULTILINGUAL: frozenset[Bm25Language] = frozenset(
    {"bengali", "chinese", "japanese", "nepali", "tamil"}
)

# `multilingual` guesses each text's language and reads kanji without kana as Chinese, so a query of
# kanji finds nothing in Japanese documents. This particle, a stop word, decides the guess. It can
# be removed when the language can be passed: https://github.com/qdrant/qdrant/issues/8595
_PARTICLE = "の"

_MAX_TOKEN_LEN = 10_000  # characters; any useful limit is far below


def default_tokenizer(language: Bm25Language) -> Bm25Tokenizer:
    """Return the tokenizer that finds the words of a language."""
    return "multilingual" if language in _MULTILINGUAL else "word"


@dataclass(frozen=True, kw_only=True)
class EdgeBm25(SparseEmbeddings):
    """BM25 as LangChain's sparse embeddings, computed by Qdrant Edge.

    A document's vector weighs each token by its frequency and the document's length; a query's
    vector has 1.0 for each token. The rest of BM25, the weight of rare tokens (IDF), is added by
    the collection at search time: create its sparse vector with `modifier`. Objects are immutable,
    equal if their settings are equal, and may be shared by threads; the engine is loaded on first
    use.

    Attributes:
        language: The language whose stemmer and stop words apply. `none` has neither.
        tokenizer: The engine's tokenizer. The default is `word`; `multilingual` for bengali,
            chinese, japanese, nepali and tamil. `multilingual` drops numbers and accents.
        k: Weight of repeated tokens, at least 0. The usual 1.2 by default.
        b: Influence of a document's length, from 0 to 1. The usual 0.75 by default.
        avg_len: Average length of a document, in tokens without stop words, at least 1. Weights
            depend on this value, not on the stored documents; 256 by default, as on Qdrant's
            server.
        lowercase: Whether case is ignored.
        ascii_folding: Whether accents are ignored. Stop words with an accent are then kept.
        stopwords: Tokens to leave out, before stemming; they replace the language's.
        min_token_len: Tokens with fewer characters, after stemming, are left out.
        max_token_len: Tokens with more characters, after stemming, are left out.

    Raises:
        ConfigurationError: A setting has a value that is not accepted.

    Source: https://qdrant.tech/documentation/search/text-search/full-text-search/
    """

    language: Bm25Language = "english"
    tokenizer: Bm25Tokenizer | None = None
    k: float = 1.2
    b: float = 0.75
    avg_len: float = 256.0
    lowercase: bool = True
    ascii_folding: bool = False
    stopwords: Collection[str] | None = None
    min_token_len: int | None = None
    max_token_len: int | None = None

    modifier: ClassVar[models.Modifier] = models.Modifier.IDF
    """The modifier that the collection's sparse vector must be created with."""

    def __post_init__(self) -> None:
        _check_word("language", self.language, get_args(Bm25Language))
        tokenizer = default_tokenizer(self.language) if self.tokenizer is None else self.tokenizer
        _check_word("tokenizer", tokenizer, get_args(Bm25Tokenizer))
        self._set("tokenizer", tokenizer)
        for name, low, high in (("k", 0, 1e6), ("b", 0, 1), ("avg_len", 1, 1e9)):
            self._set(name, _number(name, getattr(self, name), low, high))
        for name in ("lowercase", "ascii_folding"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"{name} must be a bool, got {getattr(self, name)!r}")
        self._set("stopwords", _stopwords(self.stopwords))
        _check_lengths(self.min_token_len, self.max_token_len)

    def embed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return sparse vectors of texts that will be stored.

        Args:
            texts: `n` texts of any length.

        Returns:
            `n` vectors in the order of `texts`: token ids, unique and ascending, and weights above
            0. A text without tokens, such as a text of stop words only, has an empty vector.

        Raises:
            InvalidInputError: A text is not a string, or contains half of a surrogate pair
                (`indices`).
            ConfigurationError: The engine is not installed.
        """
        check_list(texts, "texts")
        embed = _model(self).embed_document
        return [self._embed(embed, index, text) for index, text in enumerate(texts)]

    def embed_query(self, text: str) -> SparseVector:
        """Return the sparse vector of a query: token ids, unique and ascending, with weight 1.0.

        Raises:
            InvalidInputError: The text is not a string, or contains half of a surrogate pair.
            ConfigurationError: The engine is not installed.
        """
        return self._embed(_model(self).embed_query, 0, text)

    # The engine computes for about 0.1 ms a page and holds the GIL: a thread would add its own cost
    # and let nothing else run.

    async def aembed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Run `embed_documents` in the event loop's own thread."""
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> SparseVector:
        """Run `embed_query` in the event loop's own thread."""
        return self.embed_query(text)

    def note(self) -> dict[str, str | float | bool | list[str] | None]:
        """Return a JSON object of all settings that token ids and weights depend on.

        Vectors of two objects may share a collection if and only if their notes are equal.
        """
        stopwords = None if self.stopwords is None else list(self.stopwords)
        return {"model": "bm25", **asdict(self), "stopwords": stopwords}

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # only while it is made

    def _embed(self, embed: Callable[[str], Any], index: int, text: str) -> SparseVector:
        if not isinstance(text, str):
            raise InvalidInputError(
                f"texts must be strings, got {type(text).__name__} at index {index}",
                indices=(index,),
            )
        # `word` splits at an accent that is a separate character, as in PDFs and file names of
        # macOS.
        text = normalize("NFC", text)
        try:
            vector = embed(f"{text} {_PARTICLE}" if _is_japanese(self) else text)
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"texts must be valid Unicode, got half of a surrogate pair at index {index};"
                ' repair it with text.encode("utf-8", "replace").decode()',
                indices=(index,),
            ) from error
        return SparseVector(indices=vector.indices, values=vector.values)


@functools.cache
def _model(settings: EdgeBm25) -> Any:  # noqa: ANN401 - the engine's types are untyped
    """Return the engine's object, which cannot be pickled, for these settings."""
    edge = engine()
    language = settings.language
    stemmer = (
        edge.SnowballParams(getattr(edge.SnowballLanguage, language.title()))
        if language in STEMMED
        else edge.DisabledStemmer()
    )
    listed, custom = set(), set(settings.stopwords or ())
    if settings.stopwords is None and language not in WITHOUT_STOP_WORDS:
        listed.add(getattr(edge.Language, language.title()))
    if _is_japanese(settings):
        custom.add(_PARTICLE)
    return edge.Bm25(
        edge.Bm25Config(
            k=settings.k,
            b=settings.b,
            avg_len=settings.avg_len,
            tokenizer=getattr(edge.TokenizerType, str(settings.tokenizer).title()),
            lowercase=settings.lowercase,
            ascii_folding=settings.ascii_folding,
            stemmer=stemmer,
            stopwords=edge.StopwordsSet(languages=listed, custom=custom),
            min_token_len=settings.min_token_len,
            max_token_len=settings.max_token_len,
        )
    )


def _is_japanese(settings: EdgeBm25) -> bool:
    return settings.language == "japanese" and settings.tokenizer == "multilingual"


def _check_word(name: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise ConfigurationError(
            f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}"
        )


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigurationError(f"{name} must be a number in {low:g}..{high:g}, got {value!r}")
    return float(value)


def _stopwords(words: object) -> tuple[str, ...] | None:
    """Return the words in a fixed order, normalized like texts."""
    if words is None:
        return None
    if (
        isinstance(words, str)
        or not isinstance(words, Collection)
        or not all(isinstance(word, str) for word in words)
    ):
        raise ConfigurationError(f"stopwords must be a list of strings or None, got {words!r}")
    return tuple(sorted({normalize("NFC", word) for word in words}))


def _check_lengths(shortest: object, longest: object) -> None:
    for name, value in (("min_token_len", shortest), ("max_token_len", longest)):
        if value is not None:
            _require_integer(name, value)
    if isinstance(shortest, int) and isinstance(longest, int) and shortest > longest:
        raise ConfigurationError(
            f"min_token_len must not be above max_token_len, got {shortest} and {longest}"
        )


def _require_integer(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_TOKEN_LEN:
        raise ConfigurationError(
            f"{name} must be None or an integer in 1..{_MAX_TOKEN_LEN}, got {value!r}"
        )
