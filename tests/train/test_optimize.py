"""The optimizer's update of matrices, against singular values."""

import pytest
import torch

from isoflop.train.optimize import orthogonalised


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(48, 48), (48, 192), (192, 48), (48, 64)])
def test_singular_values_from_three_thousandths_to_one_come_near_one(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    draw = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(*shape, generator=draw), full_matrices=False)
    sizes = torch.logspace(0, -2.1, 48)  # of a norm of 1.7, so down to 0.0047 of it
    found = orthogonalised(left * sizes @ right, dtype)
    assert found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    slack = 0.01 if dtype == torch.float32 else 0.05
    assert 0.8 - slack < float(values.min())
    assert float(values.max()) < 1.2 + slack
    turned = left.mT @ found @ right.mT
    assert float((turned - turned.diagonal().diag()).abs().max()) < slack


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonalised(torch.zeros(8, 32), torch.float32).any()
