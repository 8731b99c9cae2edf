"""isoflop generate, as a person would type it."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from isoflop.cli import main
from isoflop.lm import checkpoint
from tests.lm.models import TOKENIZER, own_model


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    checkpoint.write(own_model().model, TOKENIZER, folder)
    return f"isoflop:{folder}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, code: int = 0, stdin: str = "") -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["isoflop", "generate", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        assert stop.value.code == code, err
        return out, err

    return call


def test_text_goes_to_stdout_and_the_bill_to_stderr(run: Any, name: str) -> None:
    out, err = run("the cat", "--model", name, "--tokens", "9", "--ignore-end")
    told = run("the cat", "--model", name, "--tokens", "9", "--ignore-end", "--json")
    row = json.loads(told[0])["generated"][0]
    assert out == row["text"] + "\n"
    assert "9 written tokens (measured)" in err
    assert "FLOP (measured)" in err
    assert (row["output_tokens"], row["finish_reason"]) == (9, "length")


def test_a_prompt_from_stdin_is_the_same_prompt(run: Any, name: str) -> None:
    typed = run("the cat", "--model", name, "--tokens", "5")[0]
    assert run("-", "--model", name, "--tokens", "5", stdin="the cat")[0] == typed


def test_prompts_of_a_file_give_a_line_each(run: Any, name: str, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "the dog"}]
    lines = ["the cat", {"prompt": "a"}, {"messages": turns}]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    out, _ = run("--prompts", str(file), "--model", name, "--tokens", "4")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["prompt"] for row in rows] == ["the cat", "a", turns]
    alone = run("the dog", "--chat", "--model", name, "--tokens", "4", "--json")[0]
    assert json.loads(alone)["generated"][0]["text"] == rows[2]["text"]


def test_log_probabilities_are_those_of_prompt_and_output(run: Any, name: str) -> None:
    options = ("--model", name, "--tokens", "4", "--ignore-end", "--log-probabilities", "2")
    out, _ = run("the cat", *options, "--json")
    row = json.loads(out)["generated"][0]
    scored = own_model().score("the cat")
    before = row["prompt_log_probabilities"]
    assert [each["token"] for each in before] == list(scored.tokens)
    assert [each["log_probability"] for each in before] == pytest.approx(scored.log_probabilities)
    assert len(row["tokens"]) == 4
    run("the cat", *options, code=2)  # not in running text


def test_an_expression_and_a_schema_are_followed(run: Any, name: str, tmp_path: Path) -> None:
    assert run("the", "--model", name, "--regex", "(yes|no)")[0] in ("yes\n", "no\n")
    schema = tmp_path / "schema.json"
    shape = {"type": "object", "properties": {"a": {"const": 7}}, "required": ["a"]}
    schema.write_text(json.dumps(shape | {"additionalProperties": False}))
    out, _ = run("the", "--model", name, "--json-schema", str(schema), "--tokens", "60")
    assert json.loads(out) == {"a": 7}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give a PROMPT"),
        (("a", "--prompts", "b"), "Give a PROMPT"),
        (("--prompts", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
        (("a", "--top-p", "2"), "top_p=2.0: it must be above 0 and at most 1"),
        (("a", "--regex", "a", "--json-schema", "b"), "not both"),
        (("--prompts", "-"), "no prompts"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    run: Any, name: str, arguments: tuple[str, ...], said: str
) -> None:
    assert said in run(*arguments, "--model", name, code=2)[1]


@pytest.mark.parametrize("line", ["{", "7", '{"messages": [{"role": "user"}]}', "null"])
def test_a_line_that_is_no_prompt_is_named(run: Any, name: str, line: str) -> None:
    _, err = run("--prompts", "-", "--model", name, code=2, stdin=f'"a"\n{line}\n')
    assert "-, line 2" in err
