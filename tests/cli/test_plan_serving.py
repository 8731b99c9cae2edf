"""isoflop plan serving: its figures in JSON, its advice, and what it refuses."""

from typing import Any

import pytest

EIGHT = ("llama-3.1-8b", "--on", "8xh100-sxm", "--prompt", "2000", "--output", "300")


def test_memory_speed_price_and_energy_with_intervals(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--users", "50", "--tp", "1", "--json").values
    assert told["copies"] == 8
    assert told["memory"]["weights_bytes_per_chip"] == 2 * 8_030_261_248
    assert told["memory"]["users_that_fit"] == 8 * 203
    for name in (
        "first_token_seconds", "token_seconds", "answer_seconds", "tokens_per_second",
        "dollars_per_output_token", "joules_per_answer", "grams_co2e_per_answer",
    ):  # fmt: skip
        assert told[name]["low"] < told[name]["value"] < told[name]["high"], name
    assert told["first_token_seconds"]["value"] > told["prefill_seconds"]["value"]
    assert told["decode"]["bound"] == "memory"
    assert told["prefill"]["bound"] == "compute"


def test_price_follows_load_and_the_chips_price(plan: Any) -> None:
    def answer(*more: str) -> float:
        told = plan("serving", *EIGHT, "--tp", "1", *more, "--json").values
        return float(told["dollars_per_answer"]["value"])

    assert answer("--load", "0.2") == pytest.approx(2 * answer("--load", "0.4"))
    assert answer("--price", "10") == pytest.approx(5 * answer("--price", "2"))


def test_tokens_add_up_to_the_answer(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--json").values
    read, written = (told[f"dollars_per_{kind}_token"]["value"] for kind in ("prompt", "output"))
    assert 2000 * read + 300 * written == pytest.approx(told["dollars_per_answer"]["value"])


def test_no_way_of_the_frontier_is_beaten_by_another(plan: Any) -> None:
    ways = plan("serving", *EIGHT, "--json").values["frontier"]
    users = [way["tokens_per_second_per_user"] for way in ways]
    chips = [way["tokens_per_second_per_chip"] for way in ways]
    assert users == sorted(users, reverse=True)
    assert chips == sorted(chips)


def test_a_large_model_is_sharded_and_a_small_one_copied(plan: Any) -> None:
    large = plan("serving", "--params", "70e9", "--on", "8xh100-sxm")
    assert "Shard in the engine" in large.out
    small = plan("serving", "--params", "1e9", "--on", "8xl4", "--users", "1000", "--think", "0")
    assert "Copy, do not shard" in small.out


def test_an_api_is_dearer_or_cheaper(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--api-price", "api.openai.com/gpt-4o")
    assert "Own chips pay from" in told.out
    told = plan("serving", *EIGHT, "--api-price", "0.001/0.001")
    assert "The API is cheaper at any load" in told.out


def test_targets_name_their_source(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--for", "conversation", "--users", "8")
    assert "is kept" in told.out
    assert "MLPerf" in told.out
    told = plan("serving", "--params", "70e9", "--on", "2xa100-80gb-sxm", "--for", "keystroke")
    assert "not kept" in told.out


def test_sizes_in_place_of_a_name(plan: Any) -> None:
    sizes = ("--layers", "32", "--width", "4096", "--heads", "32", "--kv-heads", "8")
    told = plan(
        "serving", *sizes, "--hidden", "14336", "--vocabulary", "128256", "--on", "h100-sxm",
        "--json",
    ).values  # fmt: skip
    assert told["memory"]["weights_bytes_per_chip"] == 2 * 8_030_261_248


def test_conventions_are_told(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--grid", "FR", "--pue", "1.2")
    for word in ("MFU", "MBU", "TPOT", "40% load", "PUE 1.2", "FR 2023", "$2.95"):
        assert word in told.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llama-3.1-8b",), "--on 8xh100-sxm"),
        (("--on", "h100-sxm"), "Name one model"),
        (("llama-3.1-8b", "--params", "7e9", "--on", "h100-sxm"), "Name one model"),
        (("--layers", "3", "--on", "h100-sxm"), "--width and --heads"),
        (("llama-3.1-8b", "--on", "h100", "--users", "1e6"), "more than 20,000 a chip"),
        (("llama-3.1-8b", "--on", "h100", "--rate", "1e9/s"), "more than 10,000 a chip"),
        (("llama-9", "--on", "h100-sxm"), "Nothing called 'llama-9'"),
        (("llama-3.1-8b", "--on", "h101-sxm"), "h101-sxm"),
        ((*EIGHT, "--users", "0"), "more than zero"),
        ((*EIGHT, "--users", "2.5"), "whole numbers"),
        ((*EIGHT, "--users", "5", "--rate", "3/s"), "not both"),
        ((*EIGHT, "--rate", "3"), "in how long"),
        ((*EIGHT, "--rate", "1e6/s"), "faster than they are answered"),
        ((*EIGHT, "--load", "1.5"), "load of 1.5"),
        ((*EIGHT, "--shared", "1"), "share of the prompt"),
        ((*EIGHT, "--weights", "fp7"), "fp8"),
        ((*EIGHT, "--engine", "vlm"), "vllm"),
        ((*EIGHT, "--for", "talk"), "conversation"),
        ((*EIGHT, "--tp", "16"), "more than the machine's 8"),
        ((*EIGHT, "--tp", "0"), "at least 1"),
        ((*EIGHT, "--api-price", "cheap"), "0.5/1.5"),
        ((*EIGHT, "--prompt", "-5"), "prompt length"),
        (("--params", "70e9", "--on", "h100-sxm"), "2 x h100-sxm"),
        (("gpt2", "--on", "h100-sxm", "--prompt", "2000"), "the model holds 1,024"),
        (("minilm", "--on", "h100-sxm"), "an encoder"),
    ],
)
def test_what_cannot_be_is_refused_by_its_own_message(
    plan: Any, arguments: tuple[str, ...], message: str
) -> None:
    told = plan("serving", *arguments, code=2)
    assert message in told.err
    assert not told.out


def test_drafts_and_groups_of_experts(plan: Any) -> None:
    told = plan("serving", *EIGHT, "--drafts", "3", "--json")
    assert told.values["drafted_token_seconds"]["value"] < told.values["token_seconds"]["value"]
    assert "own time is left out" in told.err
    told = plan("serving", *EIGHT, "--tp", "2", "--dp", "2", "--json").values
    assert told["copies"] == 2


def test_a_shared_prefix_makes_the_first_token_sooner(plan: Any) -> None:
    first = [
        plan("serving", *EIGHT, "--tp", "1", "--shared", share, "--json").values[
            "first_token_seconds"
        ]["value"]
        for share in ("0", "0.8")
    ]
    assert first[1] < first[0]


def test_the_frontier_is_drawn(plan: Any, tmp_path: Any) -> None:
    pytest.importorskip("altair")
    out = tmp_path / "frontier.svg"
    plan("serving", *EIGHT, "--plot", str(out))
    assert "<svg" in out.read_text()[:200]


def test_cores_serve_as_one_chip_with_the_memory_given(plan: Any) -> None:
    small = ("llama-3.1-8b", "--weights", "q4_k_m", "--engine", "llama.cpp", "--memory", "32e9")
    told = [
        plan("serving", *small, "--on", cores, "--json").values
        for cores in ("4xavx2-core", "8xavx2-core")
    ]
    assert [one["chips"] for one in told] == [1, 1]
    few, many = (one["token_seconds"]["value"] for one in told)
    assert 1.5 < few / many < 2
    refused = plan("serving", *small[:-2], "--on", "8xavx2-core", code=2)
    assert "--memory 32e9" in refused.err
