"""Energy: the published runs, the shares it is made of, and what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.estimate import Estimate
from isoflop.machine import Accelerator, Machine
from isoflop.plan.energy import answer_joules, energy, load_share, machine_watts

A100 = Accelerator("a100", {"bf16": 312e12}, 2e12, 80e9, 400, None, "data sheet", "2020-05-14")
V100 = replace(A100, name="v100", watts=300, training_watts=330)
KILOWATT_HOUR = 3.6e6


def somewhere(chip: Accelerator, count: int = 1, pue: float = 1.0, grams: float = 385) -> Machine:
    return Machine(chip, count, grams / KILOWATT_HOUR, pue, "US 2023")


def test_llama_65b_took_449_megawatt_hours() -> None:
    # arXiv:2302.13971, table 15: 1,022,362 A100 hours, PUE 1.1, 0.385 kg/kWh, 449 MWh, 173 t
    found = energy(somewhere(A100, pue=1.1), 1_022_362 * 3600)
    assert found.building is not None
    assert found.grams_co2e is not None
    assert found.building.value / KILOWATT_HOUR == pytest.approx(449e3, rel=0.01)
    assert found.grams_co2e.value == pytest.approx(173e6, rel=0.01)


def test_gpt3_took_1287_megawatt_hours() -> None:
    # arXiv:2104.10350, table 4: 10,000 V100 for 14.8 days, 330 W each as measured, PUE 1.10
    found = energy(somewhere(V100, count=10_000, pue=1.10), 14.8 * 86400)
    assert found.building is not None
    assert found.building.value / KILOWATT_HOUR == pytest.approx(1287e3, rel=0.01)


def test_an_h100_node_at_hard_work_is_inside_the_interval() -> None:
    # arXiv:2506.14551: 76 % of 10.2 kW for eight
    watts = machine_watts(replace(A100, watts=700))
    assert watts is not None
    assert watts.low < 0.76 * 10_200 / 8 <= watts.high * 1.01


@given(
    count=st.integers(1, 100_000),
    seconds=st.floats(1, 1e9),
    pue=st.floats(1, 3),
    grams=st.floats(1, 1200),
)
def test_each_of_chips_time_and_cooling_multiplies(
    count: int, seconds: float, pue: float, grams: float
) -> None:
    one = energy(somewhere(A100, grams=grams), 1.0)
    many = energy(somewhere(A100, count, pue, grams), seconds)
    assert one.building is not None
    assert many.building is not None
    assert many.machine is not None
    assert many.building.value == pytest.approx(one.building.value * count * seconds * pue)
    assert many.building.value == pytest.approx(many.machine.value * pue)
    for figure in (many.chips, many.machine, many.building, many.grams_co2e):
        assert figure is not None
        assert figure.low < figure.value < figure.high


def test_the_interval_of_the_time_is_carried_on() -> None:
    sure, unsure = (
        energy(somewhere(A100), time).building
        for time in (Estimate.exact(3600.0), Estimate.within(3600.0, 1.5))
    )
    assert sure is not None
    assert unsure is not None
    assert unsure.value == sure.value
    assert unsure.high > sure.high


def test_unknown_watts_and_grids_are_unknown_and_not_zero() -> None:
    found = energy(somewhere(replace(A100, watts=None)), 3600)
    assert (found.chips, found.machine, found.building, found.grams_co2e) == (None,) * 4
    nowhere = energy(replace(somewhere(A100), grams_co2e_per_joule=None), 3600)
    assert nowhere.building is not None
    assert nowhere.grams_co2e is None


def test_processor_cores_carry_no_share_of_a_server_full_of_chips() -> None:
    core = Accelerator("core", {"fp32": 1e11}, 2e10, None, 5, None, "", "")
    assert energy(somewhere(core), 3600).embodied_grams_co2e is None
    # (164 kg + 5,700 kg / 8) over three years in use, an hour of it
    share = energy(somewhere(A100), 3600).embodied_grams_co2e
    assert share is not None
    assert share.value == pytest.approx(876_500 / (3 * 365.2425 * 24))


def test_decoding_draws_as_the_benchmark_measured() -> None:
    # ML.ENERGY, version 3: an H100 with one sequence 300 W, with 128 sequences 600 W, of 700 W
    assert 700 * load_share("decode", 1) == pytest.approx(300)
    assert 700 * load_share("decode", 128) == pytest.approx(600)
    assert load_share("decode", 10_000) == load_share("decode", 128)
    assert load_share("decode", 8) < load_share("decode", 16) < load_share("training") + 0.1


def test_an_answer_pays_for_its_prompt_its_host_and_machines_kept_ready() -> None:
    joules = answer_joules(somewhere(A100), prefill_seconds=1, decode_seconds=2, batch=128)
    longer = answer_joules(somewhere(A100), prefill_seconds=2, decode_seconds=2, batch=128)
    assert joules is not None
    assert longer is not None
    # at 600/700 of the limit for 3 s, hosts at 0.30 of it, and 10 for every 83 kept ready
    by_hand = 3 * 400 * (600 / 700 + 0.30) * (1 + 10 / 83)
    assert joules.value == pytest.approx(by_hand)
    assert longer.value == pytest.approx(joules.value * 4 / 3)


def test_hosts_and_spares_multiply_chip_energy_as_at_google() -> None:
    # 58 % chips, 25 % hosts, 10 % kept ready, 8 % cooling: 1.72 to 1.74 times the chips
    machine = somewhere(A100, pue=101 / 93)
    found = energy(machine, 1.0)
    assert found.machine is not None
    assert found.chips is not None
    served = found.machine.value * (1 + 10 / 83) * machine.power_usage_effectiveness
    assert served / found.chips.value == pytest.approx(1.73, abs=0.02)


def test_negative_time_and_an_empty_batch_are_refused_and_named() -> None:
    with pytest.raises(ValueError, match="seconds=-1"):
        energy(somewhere(A100), -1)
    with pytest.raises(ValueError, match="batch=0"):
        load_share("decode", 0)
