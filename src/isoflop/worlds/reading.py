"""The reading task: passages of a world never seen before, and questions that they answer or not.

Every answer is copied from a passage or is `UNKNOWN`. Nothing else gives it away: the passages of
a record are about subjects of one kind, told with the same relations, so that the kind of the
answer alone leaves several candidates; asides and values of other relations are candidates too;
and questions without an answer ask for what other passages state of other subjects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from isoflop.worlds.chance import Chance
from isoflop.worlds.names import Split
from isoflop.worlds.scene import ODD, Asked, Scene

UNKNOWN = "unknown"
MOST_PASSAGES = 8
UNANSWERABLE = 0.18  # share of questions that the passages do not answer
Record = dict[str, list[list[str | int]]]


@dataclass(frozen=True, slots=True)
class Item:
    """One question of an exam.

    Attributes:
        id: Unique within its exam.
        passages: What may be read.
        question: What is asked.
        answers: Accepted answers; only `UNKNOWN` where the passages do not say.
        kind: "fact", "absent" (no passage is about the subject) or "unsaid" (one is, but does
            not say).
        passage: Which passage answers; None if none does.
        sentence: The sentence that answers; empty if none does.
        unseen: Whether its statement or its question is worded as the train split never is.
    """

    id: str
    passages: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    kind: str
    passage: int | None
    sentence: str
    unseen: bool

    @property
    def prompt(self) -> str:
        """What a model continues."""
        return reading_prompt(self.passages, self.question)


def reading_prompt(passages: Sequence[str], question: str) -> str:
    """The one form in which passages and a question are put to the reading model.

    Passages are numbered so that every word, the first too, follows a space: with byte-level
    tokens a word then has the same tokens in the passage, the question and the answer. The model
    continues with a space, the answer and a newline.

    Args:
        passages: In any number; newlines and runs of spaces in them become single spaces.
        question: What is asked.
    """
    return f"{_context(passages)}{_asked(question)}"


def _context(passages: Sequence[str]) -> str:
    return "".join(f"[{n}] {' '.join(text.split())}\n" for n, text in enumerate(passages, 1))


def _asked(question: str) -> str:
    return f"Question: {' '.join(question.split())}\nAnswer:"


def reading_records(
    seed: int,
    count: int,
    *,
    passages: int = 5,
    questions: int = 24,
    split: Split = "train",
    difficulty: float | None = None,
    odd: float = ODD,
    value_first: float = 0.0,
    unanswerable: float = UNANSWERABLE,
) -> Iterator[Record]:
    """Training records: passages followed by several questions with their answers.

    Args:
        seed: The same seed gives the same records.
        count: How many.
        passages: Number of passages in half of the records; the others have 1 to 8.
        questions: At most so many questions of each; fewer where there is less to ask.
        split: Whose names and wordings.
        difficulty: From 0 (one or two short plain passages) to 1 (as in the exam). By default
            every second record draws its own, a square of a uniform number, and the others have
            1, so that short easy ones are mixed in from beginning to end.
        odd: Share of records, at difficulty 1, whose names are words of any letters: what a name
            is then cannot be learnt, only copied.
        value_first: How often, beyond what chance brings, a sentence that states one fact names
            the value before its subject: what is asked for must then be looked up backwards,
            which a reader learns late if it is rare.
        unanswerable: Share of questions that the passages do not answer.

    Yields:
        {"segments": [[text, counts], ...]} whose texts concatenate to a prompt, its answer, and
        then further questions and answers; `counts` is 1 for answers with their newline, which
        is what is to be learnt, and 0 for the rest.
    """
    for index in range(count):
        chance = Chance("reading", split, seed, index)
        hard = difficulty
        if hard is None:
            hard = (chance.below(1000) / 1000) ** 2 if chance.happens(1 / 2) else 1.0
        many = _number_of_passages(chance, passages, hard)
        scene = Scene(chance, split, many, hard, odd, value_first)
        yield {"segments": _segments(scene, chance, questions, unanswerable)}


def _number_of_passages(chance: Chance, usual: int, difficulty: float) -> int:
    most = max(2, round(MOST_PASSAGES * difficulty))
    if chance.happens(0.5):
        return min(usual, most)
    return chance.between(1, most)


def _segments(
    scene: Scene, chance: Chance, questions: int, unanswerable: float
) -> list[list[str | int]]:
    segments: list[list[str | int]] = []
    before = _context(scene.passages)
    for asked in _questions(scene, chance, questions, unanswerable):
        answer = asked.value if asked.kind == "fact" else UNKNOWN
        segments += [[before + _asked(asked.question), 0], [f" {answer}\n", 1]]
        before = ""
    return segments


def _questions(
    scene: Scene, chance: Chance, most: int, unanswerable: float = UNANSWERABLE
) -> Iterator[Asked]:
    """Different questions of a scene, in random order, that share of them without answer."""
    answered, unanswered = scene.answered(chance), scene.unanswered(chance)
    for _ in range(most):
        asked = next(unanswered, None) if chance.happens(unanswerable) else None
        asked = asked or next(answered, None)
        if asked is None:
            return
        yield asked


def reading_exam(
    seed: int, count: int, *, passages: int = 5, split: Split = "test", difficulty: float = 1.0
) -> Iterator[Item]:
    """Exam items: one question after passages of which one answers, or none does.

    Args:
        seed: The same seed gives the same items; no name of a test item occurs in training.
        count: How many.
        passages: Passages before each question.
        split: Whose names and wordings.
        difficulty: As in `reading_records`.
    """
    for index in range(count):
        chance = Chance("exam", split, seed, index)
        scene = Scene(chance, split, passages, difficulty)
        asked = next(_questions(scene, chance, 1))
        yield Item(
            id=f"{split}-{seed}-{index}",
            passages=scene.passages,
            question=asked.question,
            answers=(asked.value,) if asked.kind == "fact" else (UNKNOWN,),
            kind=asked.kind,
            passage=asked.passage,
            sentence=asked.sentence,
            unseen=asked.unseen,
        )
