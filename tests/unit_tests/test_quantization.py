from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from pathlib import Path
from typing import get_args

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import QuantizationPreset
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.quantization import (
    QUANTIZATION_PRESETS,
    QuantizationName,
    check_version,
    merge_search_params,
    quantization_config,
    required_version,
    search_params_for,
    stored_alike,
)

# name: (setting as the REST API has it, bits, oversampling, lowest server)
PRESETS = {
    "binary": ({"binary": {"query_encoding": "scalar8bits"}}, 1, 3.0, "1.15"),
    "binary-1.5bit": (
        {"binary": {"encoding": "one_and_half_bits", "query_encoding": "scalar8bits"}},
        1.5,
        4.0,
        "1.15",
    ),
    "binary-2bit": (
        {"binary": {"encoding": "two_bits", "query_encoding": "scalar8bits"}},
        2,
        3.0,
        "1.15",
    ),
    "scalar": ({"scalar": {"type": "int8", "quantile": 0.99}}, 8, 1.0, "1.1"),
    "product": ({"product": {"compression": "x16"}}, 2, 1.5, "1.2"),
    "turbo-1bit": ({"turbo": {"bits": "bits1"}}, 1, 3.0, "1.18"),
    "turbo-2bit": ({"turbo": {"bits": "bits2"}}, 2, 2.0, "1.18"),
    "turbo-4bit": ({"turbo": {"bits": "bits4"}}, 4, 1.5, "1.18"),
}


def binary(**settings):
    return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(**settings))


def turbo(**settings):
    return models.TurboQuantization(turbo=models.TurboQuantQuantizationConfig(**settings))


def scalar(**settings):
    return models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, **settings)
    )


# Presets


def test_the_presets_are_these():
    assert list(QUANTIZATION_PRESETS) == list(PRESETS) == list(get_args(QuantizationName))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_setting_in_memory_and_what_its_searches_need(name):
    [(kind, settings)] = PRESETS[name][0].items()
    preset = QUANTIZATION_PRESETS[name]
    rest = preset.config.model_dump(mode="json", exclude_none=True)
    assert rest == {kind: {"always_ram": True, **settings}}
    assert (preset.name, preset.bits, preset.oversampling, preset.since) == (
        name,
        *PRESETS[name][1:],
    )
    quantization = preset.search_params.quantization
    assert (quantization.rescore, quantization.oversampling) == (True, preset.oversampling)
    assert preset.use.endswith(".")


@pytest.mark.parametrize("name", PRESETS)
def test_name_preset_model_and_dict_are_the_same(name):
    preset = QUANTIZATION_PRESETS[name]
    rest = preset.config.model_dump(mode="json", exclude_none=True)
    for given in (name, preset, preset.config, rest):
        assert quantization_config(given) == preset.config
        assert search_params_for(given) == preset.search_params


def test_nobody_can_change_a_preset():
    preset = QUANTIZATION_PRESETS["binary"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.oversampling = 1.0
    with pytest.raises(TypeError):
        QUANTIZATION_PRESETS["binary"] = preset
    for config in (preset.config, quantization_config("binary"), quantization_config(preset)):
        config.binary.always_ram = False
    preset.search_params.quantization.oversampling = 1.0
    assert preset.config.binary.always_ram is True
    assert quantization_config("binary").binary.always_ram is True
    assert search_params_for("binary").quantization.oversampling == 3.0


def test_a_preset_of_one_s_own_keeps_its_setting_and_can_be_copied():
    given = turbo(bits="bits1_5")
    own = QuantizationPreset(
        name="mine", quantization=given, bits=1.5, oversampling=2.0, use="Ours."
    )
    given.turbo.bits = models.TurboQuantBitSize.BITS4
    assert quantization_config(own) == turbo(bits="bits1_5")
    assert search_params_for(own).quantization.oversampling == 2.0
    assert pickle.loads(pickle.dumps(own)) == copy.deepcopy(own) == own  # noqa: S301 - its own
    assert len({own, copy.copy(own)}) == 1


def test_a_preset_of_no_known_setting_is_refused():
    with pytest.raises(ConfigurationError, match="one key of"):
        QuantizationPreset(name="x", quantization={"pq": {}}, bits=1, oversampling=1.0, use="")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Binary", "did you mean 'binary'"),
        ("turbo2bit", "did you mean 'turbo-2bit'"),
        ("pq", r"one of 'binary', .*'turbo-4bit', a QuantizationPreset, .* got 'pq'$"),
        (5, "got 5"),
        (models.Disabled.DISABLED, "Disabled"),
        ({}, r"one key of \['binary', 'product', 'scalar', 'turbo'\].*got \{\}"),
        ({"bianry": {}}, "one key of"),
        ({"binary": {}, "scalar": {}}, "one key of"),
        ({"scalar": {}}, "'scalar' has the fields type, quantile, .*: type: Field required"),
        ({"binary": {"bits": 2}}, "always_ram, memory, encoding, query_encoding: bits: Extra"),
        ({"turbo": "bits2"}, "turbo: Input should be a valid dictionary.* got 'bits2'"),
    ],
)
def test_what_is_no_quantization_is_told_what_is_taken(wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        quantization_config(wrong)


# Search settings


@pytest.mark.parametrize(
    ("config", "oversampling"),
    [
        (binary(query_encoding="scalar8bits"), 3.0),
        (binary(encoding="one_bit", memory="cold", query_encoding="scalar8bits"), 3.0),
        (binary(), 8.0),
        (binary(query_encoding="binary"), 8.0),
        (binary(encoding="two_bits"), 8.0),
        (scalar(quantile=0.99), 1.0),
        (scalar(quantile=0.9900000095367432), 1.0),
        (scalar(), 1.0),
        ({"product": {"compression": "x16"}}, 1.5),
        ({"product": {"compression": "x64"}}, 4.0),
        (turbo(), 1.5),
        (turbo(bits="bits2", always_ram=False), 2.0),
        (turbo(bits="bits1_5"), 3.0),
    ],
)
def test_a_stored_setting_has_its_preset_s_defaults_or_those_of_its_kind(config, oversampling):
    quantization = search_params_for(config).quantization
    assert (quantization.rescore, quantization.oversampling) == (True, oversampling)


def test_plain_vectors_need_no_search_params():
    assert search_params_for(None) is None


def test_a_call_wins_field_by_field():
    default = models.SearchParams(
        hnsw_ef=64, quantization=models.QuantizationSearchParams(rescore=True, oversampling=3.0)
    )
    call = models.SearchParams(
        exact=True, quantization=models.QuantizationSearchParams(rescore=False)
    )
    assert merge_search_params(default, call) == models.SearchParams(
        hnsw_ef=64,
        exact=True,
        quantization=models.QuantizationSearchParams(rescore=False, oversampling=3.0),
    )


def test_merging_leaves_both_as_they_were():
    default = search_params_for("binary")
    before = default.model_copy(deep=True)
    merge_search_params(default, models.SearchParams(hnsw_ef=1))
    assert default == before


def test_nothing_merges_to_the_other():
    params = models.SearchParams(hnsw_ef=1)
    assert merge_search_params(None, params) == params
    assert merge_search_params(params, None) == params
    assert merge_search_params(None, None) is None


# What is stored


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (quantization_config("binary"), binary(encoding="one_bit")),
        (quantization_config("binary"), binary(memory="cold", query_encoding="binary")),
        (turbo(), turbo(bits="bits4")),
        (scalar(quantile=0.99), scalar(quantile=0.9900000095367432)),  # as gRPC brings it back
        (None, None),
    ],
)
def test_settings_that_store_the_same_codes_are_alike(one, other):
    assert stored_alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (binary(), None),
        (binary(), binary(encoding="two_bits")),
        (binary(), turbo(bits="bits1")),
        (turbo(), turbo(bits="bits2")),
        (scalar(quantile=0.99), scalar()),
    ],
)
def test_settings_that_store_other_codes_are_not_alike(one, other):
    assert not stored_alike(one, other)
    assert not stored_alike(other, one)


# Versions


@pytest.mark.parametrize(
    ("config", "version", "what"),
    [
        (scalar(), (1, 1), "scalar quantization"),
        (binary(), (1, 5), "binary quantization"),
        (binary(encoding="one_bit", query_encoding="default"), (1, 5), "binary quantization"),
        (binary(query_encoding="scalar4bits"), (1, 15), "query_encoding='scalar4bits'"),
        (binary(encoding="two_bits"), (1, 15), "encoding='two_bits'"),
        (binary(encoding="two_bits", memory="pinned"), (1, 19), "memory='pinned'"),
        (turbo(), (1, 18), "turbo quantization"),
        (turbo(bits="bits8"), (1, 20), "bits='bits8'"),
    ],
)
def test_each_setting_knows_the_server_that_it_needs(config, version, what):
    assert required_version(config) == (version, what)


@pytest.mark.parametrize("found", ["1.17.3", "1.9.0-dev", "0.11"])
def test_an_older_server_is_refused_with_both_versions_and_a_way_out(found):
    said = f"turbo needs Qdrant 1.18 or newer, this server is {found}: upgrade it, or do without"
    with pytest.raises(ConfigurationError, match=said):
        check_version((1, 18), "turbo", found, "do without")


@pytest.mark.parametrize("found", ["1.18.0", "1.18.0-rc.1", "1.100", "2.0.0", "nightly"])
def test_a_server_that_is_new_enough_or_names_no_number_is_taken(found):
    check_version((1, 18), "turbo", found, "do without")


def test_the_page_lists_the_presets_as_they_are():
    page = Path(__file__).parents[2] / "docs" / "quantization.md"
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| `[\w.-]+` \| [\d.]+ \|", line)
    ]
    assert [[name, bits, *rest] for name, bits, _, *rest in rows] == [
        [f"`{name}`", f"{each.bits:g}", f"{each.oversampling:g}", each.since, each.use]
        for name, each in QUANTIZATION_PRESETS.items()
    ]
