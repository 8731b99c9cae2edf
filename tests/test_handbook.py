"""The bundled handbook: its form, its questions, and the arithmetic of its examples."""

import json
import math
import re
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from isoflop.architecture import Architecture
from isoflop.measure.statistics.paired import mcnemar
from isoflop.measure.statistics.proportions import wilson
from isoflop.plan.flops import forward_flops, parameters

HANDBOOK = files("isoflop") / "handbook"
QUESTIONS_FILE = files("isoflop") / "measure" / "handbook_questions.jsonl"
PAGES = {
    page.name: page.read_text(encoding="utf-8")
    for page in sorted(HANDBOOK.iterdir(), key=lambda page: page.name)
    if page.name.endswith(".md")
}
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in QUESTIONS_FILE.read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question["page"] is not None]

LLAMA_8B = Architecture(
    layers=32,
    width=4096,
    heads=32,
    kv_heads=8,
    hidden=14336,
    vocabulary=128256,
    gated=True,
    tied=False,
)
MINILM = Architecture(
    layers=6, width=384, heads=12, hidden=1536, vocabulary=30522, causal=False, tied=None
)


# Form


def test_there_are_twelve_to_twenty_pages() -> None:
    assert 12 <= len(PAGES) <= 20


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_title_several_headings_and_450_to_900_words(name: str) -> None:
    text = re.sub(r"^```.*?^```", "", PAGES[name], flags=re.MULTILINE | re.DOTALL)
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^## ", text, re.MULTILINE)) >= 3
    assert 450 <= len(PAGES[name].split()) <= 900


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_page(name: str) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", PAGES[name])
    assert targets, "a page links to at least one other"
    assert set(targets) <= PAGES.keys() - {name}


def test_every_page_is_linked_from_another() -> None:
    linked = set(re.findall(r"\]\(([^)]+)\)", "\n".join(PAGES.values())))
    assert linked == PAGES.keys()


# Questions


def test_there_are_at_least_56_answerable_and_12_unanswerable_questions() -> None:
    assert len(ANSWERABLE) >= 56
    assert len(QUESTIONS) - len(ANSWERABLE) >= 12


def test_ids_and_texts_of_questions_are_unique() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["text"] for question in QUESTIONS}) == len(QUESTIONS)


def test_every_page_is_asked_about() -> None:
    assert {question["page"] for question in ANSWERABLE} == PAGES.keys()


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_answer_stands_in_its_page_within_one_line(question: dict[str, Any]) -> None:
    lines = PAGES[question["page"]].splitlines()
    assert question["answers"]
    for answer in question["answers"]:
        assert any(answer in line for line in lines), answer
        assert answer not in question["text"]
    assert question["cluster"] == question["page"].removesuffix(".md")


def test_an_unanswerable_question_has_no_answer_and_is_its_own_cluster() -> None:
    for question in QUESTIONS:
        if question["page"] is None:
            assert question["answers"] == []
            assert question["cluster"] == question["id"]


def test_nine_answers_in_ten_stand_in_one_page_only() -> None:
    answers = [answer for question in ANSWERABLE for answer in question["answers"]]
    elsewhere = [a for a in answers if sum(a in text for text in PAGES.values()) > 1]
    assert len(elsewhere) <= 0.1 * len(answers), elsewhere


# Arithmetic: what a page says, recomputed

RATE = 0.4 * 989e12  # one H100 at 40 % of its dense bf16 peak
EPOCH = {"e": 1.817, "a": 482.01, "b": 2085.43, "alpha": 0.348, "beta": 0.366}
HOFFMANN = {  # the third method, unrounded as in the TeX source of arXiv:2203.15556
    "e": math.exp(0.5267228),
    "a": math.exp(6.0073404),
    "b": math.exp(6.0179186),
    "alpha": 0.33917,
    "beta": 0.28491,
}
LLAMA_MATRICES = 32 * LLAMA_8B.matrix_parameters_per_layer + 128256 * 4096


def scientific(value: float, digits: int = 2) -> str:
    """As the pages write it: 3.14e23."""
    return f"{value:.{digits}e}".replace("e+", "e")


def terms(size: float, tokens: float) -> tuple[float, float]:
    """What is lost to finite parameters and to finite data, in nats."""
    return EPOCH["a"] / size ** EPOCH["alpha"], EPOCH["b"] / tokens ** EPOCH["beta"]


def loss(size: float, compute: float) -> float:
    """Of a model of this size, trained with 6ND = compute."""
    return EPOCH["e"] + sum(terms(size, compute / 6 / size))


def best_size(compute: float) -> float:
    """Found by search, not by the closed form which the page prints."""
    return min((10 ** (6 + step / 4000) for step in range(24000)), key=lambda n: loss(n, compute))


def lifetime_flops(size: float, served: float) -> float:
    """To train and serve a model as good as an optimal one of 13 billion parameters."""
    h = HOFFMANN
    # At the training optimum the two terms stand in the ratio beta to alpha.
    reducible = h["a"] / 13e9 ** h["alpha"] * (1 + h["alpha"] / h["beta"])
    tokens: float = (h["b"] / (reducible - h["a"] / size ** h["alpha"])) ** (1 / h["beta"])
    return 6 * size * tokens + 2 * size * served


def answer_flops(prompt: int, output: int = 0, cached: int = 0) -> float:
    """Of Llama 3.1 8B, counted token by token: each attends to all that stand before it."""
    pair = 4 * LLAMA_8B.layers * LLAMA_8B.query_width
    read = pair * (prompt**2 / 2 + cached * prompt)
    written = pair * output * (cached + prompt)  # the answer's own tokens are left out
    return 2 * LLAMA_MATRICES * (prompt + output) + read + written


def p_value(only_first: int, only_second: int) -> float:
    first = [True] * only_first + [False] * only_second
    return mcnemar(first, [not right for right in first])


PASSAGE = forward_flops(MINILM, [256])
TUNING = 4 * 7.5e9 * 3e7
CLOSED = answer_flops(50, 100)
RETRIEVAL = answer_flops(50 + 5 * 256, 100)
CACHED = answer_flops(50, 100, cached=100_000)

WORKED: dict[str, list[tuple[Any, ...]]] = {
    "compute-as-currency.md": [
        ("a day, is {} FLOPs", scientific(1e15 * 86400)),
        ("takes {:,.0f} seconds, or {:.0f} minutes", 1e18 / RATE, 1e18 / RATE / 60),
        ("that is {:.2f} dollars", 1e18 / RATE / 3600 * 2.95),
        ("it is {:.2f} kWh", 1e18 / RATE * 700 / 3.6e6),
        ("about {:.0f} days", 1e18 / 192e9 / 86400),
    ],
    "counting-flops.md": [
        ("300e9 = {} FLOPs", scientific(6 * 174.6e9 * 300e9)),
        ("total is {:,}, exactly", parameters(LLAMA_8B)),
        ("= {} FLOPs", scientific(6 * 37e9 * 14.8e12)),
        ("adds only {:.1f} % to 6ND", 100 * 12 * 96 * 12288 * 1024 / (6 * 174.6e9)),
        ("about {:,.0f} tokens; beyond", round(LLAMA_MATRICES / (32 * 4096), -3)),
    ],
    "scaling-laws.md": [
        ("predicts {:.3f} nats", EPOCH["e"] + sum(terms(280e9, 300e9))),
        ("and {:.3f} for Chinchilla", EPOCH["e"] + sum(terms(70e9, 1.4e12))),
        ("data term, {1:.3f}, is more than twice the parameter term, {0:.3f}", *terms(280e9, 3e11)),
        ("balanced, {:.3f} and {:.3f}", *terms(70e9, 1.4e12)),
        ("worth {:.2f} epochs", 1 - 15.387756 * math.expm1(-3 / 15.387756)),
        ("epochs are worth {:.1f}, and", 1 - 15.387756 * math.expm1(-39 / 15.387756)),
        ("= {:.3f}.", 0.366 / (0.348 + 0.366)),
    ],
    "lifetime-optimum.md": [
        ("| 1e18 | {:.0f} million |", best_size(1e18) / 1e6),
        ("| 1e20 | {:.0f} million |", best_size(1e20) / 1e6),
        ("| 1e22 | {:.2f} billion |", best_size(1e22) / 1e9),
        ("| 5.76e23 | {:.1f} billion |", best_size(5.76e23) / 1e9),
        ("{:.2f} % in loss", 100 * (loss(36.15e9, 5.76e23) / loss(72.3e9, 5.76e23) - 1)),
        ("5.20e22 for serving, {} together", scientific(lifetime_flops(13e9, 2e12))),
        ("2.80e22 for serving, {} together", scientific(lifetime_flops(7e9, 2e12))),
        ("saves {:.1f} %", 100 - 100 * lifetime_flops(7e9, 2e12) / lifetime_flops(13e9, 2e12)),
        ("which is {:,.0f} tokens per parameter", 15e12 / 8.03e9),
        ("roughly {:.0f} million parameters", round(best_size(RATE * 172800) / 1e6, -2)),
    ],
    "utilisation-and-roofline.md": [
        ("an MFU of {:.1f} %", 100 * 6 * 65.2e9 * 1.4e12 / (1022362 * 3600 * 312e12)),
        ("| 2.039 | {:.0f} |", 312 / 2.039),
        ("| 3.35 | {:.0f} |", 989 / 3.35),
        ("| 4.8 | {:.0f} |", 989 / 4.8),
    ],
    "memory-and-kv-cache.md": [
        ("| 32 | 32 | {:,} |", 2 * 32 * 32 * 128 * 2),
        ("| 32 | 8 | {:,} |", 2 * 32 * 8 * 128 * 2),
        ("| 80 | 8 | {:,} |", 2 * 80 * 8 * 128 * 2),
        ("exactly {:.0f} GiB", 131072 * 131072 / 2**30),
        ("takes {:.0f} GiB", 327680 * 32768 / 2**30),
        ("more than {:.0f} MiB", 131072 * 4096 / 2**20),
        ("or {:,} bytes over", 61 * (512 + 64) * 2),
        ("tokens that is {:.0f} GiB", 34 * 4096 * 4096 * 32 / 2**30),
    ],
    "serving-and-latency.md": [
        ("s = {:.1f} ms", 16.06 / 2039 * 1000),
        ("at most {:.0f} tokens per second", 2039 / 16.06),
        ("that is {:.2f} s to the first token", 2 * 7.5e9 * 4000 / 156e12),
        ("k = 4, that is {:.2f}", sum(0.8**accepted for accepted in range(5))),
        ("4 tokens, {:.1f} of the 8", 8 * (1 - (1 - 2 / 8) ** 4)),
        ("costs {:.2f} dollars per million", 2.95 / (2500 * 3600 * 0.4) * 1e6),
    ],
    "retrieval-by-words.md": [
        ("10 of them weighs {:.2f}", math.log(1 + 990.5 / 10.5)),
        ("500 weighs {:.2f}", math.log(1 + 500.5 / 500.5)),
        ("occurrences {:.2f}, ten {:.2f}", 2 * 2.2 / 3.2, 10 * 2.2 / 11.2),
        ("counts {:.2f} in place of 1.00", 2.2 / (1 + 1.2 * (1 - 0.75 + 0.75 * 2))),
    ],
    "retrieval-by-vectors.md": [
        ("with attention, {:.2f} billion", PASSAGE / 1e9),
        ("takes {} FLOPs", scientific(30_000 * PASSAGE)),
        ("16 tokens costs {:.2f} billion", forward_flops(MINILM, [16]) / 1e9),
        ("takes {:.0f} ms", 1e6 * 384 / 20e9 * 1000),
    ],
    "fusion-and-reranking.md": [
        ("1/61 + 1/63 = {:.5f}", 1 / 61 + 1 / 63),
        ("2/62 = {:.5f}", 2 / 62),
        ("both, which gets {:.5f}", 2 / 70),
        ("cost {:.2f} TFLOP", 50 * PASSAGE / 1e12),
        ("takes {:,} bytes", 256 * 384),
        ("nDCG is {:.3f}", (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
    ],
    "passages-and-citations.md": [
        ("about {:.0f} words", 256 / 1.3),
        ("about {:,.0f} such passages", round(1.3e6 / 256, -1)),
        ("about {:,.0f} passages", round(1.3e6 / 224, -2)),
    ],
    "long-context.md": [
        ("1.05e12 | {} |", scientific(answer_flops(2_000))),
        ("2.62e15 | {} |", scientific(answer_flops(100_000))),
        ("costs {:.0f} times as much", answer_flops(100_000) / answer_flops(2_000)),
        ("takes {:.1f} seconds", answer_flops(100_000) / (989e12 / 2)),
        ("wave is about {:,.0f} tokens", round(2 * math.pi * 10_000 ** (126 / 128), -3)),
        ("wave to {:.2f} million", 2 * math.pi * 500_000 ** (126 / 128) / 1e6),
    ],
    "structured-prompting.md": [
        ("tokens take {:.1f} GiB", 60_000 * 131072 / 2**30),
        ("| {} | {} |", scientific(262144 * 6e4**2), scientific(40 * 262144 * 1500**2)),
        ("total FLOPs | {} |", scientific(1.5e10 * 60_000 + 262144 * 6e4**2)),
    ],
    "fine-tuning-and-lora.md": [
        ("= {:,} parameters", 16 * (4096 + 4096) + 16 * (4096 + 1024)),
        ("6.8 million x 16 bytes = {:.0f} MB", 32 * 212_992 * 16 / 1e6),
        ("3e7 = {} FLOPs", scientific(TUNING, 1)),
        (
            "{:.0f} minutes and costs {:.2f} dollars",
            TUNING / RATE / 60,
            TUNING / RATE / 3600 * 2.95,
        ),
        ("after {:,.0f} questions", TUNING / (1500 * 1.5e10)),
    ],
    "agents-and-tools.md": [
        ("reads {:,} prompt tokens", sum(2000 + 500 * step for step in range(10))),
        ("0.95^20 = {:.2f}", 0.95**20),
        ("1 - 0.7^5 = {:.2f}", 1 - 0.7**5),
        ("majority with {:.2f}", sum(math.comb(5, k) * 0.7**k * 0.3 ** (5 - k) for k in (3, 4, 5))),
    ],
    "perplexity-and-compression.md": [
        ("perplexity of {:.2f}:", math.exp(2)),
        ("or {:.1f} bits per token", math.log2(50257)),
        ("{:.3f} bits per token and {:.3f} bits", 2 / math.log(2), 2 / math.log(2) / 4.4),
    ],
    "detecting-machine-text.md": [
        ("chance would give 50, z is {:.2f}", (90 - 0.25 * 200) / math.sqrt(200 * 0.25 * 0.75)),
        ("z is only {:.2f}", (18 - 0.25 * 40) / math.sqrt(40 * 0.25 * 0.75)),
        ("so {:.0f} % of its accusations", 100 * 40 / (40 + 9.5)),
        ("only {:.0f} % of the accusations", 100 * 40 / (40 + 95)),
    ],
    "exams-and-statistics.md": [
        ("from {:.1f} % to {:.1f} %", 100 * wilson(45, 50).low, 100 * wilson(45, 50).high),
        ("plus or minus {:.1f} points", 196 * math.sqrt(0.7 * 0.3 / 100)),
        ("p-value is {:.3f}", p_value(12, 4)),
        ("15 against 3 it is {:.4f}", p_value(15, 3)),
        ("false success is {:.0f} %", 100 * (1 - 0.95**6)),
        ("count as {:.0f}.", 200 / (1 + 4 * 0.3)),
    ],
    "energy-carbon-dollars.md": [
        ("that is {:.0f} MWh", 1022362 * 0.4 * 1.1 / 1000),
        ("per kWh {:.0f} tonnes", 1022362 * 0.4 * 1.1 / 1000 * 0.385),
        ("spends {:.1f} joules per token", 20 / (238 * 1.3 / 60)),
        ("emits {:.1f} times as much", 662 / 56),
        ("causes {:.0f} grams an hour", 0.7 * 1.1 * 369),
        ("{:.2f} million dollars", 2.788 * 2),
    ],
    "methods-at-equal-compute.md": [
        ("closed book | 0 | {} |", scientific(CLOSED)),
        ("passages | {} | {} |", scientific(100_000 / 256 * PASSAGE), scientific(RETRIEVAL)),
        ("read anew | 0 | {} |", scientific(answer_flops(100_050, 100))),
        ("cached prefix | {} | {} |", scientific(answer_flops(100_000)), scientific(CACHED)),
        ("about {:.0f} questions while", round(answer_flops(100_000) / (RETRIEVAL - CACHED), -1)),
        ("about {:.0f} questions.", 4 * 7.5e9 * 3e5 / (RETRIEVAL - CLOSED)),
        ("{:.1f} GB of keys", 100_000 * 131072 / 1e9),
    ],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_worked_examples_of_a_page_are_worked_rightly(page: str) -> None:
    said = [template.format(*values) for template, *values in WORKED[page]]
    assert [phrase for phrase in said if phrase not in PAGES[page]] == []


def test_grid_intensities_agree_with_the_catalog() -> None:
    grids = tomllib.loads((files("isoflop") / "catalog/grids.toml").read_text(encoding="utf-8"))
    names = {"NO": "Norway", "FR": "France", "GB": "United Kingdom", "US": "United States"}
    for code, name in names.items():
        grams = grids[code]["grams_per_kilowatt_hour"]
        assert f"| {name} | {grams} |" in PAGES["energy-carbon-dollars.md"]
