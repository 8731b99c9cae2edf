"""Counted parameters agree with the published ones, total and active, for every row."""

import pytest

from isoflop import catalog
from isoflop.architecture import Architecture
from isoflop.plan.flops import active_parameters, parameters

ROWS = catalog.table("architectures")
every = pytest.mark.parametrize("name", list(ROWS))
# Announced with three digits or fewer; all others are counted to a few parts in a million.
ROUNDED = {
    "chinchilla-70b", "gopher-280b", "mt-nlg-530b", "nemotron-4-15b", "palm-540b", "palm-62b",
    "snowflake-arctic-480b",
}  # fmt: skip


def left_out(architecture: Architecture, what: str) -> int:
    """Entries of the tables that a publisher does not count as active."""
    table = architecture.vocabulary * architecture.width
    tables = {"": 0, "input embedding": 1, "both embedding tables": 1 if architecture.tied else 2}
    return table * tables[what]


def test_at_least_160_models_of_every_kind() -> None:
    shapes = [catalog.architecture(name) for name in ROWS]
    assert len(shapes) >= 160
    assert sum(shape.experts is not None for shape in shapes) >= 30
    assert sum(shape.latent is not None for shape in shapes) >= 7
    assert sum(shape.window is not None for shape in shapes) >= 15
    assert sum(shape.recurrent is not None for shape in shapes) >= 15
    assert sum(shape.kv_heads == 1 for shape in shapes) >= 4


@every
def test_totals_are_those_published(name: str) -> None:
    counted = parameters(catalog.architecture(name))
    assert counted == pytest.approx(ROWS[name]["parameters"], rel=5e-3 if name in ROUNDED else 1e-5)


@every
def test_active_parameters_are_those_published(name: str) -> None:
    row, shape = ROWS[name], catalog.architecture(name)
    if "active_parameters" not in row:
        assert active_parameters(shape) == parameters(shape) - shape.image_parameters or (
            name in ("dbrx", "grok-1")
        )
        return
    counted = active_parameters(shape) - left_out(shape, row.get("active_without", ""))
    allowed = max(row.get("active_rounding", 0), 0.005 * row["active_parameters"])
    assert abs(counted - row["active_parameters"]) <= allowed


def test_active_counts_published_with_three_digits_are_met_to_half_a_percent() -> None:
    # model card of gpt-oss: 116.83B total, 5.13B active; 20.91B, 3.61B
    for name, active in (("gpt-oss-120b", 5.13e9), ("gpt-oss-20b", 3.61e9)):
        shape = catalog.architecture(name)
        counted = active_parameters(shape) - left_out(shape, "input embedding")
        assert counted == pytest.approx(active, rel=0.002)
    # Mixtral paper: 12.9B; MiniMax-01 paper: 45.9B; Nemotron 3 Nano: 31.6B, 3.6B and 3.2B
    assert active_parameters(catalog.architecture("mixtral-8x7b")) == pytest.approx(
        12.9e9, rel=5e-3
    )
    minimax = catalog.architecture("minimax-text-01")
    counted = active_parameters(minimax) - left_out(minimax, "both embedding tables")
    assert counted == pytest.approx(45.9e9, rel=2e-3)
    nano = catalog.architecture("nemotron-3-nano")
    assert active_parameters(nano) == pytest.approx(3.58e9, rel=5e-3)


def test_checkpoints_are_counted_to_the_last_parameter() -> None:
    # totals of the safetensors files as their pages on Hugging Face print them
    for name, total in (
        ("llama-3.1-405b", 405_853_388_800),
        ("mixtral-8x7b", 46_702_792_704),
        ("deepseek-v3", 671_026_419_200),
        ("qwen3-235b-a22b", 235_093_634_560),
        ("gemma-3-27b", 27_432_406_640),
        ("jamba", 51_570_323_328),
        ("bloom", 176_247_271_424),
        ("gpt-j-6b", 6_050_882_784),
        ("pythia-12b", 11_846_072_320),
    ):
        assert parameters(catalog.architecture(name)) == total


@every
def test_names_promise_what_the_shape_holds(name: str) -> None:
    row, shape = ROWS[name], catalog.architecture(name)
    assert row["evidence"] in ("V", "S", "M")
    assert row["licence"]
    assert 6 <= shape.layers <= 130
    assert 512 <= shape.width <= 20480
    assert 28_000 < shape.vocabulary <= 262_208
    if shape.context is not None:
        assert 1024 <= shape.context <= 10_485_760


def test_names_and_aliases_lead_to_one_row_each() -> None:
    said = [alias for row in ROWS.values() for alias in row.get("aliases", [])]
    assert len(said) == len(set(said)), {alias for alias in said if said.count(alias) > 1}
    assert not set(said) & set(ROWS)
    assert catalog.find("architectures", "meta-llama/Llama-3.1-8B")[0] == "llama-3.1-8b"
