"""Readers of published exams: each turns rows of one format into questions."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from isoflop.measure.exams import fields, harness, parsers
from isoflop.measure.exams.exam import LETTERS, YES_NO
from isoflop.measure.exams.options import options_in
from isoflop.measure.exams.rows import Row
from isoflop.questions import Question

_BULLETS = re.compile(r"\nOptions:((?:\n- [^\n]+){2,})\s*\Z")
_MARKED = re.compile(r"\(([A-Z])\)")


def plain(lines: Iterable[Row]) -> Iterator[Question]:
    """One question in each row: a prompt, perhaps choices, answers, cluster and weight."""
    for row in lines:
        text = fields.prompt(row)
        choices = fields.choices_of(row)
        if not choices:
            listed = options_in(text)
            choices = listed.texts if listed else ()
        yield Question(
            id=fields.identifier(row),
            text=text,
            choices=choices,
            answers=fields.answers_of(row, choices),
            cluster=str(fields.first(row, fields.CLUSTERS) or ""),
            weight=float(row.get("weight") or 1.0),
        )


def stems(lines: Iterable[Row]) -> Iterator[Question]:
    """ARC, OpenBookQA and CommonsenseQA: a stem with labelled choices, and the label of the key.

    Source:
        Clark et al. 2018, arXiv:1803.05457; Talmor et al. 2019, arXiv:1811.00937.
    """
    for row in lines:
        asked = row["question"]
        labels = [str(one["label"]) for one in asked["choices"]]
        choices = tuple(str(one["text"]) for one in asked["choices"])
        key = str(row.get("answerKey") or "")
        answers = (LETTERS[labels.index(key)],) if key in labels else ()
        yield Question(fields.identifier(row), str(asked["stem"]).strip(), choices, answers)


def headless(lines: Iterable[Row]) -> Iterator[Question]:
    """A table without column names: question, choices, letter; as MMLU was published."""
    for row in lines:
        text, *choices, answer = row.values()
        yield Question("", text, tuple(choices), (answer.strip(),))


def agieval(lines: Iterable[Row]) -> Iterator[Question]:
    """AGIEval: a passage or none, a question, options with their letters, a label or an answer.

    The passage is what questions share. Several right options are one answer of several letters.

    Source:
        github.com/ruixiangcui/AGIEval, data/v1.
    """
    for row in lines:
        passage, question = row.get("passage") or "", str(row["question"]).strip()
        options = row.get("options") or ()
        choices = tuple(fields.unmarked(str(one), place) for place, one in enumerate(options))
        label = row.get("label")
        if label is None:
            answers = fields.answers_of({"answer": row.get("answer")}, ())
        else:  # some labels are lists, some hold blanks or a full stop
            letters = sorted(set(re.findall(r"[A-Z]", str(label))))
            answers = ("".join(letters),) if letters else ()
        text = f"{passage}\n\nQ: {question}" if passage else question
        yield Question("", text, choices, answers, cluster=passage)


def grade_school_math(lines: Iterable[Row]) -> Iterator[Question]:
    """GSM8K: a solution whose last line is `#### 18`, or `A: 18` beside published solutions.

    Source:
        github.com/openai/grade-school-math.
    """
    for row in lines:
        question = Question("", str(row["question"]).strip())
        solution = str(row.get("answer") or row.get("ground_truth") or "")
        answer = parsers.final_number(solution, question)
        yield Question("", question.text, (), () if answer is None else (answer,))


def big_bench(lines: Iterable[Row]) -> Iterator[Question]:
    """BIG-bench and BIG-Bench-Hard: examples of input and target, or of scores of targets.

    Source:
        github.com/suzgunmirac/BIG-Bench-Hard, github.com/google/BIG-bench.
    """
    for row in lines:
        examples: list[Row] = row.get("examples") or row["outputs"]
        truths = all(one.get("target") in ("True", "False") for one in examples)
        for one in examples:
            yield _big_bench(one, ("True", "False") if truths else ())


def _big_bench(example: Row, closed: tuple[str, ...]) -> Question:
    text = str(example["input"]).strip()
    if "target_scores" in example:
        scores: dict[str, float] = example["target_scores"]
        choices = tuple(scores)
        best = max(scores.values())
        return Question(
            "",
            text,
            choices,
            tuple(LETTERS[choices.index(c)] for c in choices if scores[c] == best),
        )
    targets = example["target"] if isinstance(example["target"], list) else [example["target"]]
    choices = closed or _listed(text, targets)
    return Question("", text, choices, tuple(fields.accepted(one, choices) for one in targets))


def _listed(text: str, targets: list[Any]) -> tuple[str, ...]:
    """Choices that the text lists, as letters or as bullets; yes and no need none."""
    if all(str(target).lower() in YES_NO for target in targets):
        return ()
    if all(_MARKED.fullmatch(str(target)) for target in targets):
        options = options_in(_cut(text))
        return options.texts if options else ()
    bullets = _BULLETS.search(_cut(text))
    return tuple(line[2:].strip() for line in bullets[1].split("\n")[1:]) if bullets else ()


def _cut(text: str) -> str:
    """The text without a last line that asks for the answer, such as `A:`."""
    return re.sub(r"\n\s*(?:A|Answer):[^\n]*\s*\Z", "", text)


def squad(lines: Iterable[Row]) -> Iterator[Question]:
    """SQuAD 1.1 and 2.0: paragraphs with questions; answers are spans of the paragraph.

    The article is what questions share. A question that its paragraph does not answer accepts the
    empty answer.

    Source:
        Rajpurkar et al. 2016, arXiv:1606.05250; 2018, arXiv:1806.03822.
    """
    for row in lines:
        for number, article in enumerate(row["data"]):
            cluster = str(article.get("title") or number)
            for paragraph in article["paragraphs"]:
                for entry in paragraph["qas"]:
                    answers = dict.fromkeys(str(one["text"]) for one in entry["answers"])
                    yield Question(
                        id=str(entry["id"]),
                        text=f"{paragraph['context']}\n\nQuestion: {entry['question'].strip()}",
                        answers=("",) if entry.get("is_impossible") else tuple(answers),
                        cluster=cluster,
                    )


def harness_samples(lines: Iterable[Row]) -> Iterator[Question]:
    """Samples logged by lm-evaluation-harness, which hold question, choices and target."""
    for sample in harness.first_filter(lines):
        choices = harness.choices(sample)
        target = sample.get("target")
        yield Question("", harness.prompt(sample), choices, harness.answers(target, choices))
