"""Writing: with and without cache, alone and in a batch, the tokens are the same."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from isoflop.errors import UsageError
from isoflop.lm.causal import CausalModel
from isoflop.lm.generate import Request, generate, work
from isoflop.lm.local import prompt_ids
from isoflop.lm.model import Generated, Message
from isoflop.lm.sample import Sampling
from isoflop.lm.scoring import likelihoods
from isoflop.lm.transformer import POSITIONS
from tests.lm.models import CONFIGS, TOKENIZER, hugging_face_model, own_model

PROMPTS = ["the cat", "a", "the dog ate the log and the cat 日本"]
DRAWN = Sampling(
    1.0, top_k=60, top_p=0.95, min_p=0.01, repetition_penalty=1.2, presence_penalty=0.1,
    frequency_penalty=0.1, seed=4,
)  # fmt: skip
ALL = [*POSITIONS, *(f"hf:{kind}" for kind in CONFIGS)]


def model_of(name: str) -> Any:
    kind = name.removeprefix("hf:")
    return hugging_face_model(kind) if name != kind else own_model(kind)


def told(answers: list[Generated]) -> list[tuple[str, int | None, str | None]]:
    return [(each.text, each.output_tokens, each.finish_reason) for each in answers]


@pytest.mark.parametrize("sampling", [Sampling(), DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize("name", ALL)
def test_cached_and_batched_rows_write_what_each_would_alone_without_a_cache(
    name: str, sampling: Sampling
) -> None:
    model = model_of(name)
    prompts = [prompt_ids(model, prompt) for prompt in PROMPTS]
    request = Request(16, sampling, ignore_end=True)
    together = generate(model, prompts, request)
    assert [each.output_tokens for each in together] == [16] * 3
    for row, prompt in enumerate(prompts):
        alone = replace(request, cached=False, sampling=replace(sampling, seed=sampling.seed + row))
        assert told(generate(model, [prompt], alone)) == told([together[row]])


@pytest.mark.parametrize("kind", CONFIGS)
def test_greedy_text_is_that_of_transformers(kind: str) -> None:
    model = hugging_face_model(kind)
    prompt = torch.tensor([prompt_ids(model, PROMPTS[2])])
    theirs = model.model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False,
        eos_token_id=-1,
    )  # fmt: skip
    ours = generate(model, prompt.tolist(), Request(16, ignore_end=True))[0]
    assert ours.text == model.decode(theirs[0, prompt.shape[1] :].tolist())


@pytest.mark.parametrize("name", ALL)
def test_log_probabilities_of_the_output_are_those_of_scoring_it(name: str) -> None:
    model = model_of(name)
    prompts = [prompt_ids(model, prompt) for prompt in PROMPTS]
    spoken = generate(model, prompts, Request(9, alternatives=3))
    for prompt, answer in zip(prompts, spoken, strict=True):
        scored = answer.scored
        assert scored is not None
        assert scored.alternatives is not None
        assert sum(scored.byte_lengths) == len(answer.text.encode())
        assert "".join(scored.tokens) == answer.text
        for value, top in zip(scored.log_probabilities, scored.alternatives, strict=True):
            assert value == pytest.approx(max(top.values()))  # greedy: the most likely
        first = scored.log_probabilities[0]
        logits = model.logits(torch.tensor([prompt]), last=True)[0, -1]
        assert first == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-5)


@pytest.mark.parametrize("name", ["rope", "alibi", "hf:llama", "hf:mpt", "hf:mistral"])
@pytest.mark.parametrize(("batch", "chunk"), [(1, 512), (3, 4), (2, 1), (8, 7)])
def test_likelihoods_are_the_same_in_any_batches_and_chunks(
    name: str, batch: int, chunk: int
) -> None:
    model = model_of(name)
    rows = [prompt_ids(model, prompt) for prompt in [*PROMPTS, "", "the mat. " * 6]]
    found = likelihoods(model, rows, batch=batch, chunk=chunk)
    for row, likelihood in zip(rows, found, strict=True):
        logged = model.logits(torch.tensor([row])).log_softmax(-1)[0]
        expected = [float(logged[at, id]) for at, id in enumerate(row[1:])]
        assert likelihood.log_probabilities == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["rope", "hf:llama"])
def test_scores_of_prompt_and_continuation_add_up_to_the_score_of_the_text(name: str) -> None:
    model = model_of(name)
    prompt, continuation = "the cat", " sat on the 日本 mat"
    whole = model.score(prompt + continuation)
    after = model.score_continuation(prompt, continuation)
    assert sum(whole.byte_lengths) == len((prompt + continuation).encode())
    assert after.prompt_bytes == 0
    assert sum(after.byte_lengths) == len(continuation.encode())
    expected = whole.log_probability - model.score(prompt).log_probability
    assert after.log_probability == pytest.approx(expected, abs=1e-4)


def test_a_token_across_the_boundary_counts_whole_and_says_so() -> None:
    model = own_model()
    assert TOKENIZER.encode("the ca" + "t")[-1] == TOKENIZER.encode(" cat")[0]
    scored = model.score_continuation("the ca", "t")
    assert scored.tokens == ("t",)
    assert (scored.prompt_bytes, scored.byte_lengths) == (3, (1,))  # " ca" and "t"
    assert scored.log_probabilities == model.score("the cat").log_probabilities[-1:]


def test_rows_stop_at_stop_strings_and_the_others_go_on() -> None:
    model = own_model()
    prompts = [prompt_ids(model, prompt) for prompt in PROMPTS]
    free = generate(model, prompts, Request(24, ignore_end=True))
    stop = free[0].text[5:8]
    shown: dict[int, str] = {0: "", 1: "", 2: ""}
    held = generate(
        model, prompts, Request(24, ignore_end=True, stop=(stop,), alternatives=0),
        lambda row, text: shown.__setitem__(row, shown[row] + text),
    )  # fmt: skip
    assert held[0].finish_reason == "stop"
    for row, (answer, whole) in enumerate(zip(held, free, strict=True)):
        assert answer.text == whole.text.partition(stop)[0] == shown[row]
        assert answer.scored is not None
        assert sum(answer.scored.byte_lengths) == len(answer.text.encode())


def test_the_models_end_stops_a_row_and_is_no_text() -> None:
    model = own_model()
    prompt = prompt_ids(model, "the")
    free = generate(model, [prompt], Request(1))[0].text
    ends = _Ending(model, TOKENIZER.encode(free)[0])
    answer = generate(ends, [prompt], Request(9))[0]
    assert told([answer]) == [("", 1, "stop")]


class _Ending:
    """A model whose text ends at another token."""

    def __init__(self, model: CausalModel, end: int) -> None:
        self._model, self.ends = model, frozenset((end,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers() -> None:
    model = own_model("learned")
    with pytest.raises(UsageError, match=r"prompt is 65 tokens, isoflop: holds 64\."):
        generate(model, [[0] * 65], Request(1))
    with pytest.raises(UsageError, match=r"text is 70 tokens, isoflop: holds 64\."):
        likelihoods(model, [[0] * 71])


def test_writing_stops_where_the_context_is_full() -> None:
    answer = generate(own_model("learned"), [[0] * 60], Request(99, ignore_end=True))[0]
    assert (answer.output_tokens, answer.finish_reason) == (5, "length")


def test_an_empty_prompt_and_no_tokens_are_refused() -> None:
    with pytest.raises(UsageError, match="prompt is empty"):
        generate(own_model(), [[]], Request(1))
    with pytest.raises(UsageError, match="most_tokens=0"):
        Request(0)


@pytest.mark.parametrize("name", ["rope", "hf:llama"])
def test_a_conversation_is_put_in_the_models_own_tokens(name: str) -> None:
    model = model_of(name)
    said = [Message("system", "be kind"), Message("user", "the cat")]
    ids = model.encode_messages(said)
    t = TOKENIZER
    assert ids == [
        t.special("<|system|>"), *t.encode("be kind"), t.end,
        t.special("<|user|>"), *t.encode("the cat"), t.end, t.special("<|assistant|>"),
    ]  # fmt: skip
    shown: list[str] = []
    answer = model.generate(said, most_tokens=7, on_text=shown.append)
    assert "".join(shown) == answer.text
    assert answer.text == generate(model, [ids], Request(7))[0].text
    assert answer.bill.prompt_tokens == len(ids)


def test_work_is_counted_as_the_plan_counts_it() -> None:
    model = own_model()
    answer = generate(model, [[0] * 10], Request(5, ignore_end=True))[0]
    # the prompt and four of the five tokens are read
    assert work(model, [answer]) == model.forward_flops(14)
    assert work(model, [answer, answer]) == 2 * model.forward_flops(14)
