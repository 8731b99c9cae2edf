"""`isoflop plan training`, `memory` and `finetuning` as a person types them."""

import math

import pytest

MONTH = ("training", "--budget", "256 a100-80gb for 30 days")


def test_a_month_of_256_chips_is_planned_whole(plan) -> None:  # type: ignore[no-untyped-def]
    found = plan(*MONTH, "--json").values
    assert found["chip_hours"]["value"] == pytest.approx(256 * 720)
    assert found["flops"]["low"] < found["flops"]["value"] < found["flops"]["high"]
    parameters, tokens, loss = (found[key]["value"] for key in ("parameters", "tokens", "loss"))
    assert found["flops"]["value"] == pytest.approx(6 * parameters * tokens)
    assert found["perplexity"]["value"] == pytest.approx(math.exp(loss))
    assert set(found["laws"]) >= {"kaplan", "chinchilla-1", "chinchilla-3", "epoch", "muennighoff"}
    assert found["architecture"]["parameters"] == pytest.approx(parameters, rel=0.02)
    assert found["memory"]["total"]["value"] < 80 * 2**30
    assert found["tonnes_co2e"]["value"] == pytest.approx(found["grams_co2e"]["value"] / 1e6)
    low, high = found["flat_band"]
    assert low["parameters"]["value"] < parameters < high["parameters"]["value"]
    assert high["loss"]["value"] == pytest.approx(1.005 * loss, rel=1e-3)
    # chosen by a law: other laws say other sizes, and other fits of the same runs another loss
    assert found["parameters"]["low"] < parameters < found["parameters"]["high"]
    assert found["loss"]["low"] < loss <= found["loss"]["high"]
    curve = [point["loss"]["value"] for point in found["isoflop_curve"]]
    assert min(curve) == curve[len(curve) // 2] == pytest.approx(loss, rel=1e-4)


def test_a_loss_beyond_the_sizes_of_the_fitted_runs_is_marked(plan) -> None:  # type: ignore[no-untyped-def]
    laws = plan(*MONTH, "--json").values["laws"]  # epoch's runs are of at most 16.2B
    assert laws["epoch"]["parameters"]["value"] > 16.2e9
    assert laws["epoch"]["extrapolated"]
    assert "* extrapolated" in plan(*MONTH).out
    inside = plan("training", "--flops", "1e21", "--json").values["laws"]
    assert not inside["epoch"]["extrapolated"]
    assert not inside["muennighoff"]["extrapolated"]


def test_repeated_tokens_raise_the_loss_of_a_given_model(plan) -> None:  # type: ignore[no-untyped-def]
    asked = ("training", "--params", "7e9", "--tokens", "1T", "--json")
    fresh = plan(*asked).values["loss"]["value"]
    four = plan(*asked, "--unique-tokens", "250B").values["loss"]["value"]
    forty = plan(*asked, "--unique-tokens", "25B").values["loss"]["value"]
    assert (
        fresh < four < 1.01 * fresh < forty
    )  # Muennighoff et al.: four epochs cost next to nothing


def test_money_time_and_flops_agree(plan) -> None:  # type: ignore[no-untyped-def]
    dollars = plan("training", "--dollars", "1e6", "--on", "512xh100-sxm", "--json").values
    assert dollars["dollars"]["value"] == pytest.approx(1e6)
    flops = f"{dollars['flops']['value']}"
    again = plan("training", "--flops", flops, "--on", "512xh100-sxm", "--json").values
    assert again["dollars"]["value"] == pytest.approx(1e6, rel=0.05)


def test_tables_say_what_they_count(plan) -> None:  # type: ignore[no-untyped-def]
    told = plan(*MONTH)
    for word in ("compute-optimal by", "The optimum is flat", "layout:", "memory a chip:"):
        assert word in told.out
    for word in ("causal attention", "6 N D", "PUE", "grid", "a chip and hour"):
        assert word in told.err


def test_a_layout_of_ones_own_is_timed(plan) -> None:  # type: ignore[no-untyped-def]
    # Llama 3 405B on 8,192 H100 at TP 8, PP 16 (arXiv:2407.21783, table 4): 43 % MFU, 430 TFLOP/s
    found = plan(
        "training", "--params", "405e9", "--tokens", "15T", "--on", "8192xh100-sxm",
        "--length", "8192", "--batch", "16M", "--year", "2024", "--layout", "t8 p1 z3 m1 full",
        "--json",
    ).values  # fmt: skip
    assert found["layout"]["tensor"] == 8
    assert 0.3 < found["step_utilisation"]["value"] < 0.5


def test_this_machine_trains_something_small(plan) -> None:  # type: ignore[no-untyped-def]
    found = plan("training", "--minutes", "20", "--on", "8xavx512-core", "--json").values
    assert found["seconds"]["value"] == pytest.approx(1200)
    assert 1e6 <= found["parameters"]["value"] < 1e8
    assert found["accelerator"] == "(8 avx512-core)"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give one budget"),
        (("--flops", "1e23", "--dollars", "2e6"), "Give one budget"),
        (("--flops", "-1e23"), "must be more than zero"),
        (("--flops", "0"), "must be more than zero"),
        (("--flops", "1e60"), "not one to train a language model with"),
        (("--budget", "256 a100-80gb"), "is not chips for a time"),
        (("--budget", "256 a100-80gb for 30 parsecs"), "no unit of time"),
        (("--budget", "256 b900 for 3 days"), "Nothing called 'b900' in accelerators"),
        (("--tokens", "1e12"), "Give one budget"),
        (("--flops", "1e21", "--tokens", "1e12"), "--tokens goes with --params"),
        (("--params", "7B", "--model", "gpt2"), "Give one of them"),
        (("--minutes", "-5"), "a time is more than zero"),
        (("--minutes", "nan"), "a time is more than zero"),
        (("--minutes", "1e300"), "less than a century"),
        (("--params", "7e9", "--tokens", "1e30"), "not one to train a language model with"),
        (("--flops", "1e21", "--unique-tokens", "1"), "--unique-tokens 1: at least 1,000,000"),
        (("--flops", "1e21", "--price", "nan"), "--price nan"),
        (("--flops", "1e21", "--layout", ""), "'' is none of"),
        (("--budget", "1000000000 h100 for 3 days"), "no machine has more than"),
        (("--flops", "1e21", "--law", "moore"), "moore"),
        (("--flops", "1e21", "--length", "0"), "--length 0"),
        (("--flops", "1e21", "--batch", "12"), "less than one sequence"),
        (("--flops", "1e21", "--price", "-1"), "--price -1"),
        (("--flops", "1e21", "--format", "fp8", "--on", "8xa100-80gb"), "no peak for fp8"),
        (("--flops", "1e21", "--layout", "t8 q3"), "'q3' is none of"),
        (("--params", "1e12", "--tokens", "1e12", "--on", "8xt4"), "Nothing fits on 8 x t4"),
        ((*MONTH[1:], "--on", "8xh100-sxm"), "names the chips already"),
    ],
)
def test_what_makes_no_sense_is_refused_in_its_own_words(  # type: ignore[no-untyped-def]
    plan, arguments: tuple[str, ...], said: str
) -> None:
    assert said in plan("training", *arguments, code=2).err


def test_a_shape_of_ones_own_is_planned(plan) -> None:  # type: ignore[no-untyped-def]
    sizes = "layers=32,width=4096,heads=32,hidden=11008,vocabulary=32000,gated=yes,tied=no"
    found = plan(
        "training", "--shape", sizes, "--tokens", "1T", "--on", "2048xa100-80gb",
        "--year", "2023", "--json",
    ).values  # fmt: skip
    assert found["parameters"]["value"] == 6_738_415_616  # LLaMA 7B, as its checkpoint has
    # arXiv:2302.13971, table 15: 82,432 GPU-hours
    assert found["chip_hours"]["low"] < 82432 < found["chip_hours"]["high"]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("layers=32", "describes no model without width, heads, hidden"),
        ("layers=32,wdth=4096", "Did you mean width"),
        ("layers=-3,width=64,heads=2,hidden=64", "must be more than zero"),
        ("layers=two", "is not a number of layers"),
    ],
)
def test_a_shape_that_is_none_is_refused(plan, sizes: str, said: str) -> None:  # type: ignore[no-untyped-def]
    assert said in plan("memory", "--shape", sizes, "--on", "h100-sxm", code=2).err


def test_memory_is_told_for_training_and_serving(plan) -> None:  # type: ignore[no-untyped-def]
    found = plan("memory", "llama-3.1-8b", "--on", "8xh100-sxm", "--json").values
    assert found["serving"]["weights"]["value"] == pytest.approx(2 * 8_030_261_248 / 8)
    assert found["serving"]["kv_cache"]["value"] == 64 * 2048 * 131072 / 8
    assert found["training"]["total"]["value"] < 80 * 2**30
    small = plan("memory", "--params", "70e9", "--on", "t4", "--json").values
    assert small["training"] is None
    assert "Nothing fits" in small["problem"]


def test_memory_needs_a_model_and_chips(plan) -> None:  # type: ignore[no-untyped-def]
    assert "Give one model" in plan("memory", "--on", "t4", code=2).err
    assert "Say on which chips" in plan("memory", "gpt2", code=2).err
    assert "at least 1" in plan("memory", "gpt2", "--on", "t4", "--batch", "0", code=2).err


def test_fine_tuning_is_told_by_each_way(plan) -> None:  # type: ignore[no-untyped-def]
    asked = ("finetuning", "llama-3.1-8b", "--tokens", "10e6", "--on", "h100-sxm", "--json")
    lora = plan(*asked).values
    qlora = plan(*asked, "--method", "qlora").values
    assert lora["trained_parameters"]["value"] == 41_943_040
    assert qlora["memory_bytes"]["value"] < lora["memory_bytes"]["value"]
    assert lora["dollars"]["low"] < lora["dollars"]["value"] < lora["dollars"]["high"]


def test_fine_tuning_refuses_what_makes_no_sense(plan) -> None:  # type: ignore[no-untyped-def]
    said = plan("finetuning", "llama-3.1-8b", code=2).err
    assert "--tokens 10e6 --on 1xh100-sxm" in said
    big = ("finetuning", "llama-3.1-8b", "--tokens", "1e6", "--on", "t4")
    assert "lora does not fit on 1 x t4" in plan(*big, code=2).err
    assert "a rank is from 1" in plan(*big, "--rank", "0", code=2).err
