"""Fine-tuning: published adapter sizes and memory, and that less trained costs less."""

import pytest

from isoflop import catalog
from isoflop.errors import UsageError
from isoflop.plan.finetuning import (
    METHODS,
    adapter_parameters,
    finetuning,
    finetuning_flops_per_token,
    frozen_memory,
)
from isoflop.plan.flops import matmul_parameters, training_flops_per_token
from isoflop.plan.parallel import Layout

LLAMA = catalog.architecture("llama-3.1-8b")
H100 = catalog.accelerator("h100-sxm")


def test_rank_16_beside_every_matrix_of_llama_8b_is_42_million() -> None:
    # peft's print_trainable_parameters on the checkpoint, all linear layers: 41,943,040
    assert adapter_parameters(LLAMA, 16) == 41_943_040
    assert adapter_parameters(LLAMA, 8) == 41_943_040 // 2


def test_full_fine_tuning_counts_as_training_does() -> None:
    assert finetuning_flops_per_token(LLAMA, 2048) == training_flops_per_token(LLAMA, 2048)


def test_factors_save_the_gradients_of_frozen_matrices() -> None:
    full = finetuning_flops_per_token(LLAMA, 2048, "full")
    less = finetuning_flops_per_token(LLAMA, 2048, "lora")
    factors = 6 * adapter_parameters(LLAMA)
    assert full - less == pytest.approx(2 * matmul_parameters(LLAMA) - factors)
    assert finetuning_flops_per_token(LLAMA, 2048, "qlora") == less


def test_four_bits_take_half_a_byte_and_their_scales() -> None:
    # Dettmers et al. 2023, arXiv:2305.14314, section 3: 4.127 bits a parameter
    layout = Layout(recompute="full")
    lora = frozen_memory(LLAMA, layout, 512, "lora").weights
    qlora = frozen_memory(LLAMA, layout, 512, "qlora").weights
    assert lora - qlora == pytest.approx((2 - 4.127 / 8) * LLAMA.matrix_parameters, rel=1e-4)


def test_each_way_takes_less_memory_than_the_one_before() -> None:
    found = [finetuning(LLAMA, 1e7, H100, 8, method=method) for method in METHODS]
    totals = [one.memory.total.value for one in found]
    assert totals == sorted(totals, reverse=True)
    assert found[0].flops > found[1].flops == found[2].flops
    assert found[1].chip_seconds.value < found[0].chip_seconds.value


def test_what_does_not_fit_is_refused_with_a_way_out() -> None:
    card = catalog.accelerator("t4")
    with pytest.raises(UsageError, match=r"lora does not fit on 1 x t4.*--method qlora"):
        finetuning(LLAMA, 1e6, card, method="lora")
    with pytest.raises(UsageError, match="a rank is from 1 to less than the width"):
        adapter_parameters(LLAMA, 0)
    with pytest.raises(UsageError, match="positive number of tokens"):
        finetuning(LLAMA, 0, H100)
