"""Named parsers: from what a model wrote to the answer it gave, or None."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from isoflop.measure.exams.exam import LETTERS, is_yes_no
from isoflop.questions import Question

Parser = Callable[[str, Question], str | None]

_TAG = re.compile(r"<answer>(.*?)</?answer>", re.IGNORECASE | re.DOTALL)
_ECHO = re.compile(r"[A-Z]\s*/\s*[A-Z]\b|yes\s*/\s*no\b", re.IGNORECASE)
_HEDGE = re.compile(r"\)?\s*(?:/|,|or|and)\s*\(?[A-Z]\b(?!')")
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_YES_NO_WORD = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_CUE = re.compile(r"\banswer\b(?:\s+is)?(?:\s+therefore)?\s*:?\s*", re.IGNORECASE)
_ANSWER_IS = re.compile(r"\banswer is\b\s*:?\s*", re.IGNORECASE)
_LETTER = re.compile(r"\W*\(?([A-Z])\b(?!')")
_ALONE = re.compile(r"(?<![\w'])\(?([B-Z])\b(?!')|\(A\)|(?<![\w'])(A)(?=[.:)]|\s*\Z)")
_NUMBER = re.compile(r"-?\$?\s?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")
_FINAL = re.compile(r"####\s*|(?:^|\n)\s*A(?:nswer)?:\s*")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")


def letter(text: str, question: Question) -> str | None:
    """The letter of a choice.

    In this order: in an `<Answer>` tag; after the last "answer is" or "Answer:"; at the beginning;
    the exact text of a choice; the last letter that stands alone.
    """
    tagged = _TAG.findall(text)
    if tagged:
        return tag(text, question)
    for cue in reversed(list(_CUE.finditer(text))):
        found = _first_letter(text[cue.end() :], question)
        if found:
            return found
    found = _first_letter(text, question) or _choice(text, question)
    if found:
        return found
    alone = [m[1] or m[2] or "A" for m in _ALONE.finditer(text)]
    return next((one for one in reversed(alone) if _allowed(one, question)), None)


def first_capital(text: str, question: Question) -> str | None:
    """The first capital letter that names a choice, even inside a word, as AGIEval reads it."""
    return next((one for one in text if _allowed(one, question)), None)


def letters(text: str, question: Question) -> str | None:
    """All letters of choices that stand alone, sorted: for questions with several right ones."""
    found = set(re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", text))
    return "".join(sorted(one for one in found if _allowed(one, question))) or None


def tag(text: str, question: Question) -> str | None:
    """What the last `<Answer>` tag holds: a letter, yes or no, or its text.

    "Neither" is an answer, and a wrong one; an echo of the request, such as A/B, is none.
    """
    found = _TAG.findall(text)
    said = found[-1].strip() if found else ""
    if not said or _ECHO.match(said):
        return None
    return resolved(said, question) or canonical(said)


def tag_first(text: str, question: Question) -> str | None:
    """The first letter after the last `<Answer>`, even of an echo: as published scripts do."""
    found = _TAG.findall(text)
    said = found[-1].strip() if found else ""
    if said[:1].upper() and _allowed(said[:1].upper(), question):
        return said[:1].upper()
    return tag(text, question)


def yes_no(text: str, question: Question) -> str | None:
    """Yes or no as the first word, whatever follows."""
    del question
    found = _YES_NO.match(text)
    return found[1].lower() if found else None


def yes_no_anywhere(text: str, question: Question) -> str | None:
    """The first yes or no that is a word, wherever it stands."""
    del question
    found = _YES_NO_WORD.search(text)
    return found[1].lower() if found else None


def answer_is(text: str, question: Question) -> str | None:
    """What follows the last "answer is" to the end of its line; all of the text without one."""
    cues = list(_ANSWER_IS.finditer(text))
    said = text[cues[-1].end() :].lstrip() if cues else text.lstrip()
    return resolved(said.partition("\n")[0].rstrip().removesuffix("."), question)


def number(text: str, question: Question) -> str | None:
    """The last number of the text."""
    del question
    found = _NUMBER.findall(text)
    return as_number(found[-1]) if found else None


def first_number(text: str, question: Question) -> str | None:
    """The first number of the text, as zero-shot chain of thought reads its second reply."""
    del question
    found = _NUMBER.search(text)
    return as_number(found[0]) if found else None


def final_number(text: str, question: Question) -> str | None:
    """The first number after the last `####` or `A:`, as GSM8K's solutions end."""
    cues = list(_FINAL.finditer(text))
    found = _NUMBER.search(text, cues[-1].end()) if cues else None
    del question
    return as_number(found[0]) if found else None


def boxed(text: str, question: Question) -> str | None:
    r"""What the last `\boxed{...}` holds, with its braces balanced."""
    starts = list(_BOXED.finditer(text))
    if not starts:
        return None
    depth, start = 1, starts[-1].end()
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return resolved(text[start:place], question)
    return None


def boxed_number(text: str, question: Question) -> str | None:
    r"""The last number in the last `\boxed{...}`, whatever its unit; without one, in the text."""
    starts = list(_BOXED.finditer(text))
    inside = text[starts[-1].end() :].partition("}")[0] if starts else ""
    return number(inside, question) or number(text, question)


def whole(text: str, question: Question) -> str | None:
    """All of the text, without white space around it."""
    return resolved(text, question)


PARSERS: dict[str, Parser] = {
    "letter": letter,
    "letters": letters,
    "first-capital": first_capital,
    "tag": tag,
    "tag-first": tag_first,
    "yes-no": yes_no,
    "yes-no-anywhere": yes_no_anywhere,
    "answer-is": answer_is,
    "number": number,
    "first-number": first_number,
    "final-number": final_number,
    "boxed": boxed,
    "boxed-number": boxed_number,
    "exact": whole,
}


def resolved(said: str, question: Question) -> str | None:
    """An answer in the form in which keys are written; None when it cannot be an answer."""
    said = said.strip()
    if not said:
        return None
    if question.choices:
        return _first_letter(said, question) or _choice(said, question)
    if is_yes_no(question):
        return yes_no(said, question)
    return canonical(said)


def canonical(answer: str) -> str:
    """Free text as it is compared: numbers as numbers, words without case and extra blanks."""
    return as_number(answer) or " ".join(answer.split()).casefold()


def as_number(text: str) -> str | None:
    """A number in one spelling: `$1,200.50` and `1200.5` are the same; None for anything else."""
    plain = text.strip().replace(",", "").replace("$", "").replace(" ", "").removesuffix(".")
    if not plain or not (plain[-1].isdigit() and plain[0] in "-+.0123456789"):
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return format(value.normalize(), "f") if value.is_finite() else None


def _first_letter(said: str, question: Question) -> str | None:
    """A letter at the beginning that names one choice; "A/B" and "(A) or (B)" name none."""
    found = _LETTER.match(said)
    if not found or not _allowed(found[1], question) or _HEDGE.match(said, found.end()):
        return None
    if found[1] in "AI" and re.match(r" [a-z]", said[found.end() :]):  # words: "A dog is"
        return None
    return found[1]


def _choice(said: str, question: Question) -> str | None:
    plain = canonical(said.strip().removesuffix("."))
    same = [
        place
        for place, choice in enumerate(question.choices)
        if canonical(choice.strip().removesuffix(".")) == plain
    ]
    return LETTERS[same[0]] if len(same) == 1 else None


def _allowed(one: str, question: Question) -> bool:
    return one in LETTERS[: len(question.choices)]
