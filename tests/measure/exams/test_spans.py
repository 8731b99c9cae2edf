"""SQuAD's exact match and F1 beside the steps of the official scripts, over 1,190 questions.

The oracle is written from what evaluate-v1.1.py (Rajpurkar et al. 2016, arXiv:1606.05250) and
evaluate-v2.0.py (Rajpurkar et al. 2018, arXiv:1806.03822) do, step by step and letter by letter:
lower case, drop the 32 marks of string.punctuation, drop articles between word boundaries, join
what blanks part; then a bag of words.
"""

import json
import re
import string
from pathlib import Path
from random import Random

from isoflop.measure.exams import spans


def official_normalised(answer: str) -> str:
    lowered = answer.lower()
    unmarked = "".join(mark for mark in lowered if mark not in set(string.punctuation))
    without_articles = re.sub(r"\b(a|an|the)\b", " ", unmarked)
    return " ".join(without_articles.split())


def official_exact(said: str, accepted: str) -> float:
    return float(official_normalised(said) == official_normalised(accepted))


def official_f1(said: str, accepted: str) -> float:
    mine, theirs = official_normalised(said).split(), official_normalised(accepted).split()
    if len(mine) == 0 or len(theirs) == 0:  # as of 2.0; 1.1 has no empty answers
        return float(mine == theirs)
    left, shared = list(theirs), 0
    for word in mine:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(mine), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)


def wrong(right: str, context: str, random: Random) -> list[str]:
    """Answers as models get them wrong: cut, extended, shuffled, from elsewhere, decorated."""
    words, text = right.split(), context.split()
    place = random.randrange(len(text))
    shuffled = random.sample(words, len(words))
    return [
        right,
        right.upper(),
        f"The {right}.",
        f"“{right}” (an answer)",
        " ".join(words[: max(1, len(words) // 2)]),
        " ".join([*words, *text[place : place + 3]]),
        " ".join(shuffled),
        " ".join(text[place : place + random.randint(1, 6)]),
        f"{right} {right}",
        f"the-{right}",  # marks go before articles, so this is one word
        random.choice(("", "a", "the an", "...", "-", "\u2014")),
    ]


def test_every_score_equals_the_official_ones_on_all_of_xquad(evaldata: Path) -> None:
    random, questions, compared = Random(5), 0, 0
    data = json.loads((evaldata / "xquad" / "xquad.en.json").read_text("utf-8"))["data"]
    for paragraph in (one for article in data for one in article["paragraphs"]):
        for entry in paragraph["qas"]:
            accepted = [answer["text"] for answer in entry["answers"]]
            accepted.append(" ".join(accepted[0].split()[:2]))  # a second, as in SQuAD's own
            questions += 1
            for said in wrong(accepted[0], paragraph["context"], random):
                exact = max(official_exact(said, one) for one in accepted)
                overlap = max(official_f1(said, one) for one in accepted)
                assert spans.exact_match(said, accepted) == exact
                assert abs(spans.f1(said, accepted) - overlap) < 1e-12
                compared += 1
    assert (questions, compared) == (1190, 13090)


def test_an_empty_answer_is_right_only_where_nothing_is_to_be_said() -> None:
    assert spans.exact_match("", [""]) == spans.f1("", [""]) == 1.0
    assert spans.exact_match("the", [""]) == 1.0  # an article is no word
    assert spans.f1("Paris", [""]) == spans.f1("", ["Paris"]) == 0.0
