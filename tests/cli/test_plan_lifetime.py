"""isoflop plan lifetime, as a person or a script meets it."""

from typing import Any

import pytest

ASKED = ("lifetime", "--quality-of", "13e9", "--served-tokens", "2e12")


def test_the_published_example_comes_out_with_its_interval(plan: Any) -> None:
    found = plan(*ASKED, "--json").values
    assert found["unit"] == "flops"
    assert found["parameters"]["value"] == pytest.approx(7.1e9, rel=0.005)
    assert found["saved_share"]["value"] == pytest.approx(0.163, abs=0.001)
    for name in ("parameters", "tokens", "cost", "saved_share"):
        figure = found[name]
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["basis"] == "forecast"
    low, high = (end["parameters"]["value"] for end in found["as_good_for_the_same_cost"])
    assert (low, high) == pytest.approx((4.1e9, 11.0e9), rel=0.01)
    assert list(found["by_law"]) == ["chinchilla-3", "epoch", "muennighoff"]


def test_a_person_reads_what_is_saved_and_how_flat_it_is(plan: Any) -> None:
    run = plan(*ASKED)
    assert "Saves 16.3 %: 1.63e22 FLOP." in run.out
    assert "every size from 4.1B to 11B is within 0.5 %" in run.out
    assert "6 N D FLOPs to train, 2 N for a token served" in run.err


def test_dollars_are_counted_where_a_chip_is_named(plan: Any) -> None:
    one = plan(*ASKED, "--on", "h100-sxm", "--price", "2", "--json").values
    assert one["unit"] == "dollars"
    train = {name: figure["value"] for name, figure in one["cheapest"].items()}
    flops = 6 * train["parameters"] * train["tokens"]
    assert train["training"] == pytest.approx(flops / (989e12 * 0.5) / 3600 * 2)
    dear = plan(
        *ASKED, "--on", "h100-sxm", "--price", "$2", "--output-mfu", "0.01", "--json"
    ).values
    assert dear["parameters"]["value"] < one["parameters"]["value"]
    other = plan(
        *ASKED, "--on", "h100-sxm", "--serve-on", "a100-80gb", "--serve-price", "1", "--json"
    ).values
    assert other["cheapest"]["prompts"]["value"] == pytest.approx(
        2 * other["cheapest"]["parameters"]["value"] * 1.6e12 / (312e12 * 0.4) / 3600
    )


def test_a_model_its_data_cannot_make_is_unknown_and_not_free(plan: Any) -> None:
    found = plan(
        "lifetime", "--quality-of", "2e9@10e12", "--served-tokens", "1T",
        "--unique-tokens", "400B", "--json",
    ).values  # fmt: skip
    assert found["given"]["tokens"] is None
    assert found["given"]["cost"] is None
    assert found["saved_share"] is None
    assert found["parameters"]["value"] > 2e9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (ASKED[:3], "--quality-of 13e9 --served-tokens 2e12"),
        ((*ASKED[:2], "-3", *ASKED[3:]), "must be more than zero"),
        ((*ASKED[:2], "1e30", *ASKED[3:]), "no law was fitted anywhere near"),
        ((*ASKED[:2], "13e9@7", *ASKED[3:]), "no law was fitted anywhere near"),
        ((*ASKED[:4], "many"), "'many' is not a number of served tokens"),
        ((*ASKED, "--law", "epok"), "Did you mean epoch?"),
        ((*ASKED, "--law", "kaplan"), "gives the best split only"),
        ((*ASKED, "--output-share", "1.2"), "a share is from 0 to 1"),
        ((*ASKED, "--price", "2"), "name the one to train on with --on"),
        ((*ASKED, "--on", "h1000"), "Did you mean"),
        ((*ASKED, "--on", "h100-sxm", "--format", "fp3"), "in fp3 is not known. Known: "),
        ((*ASKED, "--on", "h100-sxm", "--prompt-mfu", "0"), "Utilisation is more than 0"),
        ((*ASKED, "--unique-tokens", "1B"), "More data is needed"),
    ],
)
def test_bad_input_gets_its_own_message(plan: Any, arguments: tuple[str, ...], said: str) -> None:
    assert said in plan(*arguments, code=2).err
