"""What the documentation shows is what happens: examples run, reference pages agree, links lead."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from isoflop.cli import group

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(  # what is set as code: a block between fences, an indented line, a span
    r"^```(?!python)\w*\n([\s\S]*?)^```|^    (.*)$|(?<!`)`([^`\n]+)`(?!`)", re.MULTILINE
)
# Up to a pipe or a remark; a word of it in prose or in Python begins no line.
COMMAND = re.compile(r"(?:^|[$|] |-m )isoflop ([a-z][^\n|#>&;]*)", re.MULTILINE)
KEPT = "log.md"  # the notebook says what was typed when it was written
RUN = [page for page in PAGES if BLOCK.search(page.read_text())]


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what was shown, where `...` stands for anything."""
    parts = re.split(r"(\n?\.\.\.)", expected.strip())
    pattern = "".join(
        f"(?:{re.escape(part[:-3])}.*?)?" if part.endswith("...") else re.escape(part)
        for part in parts
    )
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_do_what_they_show(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, block in BLOCK.findall(page.read_text()):
        if kind == "python":
            command = [sys.executable, "-W", "error", "-c", block]
            run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
            continue
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command_line, _, expected = shown.partition("\n")
            run = subprocess.run(
                command_line, shell=True, cwd=tmp_path, capture_output=True, text=True,
                env=environment, executable="/bin/bash",
            )  # fmt: skip
            assert run.returncode == 0, run.stderr
            assert matches(expected, run.stdout), f"$ {command_line}\n{run.stdout}\n{run.stderr}"


def options_named(line: str) -> Iterator[tuple[str, set[str]]]:
    """Options in a command line, each with all that the command has."""
    command: click.Command = group
    for word in shlex.split(line.replace("...", "")):
        if word.startswith("--"):
            known = {name for each in command.params for name in each.opts}
            yield word.partition("=")[0].rstrip(".,;:)"), known | {"--help"}
        elif isinstance(command, click.Group) and not word.isupper():
            context = click.Context(command)
            if command.name == "detect" and word not in command.list_commands(context):
                word = "text"  # need not be named
            found = command.get_command(context, word)
            assert found is not None, f"no {word}: isoflop {line}"
            command = found


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != KEPT],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_commands_that_are_only_shown_exist_with_their_options(page: Path) -> None:
    text = re.sub(r"\\\n *", " ", page.read_text())
    shown = "\n".join("".join(parts) for parts in SHOWN.findall(text))
    for line in COMMAND.findall(shown):
        assert not re.search(r'"[^"]*\$\d', line), f"a shell takes it out: {line}"
        for option, known in options_named(line):
            assert option in known, f"no {option}: isoflop {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_reference_pages_are_made_from_the_code() -> None:
    # in a process of its own: click keeps how a command was first asked for its help
    code = (
        "import json, runpy, sys; pages = runpy.run_path(sys.argv[1])['pages']();"
        "print(json.dumps({str(path): text for path, text in pages.items()}))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "scripts" / "reference")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, text in json.loads(run.stdout).items():
        path = Path(name)
        assert path.read_text() == text, f"{path.name} is out of date: run scripts/reference"
