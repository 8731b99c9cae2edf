"""Published exams, read as they are.

Each reader turns the rows of one format, recognised by the names of its fields, into questions.
Which formats there are is the table at the end.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from isoflop.errors import UnusableExam
from isoflop.measure.exams import fields, harness, parsers, published
from isoflop.measure.exams.exam import Exam, contrasts_of, is_yes_no
from isoflop.measure.exams.rows import Row, rows
from isoflop.questions import Question

ITEMS, ABOUT = "items.jsonl", "exam.json"
SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".gz")

_TAGGED = re.compile(r"<answer>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Format:
    """How one published format is recognised and read."""

    name: str
    recognises: Callable[[Row], bool]
    read: Callable[[Iterable[Row]], Iterator[Question]]
    rule: str | None = None  # by the form of the answers when None
    licence: str = ""
    source: str = ""


def read(path: Path, answers: Path | None = None, *, as_published: bool = False) -> Exam:
    """The exam in a file or folder.

    Args:
        path: JSON, JSON lines or CSV in one of `FORMATS`; or a folder with `items.jsonl` and,
            about them, `exam.json`; or a folder of files that are parts of one exam.
        answers: A second file with the answers, when the questions come without.
        as_published: Instead of refusing them, number repeated ids, keep contradictory keys and
            leave out questions without an answer.

    Raises:
        UnusableExam: If the file cannot be read, is no exam that is known, or cannot be scored.
    """
    if path.is_dir():
        return _folder(path, answers, as_published=as_published)
    form, questions = _file(path)
    if answers is not None:
        questions = _answered(path, questions, answers)
    return assembled(
        path.stem, questions, form.rule, form.licence, form.source, as_published=as_published
    )


def _folder(path: Path, answers: Path | None, *, as_published: bool) -> Exam:
    """Items with what is known about them, or the parts of an exam with their names in the ids."""
    items, about = path / ITEMS, path / ABOUT
    if items.is_file():
        known = next(rows(about)) if about.is_file() else {}
        exam = read(items, answers, as_published=as_published)
        return replace(
            exam,
            name=str(known.get("name") or path.name),
            rule=str(known.get("rule") or exam.rule),
            licence=str(known.get("licence") or exam.licence),
            source=str(known.get("source") or exam.source),
        )
    parts = [(file, *_file(file)) for file in sorted(path.iterdir()) if file.suffix in SUFFIXES]
    if not parts:
        raise UnusableExam(f"{path} holds neither {ITEMS} nor files of questions.")
    rules = {form.rule or _rule(questions) for _, form, questions in parts}
    if len(rules) > 1 or answers is not None:
        raise UnusableExam(
            f"The files in {path} are decided by different rules ({', '.join(sorted(rules))}) or "
            "their answers are elsewhere. Score them one by one."
        )
    whole = [
        replace(question, id=f"{file.stem}:{question.id}")
        for file, _, questions in parts
        for question in _numbered(questions)
    ]
    form = parts[0][1]
    return assembled(
        path.name, whole, rules.pop(), form.licence, form.source, as_published=as_published
    )


def write(exam: Exam, folder: Path) -> None:
    """Write an exam as a folder that `read` gives back."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"name": exam.name, "rule": exam.rule, "licence": exam.licence, "source": exam.source}
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")
    with (folder / ITEMS).open("w", encoding="utf-8") as lines:
        for question in exam.questions:
            item = {
                "prompt" if name == "text" else name: value
                for name, value in asdict(question).items()
            }
            lines.write(json.dumps(item, ensure_ascii=False) + "\n")


def _file(path: Path) -> tuple[Format, list[Question]]:
    found = rows(path)
    first = next(found)
    form = next((form for form in FORMATS if form.recognises(first)), None)
    if form is None:
        raise UnusableExam(
            f"{path}: no exam is recognised in fields {', '.join(list(first)[:8])}. "
            f"Known: {', '.join(form.name for form in FORMATS)}. Or write JSON lines with 'id', "
            "'prompt', 'choices' and 'answers'."
        )
    return form, list(form.read(chain([first], found)))


def assembled(
    name: str,
    questions: Sequence[Question],
    rule: str | None = None,
    licence: str = "",
    source: str = "",
    *,
    as_published: bool = False,
) -> Exam:
    """An exam of these questions, with ids for those that have none and claims asked both ways."""
    unique = tuple(_directed(_numbered(questions)))
    if as_published:
        unique = tuple(_distinguished(q for q in unique if q.answers))
    contrasts = contrasts_of(unique)
    return Exam(name, unique, rule or _rule(unique), licence, source, contrasts, as_published)


def _numbered(questions: Sequence[Question]) -> Sequence[Question]:
    if any(question.id for question in questions):
        return questions
    # no published id begins like this, so none in a recording is taken for it
    return [replace(q, id=f"#{n}") for n, q in enumerate(questions, start=1)]


def _distinguished(questions: Iterable[Question]) -> Iterator[Question]:
    """Repeated ids with their occurrence: `7`, `7/2`."""
    seen: Counter[str] = Counter()
    for question in questions:
        seen[question.id] += 1
        n = seen[question.id]
        yield question if n == 1 else replace(question, id=f"{question.id}/{n}")


def _directed(questions: Sequence[Question]) -> Sequence[Question]:
    """Claims asked in both directions under one id: each twice, once yes and once no.

    The first of the two is taken as the forward direction.
    """
    by_id: dict[str, list[Question]] = {}
    for question in questions:
        by_id.setdefault(question.id, []).append(question)
    both = [same for same in by_id.values() if len(same) == 2 and all(map(is_yes_no, same))]
    if len(both) != len(by_id) or any(one.answers == two.answers for one, two in both):
        return questions
    return [
        replace(question, id=f"{question.id}/{way}")
        for same in both
        for question, way in zip(same, ("forward", "backward"), strict=True)
    ]


def _rule(questions: Sequence[Question]) -> str:
    """The rule that fits the form of the answers."""
    if all(_TAGGED.search(question.text) for question in questions):
        return "tag"
    if all(question.choices for question in questions):
        several = any(len(answer) > 1 for question in questions for answer in question.answers)
        return "letters" if several else "letter"
    if all(map(is_yes_no, questions)):
        return "yes-no"
    if all(parsers.as_number(answer) for question in questions for answer in question.answers):
        return "number"
    return "exact"


def _answered(path: Path, questions: list[Question], answers: Path) -> list[Question]:
    """The questions with the answers of another file, joined by id and occurrence."""
    keys: dict[tuple[str, int], Row] = {}
    seen: Counter[str] = Counter()
    for row in rows(answers):
        id = fields.identifier(row)
        keys[id, seen[id]] = row
        seen[id] += 1
    mine: Counter[str] = Counter(question.id for question in questions)
    if mine != seen:
        both = sum((mine & seen).values())
        raise UnusableExam(
            f"{answers}: {both} of {len(questions)} ids of {path} have an answer there, and "
            f"{sum(seen.values())} answers are given. The two files belong to different exams."
        )
    count: Counter[str] = Counter()
    result = []
    for question in questions:
        row = keys[question.id, count[question.id]]
        count[question.id] += 1
        result.append(replace(question, answers=fields.answers_of(row, question.choices)))
    return result


FORMATS: tuple[Format, ...] = (
    Format(
        "choices weighed by lm-evaluation-harness",
        lambda row: harness.is_sample(row) and bool(harness.choices(row)),
        published.harness_samples,
        "sum",
        source="samples logged by lm-evaluation-harness",
    ),
    Format(
        "texts written for lm-evaluation-harness",
        harness.is_sample,
        published.harness_samples,
        source="samples logged by lm-evaluation-harness",
    ),
    Format(
        "AGIEval",
        lambda row: {"passage", "question", "options", "label"} <= row.keys(),
        published.agieval,
        source="AGIEval, github.com/ruixiangcui/AGIEval",
    ),
    Format(
        "GSM8K",
        lambda row: "question" in row and "####" in str(row.get("answer", ""))[-40:],
        published.grade_school_math,
        "number",
        "MIT",
        "GSM8K, github.com/openai/grade-school-math",
    ),
    Format(
        "GSM8K with solutions by models",
        lambda row: (
            "ground_truth" in row
            and any("solution" in one for one in row.values() if isinstance(one, dict))
        ),
        published.grade_school_math,
        "number",
        "MIT",
        "GSM8K, github.com/openai/grade-school-math",
    ),
    Format(
        "BIG-bench and BIG-Bench-Hard",
        lambda row: isinstance(row.get("examples"), list),
        published.big_bench,
        "answer-is",
        source="BIG-bench, github.com/google/BIG-bench",
    ),
    Format(
        "outputs for BIG-Bench-Hard",
        lambda row: isinstance(row.get("outputs"), list),
        published.big_bench,
        "answer-is",
        source="BIG-Bench-Hard, github.com/suzgunmirac/BIG-Bench-Hard",
    ),
    Format(
        "SQuAD",
        lambda row: isinstance(row.get("data"), list),
        published.squad,
        "squad-exact",
        source="a file in the form of SQuAD",
    ),
    Format(
        "ARC, OpenBookQA and CommonsenseQA",
        lambda row: isinstance(row.get("question"), dict) and "stem" in row["question"],
        published.stems,
    ),
    Format(
        "prompts with answers",
        lambda row: fields.first(row, fields.PROMPTS) is not None,
        published.plain,
    ),
    Format("a table without column names", lambda row: "0" in row, published.headless),
)
