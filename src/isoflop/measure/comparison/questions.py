"""Questions to compare by: read from a file, or made from the documents; and their split."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoflop.documents import Document, Passage
from isoflop.errors import UnusableExam
from isoflop.measure.exams import fields, spans
from isoflop.measure.exams.rows import rows
from isoflop.questions import Question

if TYPE_CHECKING:
    from isoflop.measure.making.questions import Item

UNANSWERABLE = 0.25  # share of made questions that the documents do not answer, at most
TUNING_SHARE, MOST_TUNING = 0.2, 40
FEWEST = 20  # of fewer questions none is spared for choosing settings


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """What is asked, and what is known of the answers.

    Attributes:
        name: Of the file, or how they were made.
        questions: With unique ids.
        unscored: Ids of those whose answer is not given, so that only cost, citations and
            agreement are measured. A question whose list of answers is empty is another thing:
            the documents do not answer it, and to say so is right.
        made: Whether they were made from the documents.
        leak: What made questions give away, by form.
        notes: What a user should know of them, each in a sentence.
    """

    name: str
    questions: tuple[Question, ...]
    unscored: frozenset[str] = frozenset()
    made: bool = False
    leak: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether any answer is known."""
        return len(self.unscored) < len(self.questions)


def read(path: Path) -> QuestionSet:
    """Questions of JSON lines, JSON, CSV or SQuAD.

    A row has `text` (or `question`, `prompt`), and where known `id`, `answers`, `cluster`,
    `weight`. Without a field for answers a question is not scored.

    Raises:
        UnusableExam: If the file cannot be read, holds no question, or repeats an id.
    """
    pairs = list(_read(path))
    if not pairs:
        raise UnusableExam(f"{path} holds no questions.")
    questions = [
        question if question.id else replace(question, id=f"#{number}")
        for number, (question, _) in enumerate(pairs, start=1)
    ]
    refuse_repeated(str(path), questions)
    unscored = {q.id for q, (_, known) in zip(questions, pairs, strict=True) if not known}
    return QuestionSet(path.name, tuple(questions), frozenset(unscored))


def _read(path: Path) -> Iterator[tuple[Question, bool]]:
    for number, row in enumerate(rows(path), start=1):
        if isinstance(row.get("data"), list):
            yield from _squad(path, row["data"])
            continue
        text = str(fields.first(row, fields.PROMPTS) or "").strip()
        if not text:
            raise UnusableExam(
                f"{path}, row {number}: no question in {', '.join(list(row)[:8]) or 'no fields'}. "
                "Write 'id', 'text' and 'answers'."
            )
        known = [name for name in fields.ANSWERS if row.get(name) is not None]
        try:
            answers = tuple(_texts(row[known[0]])) if known else ()
        except KeyError:
            raise UnusableExam(
                f"{path}, row {number}: {known[0]} holds {row[known[0]]!r}, without a text. "
                "Write a list of texts."
            ) from None
        yield (
            Question(
                id=fields.identifier(row), text=text, answers=answers,
                cluster=str(fields.first(row, fields.CLUSTERS) or ""),
                weight=_weight(path, number, row.get("weight")),
            ),
            bool(known),
        )  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    """Accepted answers in a list, in SQuAD's table of texts, split by |, or one alone."""
    if isinstance(value, dict):
        value = value.get("text", [])
    if isinstance(value, str):
        value = value.split("|") if value.strip() else []
    for one in value if isinstance(value, list) else [value]:
        text = str(one["text"] if isinstance(one, dict) else one).strip()
        if text:
            yield text


def _weight(path: Path, number: int, value: Any) -> float:
    """Of a question; 1 where none is given."""
    if value is None or value == "":
        return 1.0
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UnusableExam(
            f"{path}, row {number}: weight {value!r} is no number above 0. Write one, or leave "
            "weight out."
        )
    return weight


def _squad(path: Path, articles: Sequence[Any]) -> Iterator[tuple[Question, bool]]:
    """Questions of SQuAD's form: articles of paragraphs with `qas`."""
    for number, article in enumerate(articles, start=1):
        place = f"article {number}"
        try:
            cluster = str(article.get("title") or number)
            for at, paragraph in enumerate(article["paragraphs"], start=1):
                for nth, asked in enumerate(paragraph["qas"], start=1):
                    place = f"article {number} ({cluster}), paragraph {at}, question {nth}"
                    yield _squad_question(asked, cluster)
        except KeyError as lacks:
            raise _no_squad(path, place, f"there is no {lacks}") from None
        except (TypeError, AttributeError):
            raise _no_squad(path, place, "something else stands where one should") from None


def _squad_question(asked: Any, cluster: str) -> tuple[Question, bool]:
    answers = tuple(dict.fromkeys(each["text"] for each in asked.get("answers", ())))
    known = "answers" in asked or bool(asked.get("is_impossible"))
    return Question(str(asked["id"]), asked["question"], (), answers, cluster), known


def _no_squad(path: Path, place: str, what: str) -> UnusableExam:
    return UnusableExam(
        f"{path}, {place}: {what}. In SQuAD's form data holds articles with paragraphs, these hold "
        "qas, and each of them has id, question and answers with a text each. Mend the file, or "
        "write JSON lines with id, text and answers."
    )


def refuse_repeated(name: str, questions: Sequence[Question]) -> None:
    """Refuse ids that are given twice: their answers would be taken for each other's.

    Raises:
        UnusableExam: If there are any.
    """
    repeated = [id for id, n in Counter(q.id for q in questions).items() if n > 1]
    if repeated:
        raise UnusableExam(
            f"{name}: {len(repeated)} ids are given to more than one question, such as "
            f"{repeated[0]!r}. Give every question an id of its own."
        )


def make(passages: Sequence[Passage], count: int, *, seed: int = 0) -> QuestionSet:
    """Questions made from the documents, with what they give away.

    Gaps, and their twins that the documents do not answer: forms whose answer is a text. Choices
    and yes or no would be guessed by methods that read nothing.

    Raises:
        UnusableExam: If the documents have no sentence to ask about.
    """
    from isoflop.measure.making.make import leaks
    from isoflop.measure.making.make import make as made

    items = made(documents_of(passages), count=4 * count, seed=seed)
    gaps = [item for item in items if item.form == "cloze"]
    twins = [item for item in items if item.form == "unanswerable"]
    few = min(len(twins), int(UNANSWERABLE * count), len(gaps) // 3)
    free = sorted([*gaps[: count - few], *twins[:few]], key=items.index)
    if not free:
        raise UnusableExam("The documents name nothing that a gap could ask for. Add prose.")
    questions = tuple(
        Question(f"made-{number}", item.prompt, (), _key(item), item.source.document)
        for number, item in enumerate(free, start=1)
    )
    leak = tuple(asdict(each) for each in leaks(free))
    return QuestionSet(f"{len(questions)} made from the documents", questions, made=True, leak=leak)


def _key(item: "Item") -> tuple[str, ...]:
    return () if item.form == "unanswerable" else item.answers


def documents_of(passages: Iterable[Passage]) -> list[Document]:
    """Documents put together again from the passages that tile them."""
    texts: dict[str, str] = {}
    for passage in passages:
        held = texts.get(passage.document, "")
        gap = " " * max(0, passage.start - len(held))
        texts[passage.document] = held + gap + passage.text[max(0, len(held) - passage.start) :]
    return [Document(id, text, id, "text/plain", "") for id, text in texts.items()]


def absent(questions: Sequence[Question], texts: Iterable[str]) -> list[str]:
    """Ids of questions none of whose accepted answers stands in a text, word for word.

    Words are compared as answers are, without case, punctuation and articles. Questions that are
    to have no answer are not among them.
    """
    begins: dict[str, set[tuple[str, ...]]] = defaultdict(set)  # answers by their first word
    keys = {q.id: [tuple(spans.words(answer)) for answer in q.answers] for q in questions}
    for key in {key for each in keys.values() for key in each if key}:
        begins[key[0]].add(key)
    seen: set[tuple[str, ...]] = set()
    for text in texts:
        words = spans.words(text)
        for at, word in enumerate(words):
            if word in begins:
                found = {k for k in begins[word] if tuple(words[at : at + len(k)]) == k}
                seen |= found
                begins[word] -= found
    return [id for id, each in keys.items() if each and seen.isdisjoint(each)]


def noted_absent(
    asked: QuestionSet, measured: Sequence[Question], passages: Sequence[Passage]
) -> QuestionSet:
    """With a note on how many of the answers that count stand nowhere in the documents."""
    answered = [q for q in measured if q.answers]
    if asked.made or not answered:
        return asked
    missing = absent(answered, (document.text for document in documents_of(passages)))
    if not missing:
        return asked
    note = (
        f"Of {len(answered):,} questions with answers, {len(missing):,} have none that stands in "
        f"the documents word for word, such as {missing[0]}: ways that quote cannot be right there."
    )
    return replace(asked, notes=(*asked.notes, note))


def split(
    asked: QuestionSet, *, tuning: int | None = None, most: int | None = None, seed: int = 0
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Questions to choose settings by, and questions to measure on, in random order.

    Args:
        asked: All of them; only scored ones are for choosing.
        tuning: How many to choose by; by default a fifth, at most `MOST_TUNING`, and none of
            fewer than `FEWEST`.
        most: Questions to measure on at most.
        seed: Of the order. Clusters are not kept together: a question may share its document with
            one that settings were chosen by.
    """
    order = list(asked.questions)
    random.Random(seed).shuffle(order)
    scored = [q for q in order if q.id not in asked.unscored]
    usual = 0 if len(scored) < FEWEST else min(MOST_TUNING, int(TUNING_SHARE * len(scored)))
    spared = scored[: usual if tuning is None else tuning]
    ids = {q.id for q in spared}
    measured = [q for q in order if q.id not in ids]
    return tuple(spared), tuple(measured[:most])
