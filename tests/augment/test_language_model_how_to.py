"""The how-to page on language models does what it says."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "answer-with-a-language-model.md"


def test_the_example_prints_what_the_page_shows() -> None:
    code, shown = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)[
        0
    ]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {"__name__": "how_to"})
    assert printed.getvalue() == shown
