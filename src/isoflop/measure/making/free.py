"""Free questions that a language model writes about passages, kept only if they can be checked."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from random import Random

from isoflop.augment import facts
from isoflop.augment.sentences import sentences
from isoflop.bill import Bill
from isoflop.documents import Document
from isoflop.errors import UnusableExam
from isoflop.lm.model import Generated, Message, Model
from isoflop.measure.making.questions import UNANSWERABLE, Item, is_hidden
from isoflop.measure.making.sources import Sentence, asked_about, words

PER_PASSAGE = 3  # questions asked for at once: the passage is read once for all
MOST_TOKENS = 240  # of the three with their answers
MOST_CHARACTERS = 2000  # of a passage
MOST_ANSWER_WORDS = 12
FEWEST_WORDS, MOST_WORDS = 4, 40  # of a question
SAME = 0.8  # share of words from which on two questions are one
ABOUT = 0.3  # least share of a question's content words that its passage has

ASKED = """\
Write {count} questions that the passage below answers, each with its answer.
Each question must be understood without the passage: name who or what is meant, and do not \
mention the passage. Ask in your own words.
Each answer must be a name, a number or a few words copied from the passage exactly, and none of \
its words may stand in the question.
Write them like this and nothing else:

Question: ...
Answer: ...

Passage from {document}:

{passage}"""

PAIR = re.compile(
    r"^[\W\d]*(?:question|q)\W*?:[ *_]*(?P<question>\S.*?)[ *_]*\n+"
    r"[\W\d]*(?:answer|a)\W*?:[ *_]*(?P<answer>\S.*?)[ *_]*$",
    re.IGNORECASE | re.MULTILINE,
)
# Words that mean nothing to someone who has not the passage before them.
POINTING = re.compile(
    r"\b(?:this|the|that|above|given)\s+(?:passage|text|paragraph|excerpt|document|section)\b"
    r"|\baccording to (?:it|this)\b|\banswer",
    re.IGNORECASE,
)
PRONOUNS = {"he", "she", "they", "him", "her", "them", "his", "hers", "their", "it", "its"}


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph to ask about.

    Attributes:
        document: Id of its document.
        start: First character in the document's text.
        text: Verbatim.
        sentences: Those of it that stand for themselves.
    """

    document: str
    start: int
    text: str
    sentences: tuple[Sentence, ...]


@dataclass(slots=True)
class Written:
    """What a model wrote.

    Attributes:
        items: Questions that stood every check.
        refused: How many did not, by reason.
        asked: Passages that were handed over.
        bill: Of all calls, as the model counted.
    """

    items: list[Item] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    bill: Bill = field(default_factory=Bill)


def passages(documents: Sequence[Document], *, seed: int = 0) -> list[Passage]:
    """Paragraphs with a sentence that stands for itself, documents in turn, in random order.

    Raises:
        UnusableExam: If there is none.
    """
    random = Random(seed)
    by_document = [list(_of(document)) for document in documents]
    shuffled = [random.sample(mine, len(mine)) for mine in by_document]
    random.shuffle(shuffled)
    found = [one for turn in zip_longest(*shuffled) for one in turn if one is not None]
    if not found:
        raise UnusableExam(
            f"No sentence in {len(documents)} documents stands by itself: they are too short, or "
            "hold tables, code or titles only. Add documents with prose."
        )
    return found


def calls(count: int, found: Sequence[Passage]) -> int:
    """Passages that are handed over at most: one for each question wanted."""
    return min(count, len(found))


def messages(passage: Passage) -> list[Message]:
    """What the model is told."""
    asked = ASKED.format(count=PER_PASSAGE, document=passage.document, passage=passage.text)
    return [Message("user", asked)]


def write(
    found: Sequence[Passage],
    model: Model,
    *,
    count: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Let a model write questions until there are enough, or every passage was handed over.

    A question is kept if its answer is verbatim in the passage, no word of the answer stands in
    it, it can be understood alone, its words are the passage's, and none like it was kept.

    Args:
        found: To ask about, in this order.
        model: Asked once for each passage, at temperature 0.
        count: Questions wanted.
        progress: Told how many of them there are.

    Raises:
        UnusableExam: If none can be kept; the message counts the reasons.
        IsoflopError: As the model raises.
    """
    made = Written()
    for passage in found[: calls(count, found)]:
        reply: Generated = model.generate(messages(passage), most_tokens=MOST_TOKENS)
        made.bill, made.asked = made.bill + reply.bill, made.asked + 1
        pairs = [(one["question"], one["answer"]) for one in PAIR.finditer(reply.text)]
        if not pairs:
            made.refused["no question with an answer in the form asked for"] += 1
        for question, answer in pairs:
            one = checked(passage, question, answer, made.items)
            if isinstance(one, str):
                made.refused[one] += 1
            elif len(made.items) < count:
                made.items.append(one)
        progress(len(made.items), count)
        if len(made.items) == count:
            break
    if not made.items:
        raise UnusableExam(
            f"None of the questions that {model.name} wrote about {made.asked} passages can be "
            f"used: {reasons(made.refused)}. Choose another model, or leave out --model."
        )
    return made


def checked(passage: Passage, question: str, answer: str, kept: Sequence[Item] = ()) -> Item | str:
    """The question as an item, or why it cannot be used."""
    answer, question = answer.strip(" \"'“”.").strip(), " ".join(question.split())
    place = _place(answer, passage.text)
    if place is None:
        return "an answer that is not in the passage"
    if len(answer.split()) > MOST_ANSWER_WORDS:
        return "an answer that is too long"
    if not question.endswith("?") or not FEWEST_WORDS <= len(question.split()) <= MOST_WORDS:
        return "no question, or one too short or too long"
    if not is_hidden(answer, question):
        return "a word of the answer in the question"
    if POINTING.search(question) or _nobody_named(question):
        return "a question that needs the passage to be understood"
    if facts.share(question, facts.known(passage.text)) < ABOUT:
        return "a question about something else"
    if any(_same(question, item.statement) for item in kept):
        return "a question that was asked already"
    source = _source(passage, place, question, answer)
    if any(item.source == source and item.answers[0] == answer for item in kept):
        return "a question that was asked already"
    written = passage.text[place : place + len(answer)]
    number = sum(item.source == source for item in kept)
    id = f"{passage.document}:{source.start}/free" + (f"-{number + 1}" if number else "")
    prompt = f"{question}\n\nAnswer in few words, or with {UNANSWERABLE!r} if it is not said."
    return Item(id, "free", prompt, question, _accepted(written), source)


def reasons(refused: Counter[str]) -> str:
    """In a message, the most frequent first."""
    return ", ".join(f"{count} with {reason}" for reason, count in refused.most_common())


def _of(document: Document) -> Iterator[Passage]:
    """Paragraphs of a document around the sentences that can be asked about."""
    by_paragraph: dict[tuple[int, int], list[Sentence]] = {}
    for sentence in asked_about(document):
        by_paragraph.setdefault(_paragraph(document.text, sentence.start), []).append(sentence)
    for (start, stop), mine in by_paragraph.items():
        yield Passage(document.id, start, document.text[start:stop], tuple(mine))


def _paragraph(text: str, place: int) -> tuple[int, int]:
    """The lines around a place up to blank ones, cut after a sentence if they are many."""
    start = text.rfind("\n\n", 0, place) + 2 if "\n\n" in text[:place] else 0
    stop = text.find("\n\n", place)
    stop = len(text) if stop < 0 else stop
    while stop - start > MOST_CHARACTERS:
        ends = [start + end for _, end in sentences(text[start : start + MOST_CHARACTERS])]
        end = ends[-2] if len(ends) > 1 else start + MOST_CHARACTERS  # the last may be cut
        if place < end:
            return start, end
        start = end
    return start, stop


def _place(answer: str, text: str) -> int | None:
    """Where an answer stands in a text as whole words and whole numbers."""
    whole = rf"(?<!\w)(?<!\d[.,]){re.escape(answer)}(?!\w)(?![.,]\d)"
    found = re.search(whole, text, re.IGNORECASE) if answer else None
    return None if found is None else found.start()


def _nobody_named(question: str) -> bool:
    """Whether a pronoun stands for someone whom the question does not name."""
    own = question.split()
    named = any(word[:1].isupper() or word[:1].isdigit() for word in own[1:])
    return not named and bool(PRONOUNS & set(words(question)))


def _same(one: str, other: str) -> bool:
    mine, theirs = frozenset(words(one)), frozenset(words(other))
    return len(mine & theirs) >= SAME * len(mine | theirs)


def _source(passage: Passage, place: int, question: str, answer: str) -> Sentence:
    """The sentence with the answer that has most of the question's words."""
    spans = [(passage.start + a, passage.start + b) for a, b in sentences(passage.text)]
    held = [
        (a, b)
        for a, b in spans
        if answer.casefold() in passage.text[a - passage.start : b - passage.start].casefold()
    ]
    if not held:  # it reaches over the end of one
        start = passage.start + place
        held = [(start, start + len(answer))]
    texts = [passage.text[a - passage.start : b - passage.start] for a, b in held]
    shares = [facts.share(question, facts.known(text)) for text in texts]
    best = shares.index(max(shares))
    quote = texts[best]
    return Sentence(passage.document, held[best][0], quote, (), "", " ".join(quote.split()))


def _accepted(answer: str) -> tuple[str, ...]:
    """As it is written in the passage, and without its article."""
    bare = re.sub(r"^(?:the|an?)\s+", "", answer, flags=re.IGNORECASE)
    return tuple(dict.fromkeys((" ".join(answer.split()), " ".join(bare.split()))))
