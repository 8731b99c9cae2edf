"""Tables of runs are read by the meaning of their columns, and what is wrong is named."""

from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.plan.runs import Run, read_runs


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "N,D,loss\n1e9,2e10,2.5\n",
        "Model Size,color,Training FLOP,Loss\n1e9,#aabbcc,1.2e20,2.5\n",
        "name,num_params,tokens_seen,val_loss,notes\nsmall,1B,20B,2.5,\n\n",
        "\ufeffTraining Tokens,Train FLOPs,final_loss\n20 billion,1.2e20,2.5\n",
    ],
)
def test_columns_are_found_by_their_meaning(text: str, tmp_path: Path) -> None:
    (run,) = read_runs(written(tmp_path, text))
    assert (run.parameters, run.tokens, run.loss) == pytest.approx((1e9, 2e10, 2.5))
    assert run.flops == pytest.approx(1.2e20)


def test_a_column_of_any_name_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "weights,D,nats\n1e9,2e10,2.5\n")
    (run,) = read_runs(path, columns={"parameters": "weights", "loss": "nats"})
    assert run == Run(1e9, 2e10, 2.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "It has no columns"),
        ("N,loss\n1e9,2.5\n", "no column found for tokens, flops"),
        ("N,D,error\n1,1,1\n", "no column found for flops, loss.*'error'"),
        ("N,params,D,loss\n1,1,1,1\n", "'N' and 'params' may both be parameters"),
        ("N,D,loss\n1e9,2e10,2.5\n1e9,2e10,NaN\n", "line 3, loss: not a number"),
        ("N,D,loss\n1e9,2e10,0\n", "line 2, loss: 0 must be more than zero"),
        ("N,D,loss\n-1e9,2e10,2\n", "line 2, N: -1e\\+09 must be more than zero"),
        ("N,D,loss\n1e9,inf,2\n", "line 2, D: inf must be more than zero and finite"),
        ("N,D,loss\n1e9,2e10,low\n", "line 2, loss: 'low' is not a number"),
        ("N,D,loss\n1e9,,2\n", "line 2, D: '' is not a number"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_and_where(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        read_runs(written(tmp_path, text))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_runs(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read as a CSV file"):
        read_runs(tmp_path / "picture.csv")
    with pytest.raises(UsageError, match="has no column 'cost'"):
        read_runs(written(tmp_path, "N,D,loss\n1,1,1\n"), columns={"loss": "cost"})
