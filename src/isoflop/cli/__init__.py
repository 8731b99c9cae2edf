"""The command line: one file per command, imported when the command is called."""

import os
import sys

import click

from isoflop import __version__
from isoflop.cli.lazy import LazyGroup
from isoflop.errors import IsoflopError, MissingPackage

COMMANDS = {
    "demo": ("isoflop.cli.demo:demo", "Ways of answering, compared in two minutes."),
    "ask": ("isoflop.cli.ask:ask", "Answer a question from documents, with citations and bill."),
    "index": ("isoflop.cli.index:index", "Build or update an index of documents."),
    "search": ("isoflop.cli.search:search", "Ranked passages; TREC runs for evaluation."),
    "perplexity": ("isoflop.cli.perplexity:perplexity", "How well a model predicts texts."),
    "compress": ("isoflop.cli.compress:compress", "Make a text small by a model's predictions."),
    "decompress": ("isoflop.cli.decompress:decompress", "Get a compressed text back."),
    "detect": ("isoflop.cli.detect:detect", "How machine-like texts are, and what can be told."),
    "exam": ("isoflop.cli.exam:exam", "Ask, score and compare: numbers that can be trusted."),
    "compare": ("isoflop.cli.compare:compare", "Which way of answering is worth its cost."),
    "plan": ("isoflop.cli.plan:plan", "What it costs, before it is spent."),
    "catalog": (
        "isoflop.cli.catalog:catalog",
        "What is known of chips, models, grids, prices, laws.",
    ),
    "world": ("isoflop.cli.world:world", "Invented worlds whose answers are known, as files."),
    "train": ("isoflop.cli.train:train", "Train a language model of your own, within a budget."),
    "generate": ("isoflop.cli.generate:generate", "What a model writes after a prompt."),
    "finetune": ("isoflop.cli.finetune:finetune", "Teach a model your texts, or what to answer."),
    "models": ("isoflop.cli.models:models", "Model files: which are known, which are here."),
    "doctor": ("isoflop.cli.doctor:doctor", "What works on this machine."),
    "config": ("isoflop.cli.config:config", "Settings in force and where they come from."),
}
INTERRUPTED = 130
EXTRAS = {  # of the rest: search
    "altair": "plot", "vl_convert": "plot", "scipy": "fit", "constriction": "measure",
    "torch": "train", "safetensors": "train", "llguidance": "train",
    "transformers": "hf", "peft": "hf",
}  # fmt: skip


@click.group(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="isoflop")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """At equal compute, what works best?

    isoflop answers questions from your documents with citations, and says what each answer takes
    in FLOPs, seconds, joules, dollars and CO2e: before, while and after it is spent.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2 if isinstance(error, click.UsageError) else 1
    except IsoflopError as error:
        code = _told(error)
    except ModuleNotFoundError as error:
        code = _told(_missing(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "\nInterrupted. What was done is kept; the same command goes on from there.", err=True
        )
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # noqa: BLE001 - a bug: no traceback unless it is asked for
        code = _broken(error)
    sys.exit(code if isinstance(code, int) else 0)


def _broken(error: Exception) -> int:
    """Say that isoflop itself failed, and how to see where. Returns the exit code."""
    if "--debug" in sys.argv:
        raise error
    click.echo(
        f"Error: isoflop failed: {type(error).__name__}: {error}\n"
        "This is a mistake in isoflop. What was indexed is kept; "
        "`isoflop --debug ...` shows where it happened.",
        err=True,
    )
    return 1


def _missing(error: ModuleNotFoundError) -> IsoflopError:
    """What to install, where a package of an extra is absent; our own absent module is a bug."""
    name = (error.name or "").partition(".")[0]
    if name == "isoflop":
        raise error
    return MissingPackage(
        f"This needs the package {error.name}, which is not installed.\n"
        f"  pip install 'isoflop[{EXTRAS.get(name, 'search')}]'"
    )


def _told(error: IsoflopError) -> int:
    """Say what is wrong; as JSON too where JSON was asked for. Returns the exit code."""
    if "--debug" in sys.argv:
        raise error
    if "--json" in sys.argv:
        from isoflop.cli.output import print_json

        print_json({"error": {"kind": type(error).__name__, "message": str(error)}})
    click.echo(f"Error: {error}", err=True)
    return error.exit_code
