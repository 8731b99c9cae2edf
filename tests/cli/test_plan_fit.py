"""isoflop plan fit, as a person or a script meets it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from isoflop.plan.laws import Surface

LAW = Surface(1.8, 400, 1000, 0.34, 0.35)


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Runs of a known law with errors of a few thousandths."""
    lines = ["Model Size,Training FLOP,loss"]
    for i, size in enumerate((5e7, 1e8, 3e8, 1e9, 3e9)):
        for j, ratio in enumerate((4, 10, 30, 100)):
            tokens = size * ratio
            error = 1 + 0.002 * ((7 * i + 3 * j) % 5 - 2)
            lines.append(f"{size},{6 * size * tokens},{LAW.loss(size, tokens) * error}")
    path = tmp_path / "points.csv"
    path.write_text("\n".join(lines))
    return path


def test_constants_come_with_errors_and_optima_with_intervals(plan: Any, points: Path) -> None:
    found = plan("fit", str(points), "--bootstrap", "40", "--budget", "1e21", "--json").values
    assert (found["n"], found["dropped"], found["bootstrap"]) == (20, 0, 40)
    for name in ("E", "alpha", "beta"):
        constant = found["constants"][name]
        assert abs(constant["value"] - getattr(LAW, name)) < 4 * constant["standard_error"]
    (optimum,) = found["optima"]
    assert optimum["flops"] == 1e21
    best = LAW.balance * (1e21 / 6) ** LAW.exponent
    assert optimum["parameters"]["low"] <= best <= optimum["parameters"]["high"]
    assert optimum["parameters"]["value"] * optimum["tokens"]["value"] * 6 == pytest.approx(1e21)


def test_what_is_left_out_is_said(plan: Any, points: Path) -> None:
    told = plan("fit", str(points), "--bootstrap", "0", "--drop-highest", "2")
    assert "n = 18 runs, 2 of highest loss left out" in told.out
    assert "No errors without --bootstrap." in told.err
    assert (
        plan("fit", str(points), "--bootstrap", "0", "--json").values["constants"]["A"][
            "standard_error"
        ]
        is None
    )


def test_the_law_is_drawn_over_the_runs(plan: Any, points: Path, tmp_path: Path) -> None:
    plan("fit", str(points), "--bootstrap", "0", "--plot", str(tmp_path / "law.svg"))
    assert "Grey points: 20 measured runs." in (tmp_path / "law.svg").read_text("utf-8")


def test_the_same_seed_gives_the_same_errors(plan: Any, points: Path) -> None:
    one, other, third = (
        plan("fit", str(points), "--bootstrap", "5", "--seed", seed, "--json").values["constants"]
        for seed in ("1", "1", "2")
    )
    assert one == other
    assert one != third


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.csv",), "none.csv does not exist"),
        (("POINTS", "--bootstrap", "-1"), "from 0 to 100,000 samples"),
        (("POINTS", "--drop-highest", "16"), "4 runs after leaving out 16 are too few"),
        (("POINTS", "--loss-column", "nats"), "has no column 'nats'"),
        (("POINTS", "--budget", "-5"), "must be more than zero"),
        (("POINTS", "--bootstrap", "0", "--plot", "law.pdf"), "a plot ends in .svg"),
    ],
)
def test_bad_input_gets_its_own_message(
    plan: Any, points: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = (str(points) if argument == "POINTS" else argument for argument in arguments)
    assert said in plan("fit", *given, code=2).err


def test_a_missing_package_names_the_extra_it_is_in(points: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    for name, option, extra in (("scipy", (), "fit"), ("altair", ("--plot", "x.svg"), "plot")):
        (absent / f"{name}.py").write_text(
            f"raise ModuleNotFoundError('it is not here', name='{name}')"
        )
        run = subprocess.run(
            [sys.executable, "-m", "isoflop", "plan", "fit", points, "--bootstrap", "0", *option],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{absent}:{os.environ.get('PYTHONPATH', '')}"},
            cwd=tmp_path,
        )
        assert run.returncode == 5
        assert f"pip install 'isoflop[{extra}]'" in run.stderr
        (absent / f"{name}.py").unlink()
