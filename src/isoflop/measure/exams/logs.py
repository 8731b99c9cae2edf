"""Logs of zero-shot chain of thought: text blocks of question, reply and target.

Source:
    github.com/kojima-takeshi188/zero_shot_cot, log/*.log.
"""

import re
from collections.abc import Iterator

_BLOCK = re.compile(
    r"^Q: (?P<question>.*?)\nA: .*?\npred_before : (?P<reply>.*?)\npred_after : .*?"
    r"\nGT : (?P<key>[^\n]*)$",
    re.DOTALL | re.MULTILINE,
)


def is_log(text: str) -> bool:
    """Whether a text is such a log."""
    return "\npred_before : " in text and "\nGT : " in text


def rows(text: str) -> Iterator[dict[str, str]]:
    """Each question with what the model said last, which is its answer."""
    for block in _BLOCK.finditer(text):
        yield {"prompt": block["question"], "text": block["reply"], "answer": block["key"]}
