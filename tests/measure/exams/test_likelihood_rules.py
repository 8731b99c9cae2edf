"""Rules that weigh likelihoods, asked of a real network through the whole path."""

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from isoflop.cli import group
from isoflop.errors import CannotScore
from isoflop.lm import checkpoint
from isoflop.lm.own import OwnModel
from isoflop.measure.exams import formats, running
from isoflop.measure.exams.recordings import recordings
from isoflop.measure.exams.score import score
from isoflop.measure.likelihood import score as token_stream
from tests.lm.servers import Server, TwoTokens, ollama


@pytest.fixture
def path(tmp_path: Path) -> Path:
    items = [
        {"id": str(n), "prompt": f"Where is {name}?", "choices": ["in town", "by the river there"],
         "answers": ["A"]}
        for n, name in enumerate(("Ann", "Bob", "Eve"))
    ]  # fmt: skip
    path = tmp_path / "where.jsonl"
    path.write_text("\n".join(map(json.dumps, items)))
    return path


def test_each_choice_is_given_the_sum_over_its_own_tokens(
    model: OwnModel, path: Path, tmp_path: Path
) -> None:
    exam = formats.read(path)
    asked = running.Asked(exam, "where", model, "sum", lambda usage: usage)
    assert asked.kind == "likelihoods"
    running.run(asked, tmp_path / "run")
    [found] = recordings(tmp_path / "run")
    for question, output in zip(exam.questions, found.outputs, strict=True):
        prompt = f"{question.text}\nA. in town\nB. by the river there\n\nAnswer:"
        assert output.prompt == prompt
        for choice, likelihood in zip(question.choices, output.likelihoods, strict=True):
            whole = token_stream(model, f"{prompt} {choice}").nats
            assert likelihood == pytest.approx(
                -(whole - token_stream(model, prompt).nats), abs=1e-3
            )
    by_hand = [
        "AB"[o.likelihoods[0] / len("in town") < o.likelihoods[1] / len("by the river there")]
        for o in found.outputs
    ]
    got = score(exam, found, rule="per-character")
    assert [one.answers[0] for one in got.graded] == by_hand


def test_mutual_information_asks_each_choice_without_its_question(
    model: OwnModel, path: Path, tmp_path: Path
) -> None:
    exam = formats.read(path)
    running.run(running.Asked(exam, "where", model, "pmi", lambda usage: usage), tmp_path / "run")
    [found] = recordings(tmp_path / "run")
    alone = [token_stream(model, f"Answer: {choice}").nats for choice in exam.questions[0].choices]
    premise = token_stream(model, "Answer:").nats
    for output in found.outputs:
        assert output.unconditional == pytest.approx([premise - nats for nats in alone], abs=1e-3)
    assert score(exam, found, rule="pmi").unparsed == 0


def test_the_command_asks_a_model_of_ones_own_and_bills_it(
    model: OwnModel, path: Path, tmp_path: Path
) -> None:
    checkpoint.save(model.model, model.tokenizer, tmp_path / "small")
    command = ["exam", "run", str(path), "--model", f"isoflop:{tmp_path / 'small'}"]
    into = ["--into", str(tmp_path / "run"), "--rule", "per-byte", "--json"]
    got = CliRunner().invoke(group, command + into, catch_exceptions=False)
    assert got.exit_code == 0, got.output
    values = json.loads(got.stdout)
    assert values["scores"][0]["rule"] == "per-byte"
    assert values["bill"]["flops"] > 2 * 20_000 * values["bill"]["prompt_tokens"]
    assert values["bill"]["seconds"] > 0
    assert values["forecast"]["prompt_tokens"] > 0
    again = CliRunner().invoke(group, command + into, catch_exceptions=False)
    assert json.loads(again.stdout)["bill"]["seconds"] == 0


def test_a_server_without_log_probabilities_is_refused_before_a_question_is_asked(
    path: Path, tmp_path: Path
) -> None:
    with Server(TwoTokens("a b c")) as server:
        server.answer = ollama
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        asked = ["exam", "run", str(path), "--model", "openai:two-tokens", "--rule", "sum"]
        where = ["--base-url", server.url, "--into", str(tmp_path / "run")]
        run = CliRunner().invoke(group, [*asked, *where])
        server.shutdown()
        thread.join()
    assert isinstance(run.exception, CannotScore)
    assert "do not give log-probabilities of a text" in str(run.exception)
    assert not any("Where is" in body["prompt"] for body in server.bodies)
