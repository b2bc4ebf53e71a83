"""Quantization presets, and the search settings and server version that a quantization needs.

Pure functions over qdrant-client's models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import models

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant.errors import ConfigurationError

__all__ = ["QUANTIZATION_PRESETS", "Quantization", "QuantizationName", "QuantizationPreset"]

QuantizationName: TypeAlias = Literal[
    "binary",
    "binary-1.5bit",
    "binary-2bit",
    "scalar",
    "product",
    "turbo-1bit",
    "turbo-2bit",
    "turbo-4bit",
]

_CONFIG: TypeAdapter[models.QuantizationConfig] = TypeAdapter(models.QuantizationConfig)
_KINDS: Mapping[str, type[BaseModel]] = {
    "binary": models.BinaryQuantizationConfig,
    "product": models.ProductQuantizationConfig,
    "scalar": models.ScalarQuantizationConfig,
    "turbo": models.TurboQuantQuantizationConfig,
}
_MODELS = get_args(models.QuantizationConfig)

# The lowest server version, (major, minor). Older servers refuse an unknown kind, and silently
# drop an unknown field: https://github.com/qdrant/qdrant/issues/3345
Version: TypeAlias = tuple[int, int]
_KIND_SINCE: Mapping[str, Version] = {
    "scalar": (1, 1),
    "product": (1, 2),
    "binary": (1, 5),
    "turbo": (1, 18),
}
_FIELD_SINCE: Mapping[str, Version] = {
    "encoding": (1, 15),
    "query_encoding": (1, 15),
    "memory": (1, 19),
}
_BITS8_SINCE = (1, 20)
_SAME_AS_UNSET = {"one_bit", "default"}  # an older server does the same

# Fields that do not change what is stored: where codes are kept, and how queries are encoded.
_PLACES = {"always_ram", "memory"}
_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "binary": {"encoding": "one_bit", "query_encoding": "default"},
    "turbo": {"bits": "bits4"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizationPreset(Displayed):
    """A quantization, with search settings that compensate for the loss of its codes.

    Args:
        quantization: The collection's setting: a model of qdrant-client, or a dict in the form of
            the REST API. Read it back from `config`.

    Attributes:
        name: The name to pass as `quantization=`.
        bits: Bits in a code for each component of a vector.
        oversampling: Candidates found by their codes, as a multiple of `k`; they are then rescored
            with the full vectors.
        use: A sentence on when to use this preset.

    Raises:
        ConfigurationError: `quantization` is not a setting that qdrant-client supports.
    """

    _shown: ClassVar[tuple[str, ...]] = ("config", "since")
    _hidden: ClassVar[tuple[str, ...]] = ("_json",)

    name: str
    quantization: InitVar[models.QuantizationConfig | Mapping[str, Any]]
    bits: float
    oversampling: float
    use: str
    _json: str = field(init=False, repr=False)

    def __post_init__(self, quantization: models.QuantizationConfig | Mapping[str, Any]) -> None:
        """Keep the setting as JSON, so that it cannot be changed."""
        config = quantization_config(quantization)
        object.__setattr__(self, "_json", config.model_dump_json(exclude_none=True))

    @property
    def config(self) -> models.QuantizationConfig:
        """The collection's setting, as a new model each time."""
        return _CONFIG.validate_json(self._json)

    @property
    def search_params(self) -> models.SearchParams:
        """The defaults of a search, as a new model each time."""
        return _search_params(self.oversampling)

    @property
    def since(self) -> str:
        """The lowest Qdrant server version with this preset; the embedded engine has them all."""
        version, _ = required_version(self.config)
        return _as_text(version)


Quantization: TypeAlias = (
    QuantizationName | QuantizationPreset | models.QuantizationConfig | Mapping[str, Any]
)
"""A preset or its name, qdrant-client's own model, or a dict in the form of the REST API."""


def quantization_config(quantization: Quantization) -> models.QuantizationConfig:
    """Return the collection's setting, as a new model.

    Raises:
        ConfigurationError: No preset has this name, or qdrant-client does not support the setting.
    """
    if isinstance(quantization, QuantizationPreset):
        return quantization.config
    if isinstance(quantization, Mapping):
        return _read(quantization)
    if isinstance(quantization, BaseModel) and isinstance(quantization, _MODELS):
        return quantization.model_copy(deep=True)
    if isinstance(quantization, str) and quantization in QUANTIZATION_PRESETS:
        return QUANTIZATION_PRESETS[quantization].config
    names = list(QUANTIZATION_PRESETS)
    near = difflib.get_close_matches(str(quantization).lower(), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigurationError(
        f"quantization must be None, one of {', '.join(map(repr, names))}, a QuantizationPreset, a "
        f"qdrant_client.models.QuantizationConfig or a dict of one, got {quantization!r}{hint}"
    )


def _read(settings: Mapping[str, Any]) -> models.QuantizationConfig:
    if len(settings) != 1 or not settings.keys() <= _KINDS.keys():
        raise ConfigurationError(
            f"quantization as a dict must have one key of {sorted(_KINDS)}, such as "
            f"{{'binary': {{'always_ram': True}}}}, got {dict(settings)!r}"
        )
    [(kind, fields)] = settings.items()
    model = _KINDS[kind]
    try:
        return _CONFIG.validate_python({kind: model.model_validate(fields)})
    except ValidationError as error:
        raise ConfigurationError(
            f"quantization of kind {kind!r} has the fields {', '.join(model.model_fields)}: "
            f"{wrong_fields(error, kind)}"
        ) from error


def wrong_fields(error: ValidationError, whole: str) -> str:
    """Return pydantic's complaints, field by field; `whole` is the name of the model itself."""
    return "; ".join(
        f"{'.'.join(map(str, detail['loc'])) or whole}: {detail['msg']}, got {detail['input']!r}"
        for detail in error.errors()
    )


def _preset(
    name: QuantizationName,
    kind: str,
    settings: Mapping[str, object],
    *,
    bits: float,
    oversampling: float,
    use: str,
) -> QuantizationPreset:
    # `always_ram`, and not its successor `memory`, because servers before 1.19 drop that one.
    quantization = {kind: {"always_ram": True, **settings}}
    return QuantizationPreset(
        name=name, quantization=quantization, bits=bits, oversampling=oversampling, use=use
    )


# Queries keep 8 bits per component while stored vectors have 1 to 2: this improves recall at no
# cost in memory.
_QUERY = {"query_encoding": "scalar8bits"}

# Oversampling: the smallest of 1, 1.5, 2, 3 and 4 that gave a recall@10 and @100 of 0.95 on text
# embeddings, by full scan and with a graph, or the next larger one where that was close;
# docs/quantization.md has the measurements.
_PRESETS = (
    _preset(
        "binary",
        "binary",
        _QUERY,
        bits=1,
        # Qdrant's page for Gemini: https://qdrant.tech/documentation/embeddings/gemini/
        oversampling=3.0,
        use="Least memory, also on servers without turbo; for vectors of 768 components and more.",
    ),
    _preset(
        "binary-1.5bit",
        "binary",
        {"encoding": "one_and_half_bits", **_QUERY},
        bits=1.5,
        oversampling=4.0,
        use="Between binary and binary-2bit; on text embeddings no better than binary.",
    ),
    _preset(
        "binary-2bit",
        "binary",
        {"encoding": "two_bits", **_QUERY},
        bits=2,
        oversampling=3.0,
        use="Higher recall than binary once there is a graph, on servers without turbo.",
    ),
    _preset(
        "scalar",
        "scalar",
        {"type": "int8", "quantile": 0.99},
        bits=8,
        oversampling=1.0,
        use="Nearly exact for every embedding; a quarter of the memory.",
    ),
    _preset(
        "product",
        "product",
        {"compression": "x16"},
        bits=2,
        oversampling=1.5,
        use="If the other kinds fail; building takes minutes for some thousand vectors.",
    ),
    _preset(
        "turbo-1bit",
        "turbo",
        {"bits": "bits1"},
        bits=1,
        oversampling=3.0,
        use="Like binary, but faster to scan and with higher recall in a graph.",
    ),
    _preset(
        "turbo-2bit",
        "turbo",
        {"bits": "bits2"},
        bits=2,
        oversampling=2.0,  # 1.5 is enough for some thousand vectors, and too little for 20,000
        use="Little loss at a sixteenth of the memory: try it first if your engine has turbo.",
    ),
    _preset(
        "turbo-4bit",
        "turbo",
        {"bits": "bits4"},
        bits=4,
        oversampling=1.5,
        use="Nearly exact at an eighth of the memory.",
    ),
)
QUANTIZATION_PRESETS: Mapping[str, QuantizationPreset] = MappingProxyType(
    {preset.name: preset for preset in _PRESETS}
)
"""All presets by name."""

# For settings without a preset. One-bit codes of both query and vector need more than any preset.
_OVERSAMPLING: Mapping[str, float] = {"binary": 8.0, "product": 4.0, "scalar": 1.0, "turbo": 3.0}


def search_params_for(quantization: Quantization | None) -> models.SearchParams | None:
    """Return the search settings that a quantization needs, None for plain vectors.

    A setting with the codes and the query encoding of a preset gets the preset's search settings.
    """
    if quantization is None:
        return None
    if isinstance(quantization, QuantizationPreset):
        return quantization.search_params
    wanted = _form(quantization_config(quantization))
    for preset in QUANTIZATION_PRESETS.values():
        if _form(preset.config) == wanted:
            return preset.search_params
    return _search_params(_OVERSAMPLING[next(iter(wanted))])


def name_of(quantization: Quantization | None) -> str:
    """Return the name of the preset that a setting equals, else its kind; `none` for None."""
    if quantization is None:
        return "none"
    if isinstance(quantization, QuantizationPreset):
        return quantization.name
    wanted = _form(quantization_config(quantization))
    presets = (each.name for each in QUANTIZATION_PRESETS.values() if _form(each.config) == wanted)
    return next(presets, f"{next(iter(wanted))}, custom")


def _search_params(oversampling: float) -> models.SearchParams:
    return models.SearchParams(
        quantization=models.QuantizationSearchParams(rescore=True, oversampling=oversampling)
    )


def merge_search_params(
    default: models.SearchParams | None, override: models.SearchParams | None
) -> models.SearchParams | None:
    """Return `override`, with its unset fields taken from `default`.

    The fields of `quantization` are also merged one by one, so a call that sets only `rescore`
    keeps the store's oversampling.
    """
    if default is None or override is None:
        return override or default
    merged = default.model_dump(exclude_unset=True) | override.model_dump(exclude_unset=True)
    if default.quantization is not None and override.quantization is not None:
        merged["quantization"] = default.quantization.model_dump(
            exclude_unset=True
        ) | override.quantization.model_dump(exclude_unset=True)
    return models.SearchParams.model_validate(merged)


def stored_alike(
    one: models.QuantizationConfig | None, other: models.QuantizationConfig | None
) -> bool:
    """Return whether two settings store the same codes."""
    return _stored_form(one) == _stored_form(other)


def _stored_form(config: models.QuantizationConfig | None) -> dict[str, object]:
    return {
        kind: {name: value for name, value in settings.items() if name != "query_encoding"}
        for kind, settings in ({} if config is None else _form(config)).items()
    }


def _form(config: models.QuantizationConfig) -> dict[str, dict[str, object]]:
    """Return a setting by its kind, with its defaults and without where its codes are kept."""
    kind, settings = _fields(config)
    if "quantile" in settings:
        settings["quantile"] = round(settings["quantile"], 6)  # gRPC has 32 bits for it
    given = {name: value for name, value in settings.items() if name not in _PLACES}
    return {kind: {**_DEFAULTS.get(kind, {}), **given}}


def _fields(config: models.QuantizationConfig) -> tuple[str, dict[str, Any]]:
    [(kind, settings)] = config.model_dump(mode="json", exclude_none=True).items()
    return kind, settings


# Server versions


def required_version(config: models.QuantizationConfig) -> tuple[Version, str]:
    """Return the lowest server version that supports a setting, and the part that needs it."""
    kind, settings = _fields(config)
    needs = [(_KIND_SINCE[kind], f"{kind} quantization")]
    needs += [
        (_FIELD_SINCE[name], f"{name}={value!r}")
        for name, value in settings.items()
        if name in _FIELD_SINCE and value not in _SAME_AS_UNSET
    ]
    if settings.get("bits") == "bits8":
        needs.append((_BITS8_SINCE, "bits='bits8'"))
    return max(needs)


def check_version(needed: Version, what: str, found: str, way_out: str) -> None:
    """Refuse a server that would silently drop a setting, or refuse it with an unclear message.

    Args:
        needed: The lowest version.
        what: The setting that needs it.
        found: The version that the server reports.
        way_out: The alternative to an upgrade, for the message.

    Raises:
        ConfigurationError: The server is older.
    """
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is not None and (int(numbers[1]), int(numbers[2])) < needed:
        raise ConfigurationError(
            f"{what} needs Qdrant {_as_text(needed)} or newer, this server is {found}: upgrade it, "
            f"or {way_out}"
        )


def _as_text(version: Version) -> str:
    return ".".join(map(str, version))
