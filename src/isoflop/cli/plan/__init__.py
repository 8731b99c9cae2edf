"""isoflop plan: what it costs, before it is spent."""

import click

from isoflop.cli.lazy import LazyGroup

PLANS = {
    "training": (
        "isoflop.cli.plan.training:training",
        "What a budget trains: model, tokens, layout, hours, dollars, CO2e.",
    ),
    "finetuning": (
        "isoflop.cli.plan.finetuning:finetuning",
        "Adapting a model: all weights, low-rank factors, or a 4-bit base.",
    ),
    "memory": (
        "isoflop.cli.plan.memory:memory",
        "What a model takes on a chip, to train it and to serve it.",
    ),
    "serving": (
        "isoflop.cli.plan.serving:serving",
        "A model on chips, with users: waiting, tokens per second, dollars.",
    ),
    "lifetime": (
        "isoflop.cli.plan.lifetime:lifetime",
        "A smaller model trained longer, as good and cheaper to serve.",
    ),
    "fit": ("isoflop.cli.plan.fit:fit", "A scaling law from your own runs."),
    "retrieval": (
        "isoflop.cli.plan.retrieval:retrieval",
        "Indexing a folder once, and questions by each way of ranking.",
    ),
    "energy": (
        "isoflop.cli.plan.energy:energy",
        "Electricity and CO2e of a machine's hours.",
    ),
    "methods": (
        "isoflop.cli.plan.methods:methods",
        "Ways of answering from a corpus: paid once, per question, per month, break-even.",
    ),
    "audit": (
        "isoflop.cli.plan.audit:audit",
        "What a claim about a training run implies, and whether it can be.",
    ),
    "equivalents": (
        "isoflop.cli.plan.equivalents:equivalents_command",
        "A run beside homes, cars, flights, brains and childhoods.",
    ),
}


@click.group(cls=LazyGroup, table=PLANS)
def plan() -> None:
    """Forecast FLOPs, seconds, joules, dollars and CO2e from formulas with sources."""
