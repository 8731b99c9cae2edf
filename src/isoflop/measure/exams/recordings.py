"""Published recordings, read as they are.

Each reader takes rows of one format, recognised by the names of its fields, and yields a model's
name with one output. Which formats there are is the table at the end.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from isoflop.errors import UnusableExam
from isoflop.measure.exams import harness
from isoflop.measure.exams.outputs import Output, Recording, Top
from isoflop.measure.exams.rows import Row, rows
from isoflop.measure.exams.run_folder import OUTPUTS
from isoflop.run import read_about

IDS = ("id", "pair_id", "qid", "question_id")
PROMPTS = ("prompt", "question", "input", "query", "context", "model_input", "request")
TEXTS = (
    "text", "output", "response", "prediction", "completion", "generated", "generation",
    "model_output", "answer_text",
)  # fmt: skip

SAID = ("solution", "generation")
NAMES = {*IDS, *PROMPTS, *TEXTS}

Named = Iterator[tuple[str, Output]]


@dataclass(frozen=True, slots=True)
class Format:
    """How one published format is recognised and read."""

    name: str
    recognises: Callable[[Row], bool]
    read: Callable[[Iterable[Row]], Named]


def recordings(path: Path) -> list[Recording]:
    """The recordings of a file, one for each model in it; or the one of a run's folder.

    Raises:
        UnusableExam: If the file cannot be read or holds no recorded answers that are known.
    """
    name = path.stem
    if path.is_dir():
        name = str(read_about(path)["model"])
        path = path / OUTPUTS
    found = rows(path)
    first = next(found)
    form = next((form for form in FORMATS if form.recognises(first)), None)
    if form is None:
        raise UnusableExam(
            f"{path}: no recorded answers are recognised in fields {', '.join(list(first)[:8])}. "
            f"Known: {', '.join(form.name for form in FORMATS)}. Or write JSON lines with 'prompt' "
            "and 'text'."
        )
    by_model: dict[str, list[Output]] = defaultdict(list)
    for model, output in form.read(chain([first], found)):
        by_model[model].append(output)
    return [Recording(model or name, tuple(outs)) for model, outs in by_model.items()]


def _with_response(lines: Iterable[Row]) -> Named:
    """A prompt beside the whole reply of an OpenAI-compatible server."""
    for row in lines:
        reply: Row = row.get("result") or row["response"]
        reply = reply.get("body", reply)  # batch results
        # not by the reply's model: one recording may meet two versions of it
        yield "", _of_reply(_first(row, PROMPTS), _first(row, IDS), reply)


def _of_reply(prompt: object, id: object, reply: Row) -> Output:
    choice = (reply.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    usage = reply.get("usage") or {}
    return Output(
        prompt=_plain_prompt(prompt),
        text=_text(choice.get("text", message.get("content"))),
        id=_plain_id(id),
        top=_top(choice.get("logprobs")),
        prompt_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
    )


def _plain_id(id: object) -> str:
    return "" if id is None else str(id).strip().rstrip(",")


def _plain_prompt(prompt: object) -> str | None:
    """A prompt as text; of a conversation what the user said last, of a stem with choices it."""
    if isinstance(prompt, Mapping):
        return _text(prompt.get("stem"))
    if isinstance(prompt, list):
        said = [turn.get("content") for turn in prompt if isinstance(turn, Mapping)]
        return _text(said[-1]) if said else None
    return _text(prompt)


def _top(logprobs: object) -> Top:
    """Alternatives at each place, of text completions or of chats."""
    if not isinstance(logprobs, Mapping):
        return ()
    if logprobs.get("top_logprobs"):
        return tuple(place or {} for place in logprobs["top_logprobs"])
    return tuple(
        {other["token"]: other["logprob"] for other in place.get("top_logprobs", ())}
        for place in logprobs.get("content") or ()
    )


def _plain(lines: Iterable[Row]) -> Named:
    """A prompt beside a text, likelihoods of choices, or both; runs of isoflop are such files."""
    for row in lines:
        usage = row.get("bill") or row
        yield (
            str(row.get("model") or ""),
            Output(
                prompt=_plain_prompt(_first(row, PROMPTS)),
                text=_text(_first(row, TEXTS)),
                id=_plain_id(_first(row, IDS)),
                top=tuple(row.get("top") or ()),
                likelihoods=tuple(row.get("likelihoods") or ()),
                unconditional=tuple(row.get("unconditional") or ()),
                prompt_tokens=usage.get("prompt_tokens"),
                output_tokens=usage.get("output_tokens"),
            ),
        )


def _big_bench(lines: Iterable[Row]) -> Named:
    """Outputs published with BIG-Bench-Hard: the whole prompt and what followed."""
    for row in lines:
        for one in row["outputs"]:
            yield "", Output(_text(one["input"]), _text(one.get("prediction")))


def _side_by_side(lines: Iterable[Row]) -> Named:
    """A question with the answers of several models or prompts, as GSM8K's example solutions.

    Each is an object with a `solution` or a `generation`, which may be a list of samples.
    """
    for row in lines:
        prompt = _plain_prompt(_first(row, PROMPTS))
        for model, said in row.items():
            for text in _written(said):
                yield model, Output(prompt, text)


def _written(said: object) -> list[str]:
    """What such an object holds; nothing if it is none."""
    texts = _first(said, SAID) if isinstance(said, dict) else None
    return [
        str(text) for text in (texts if isinstance(texts, list) else [texts]) if text is not None
    ]


def _predictions(lines: Iterable[Row]) -> Named:
    """SQuAD's predictions: an object with a text for each id of a question."""
    for row in lines:
        for id, text in row.items():
            yield "", Output(None, _text(text), id)


def _first(row: Row, names: Iterable[str]) -> Any:
    for name in names:
        value = row.get(name)
        if value is not None:  # an empty text is an answer
            return value
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


FORMATS: tuple[Format, ...] = (
    Format("samples of lm-evaluation-harness", harness.is_sample, harness.outputs),
    Format(
        "replies of an OpenAI-compatible server beside their prompts",
        lambda row: isinstance(row.get("result", row.get("response")), dict),
        _with_response,
    ),
    Format(
        "outputs for BIG-Bench-Hard",
        lambda row: isinstance(row.get("outputs"), list),
        _big_bench,
    ),
    Format(
        "questions with answers side by side, as GSM8K's example solutions",
        lambda row: any(map(_written, row.values())),
        _side_by_side,
    ),
    Format(
        "prompts and texts",
        lambda row: (
            _first(row, PROMPTS) is not None
            and ("likelihoods" in row or _first(row, TEXTS) is not None)
        ),
        _plain,
    ),
    Format(
        "SQuAD predictions",
        lambda row: all(isinstance(text, str) for text in row.values()) and not row.keys() & NAMES,
        _predictions,
    ),
)
