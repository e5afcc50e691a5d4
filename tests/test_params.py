"""The parameter table: the ranges that were promised, tapers, ids, and an effect for each row."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.params import BY_ID, DEFAULTS, IDS, NEUTRAL, PROFILES, SEED, TABLE, table_hash
from realtime.preset import Preset
from tests.support import bursts, render, rms, to_db

a_param = st.sampled_from(TABLE)
a_unit = st.floats(0.0, 1.0)
any_number = st.floats(allow_nan=False)


# --- rows --------------------------------------------------------------------------------------
def test_ids_and_control_changes_are_unique():
    assert len(set(IDS)) == len(TABLE) == len(BY_ID)
    assert len({param.cc for param in TABLE}) == len(TABLE)


@pytest.mark.parametrize("param", TABLE, ids=IDS)
def test_row_is_consistent(param):
    assert re.fullmatch(r"[a-z]+\d?\.[a-z_]+", param.id)
    assert param.minimum < param.maximum
    assert param.contains(param.default) and param.contains(param.neutral)
    assert param.taper == "linear" or param.minimum > 0.0
    assert param.smoothing_ms >= 0.0 and param.description
    suffix = {"dB": "_db", "dBFS": "_db", "Hz": "_hz", "ms": "_ms"}.get(param.unit)
    assert suffix is None or param.id.endswith(suffix)
    # Controllers 120..127 are channel mode messages, 0 and 32 choose banks, 6, 38 and 96..101
    # enter (N)RPNs, 64..69 are pedals that a player's feet are on.
    assert 1 <= param.cc <= 119
    assert param.cc not in {0, 6, 32, 38, *range(64, 70), *range(96, 102)}


@pytest.mark.parametrize(
    ("ids", "low", "high"),
    [
        ([f"eq{band}.gain_db" for band in range(1, 7)], -20.0, 20.0),
        ([f"eq{band}.freq_hz" for band in range(1, 7)], 20.0, 1_200.0),
        (["comp.threshold_db"], -60.0, 0.0),
        (["comp.ratio"], 2.0, 6.0),
        (["reverb.room_size"], 0.1, 1.0),
        (["reverb.wet"], 0.1, 0.8),
        (["reverb.dry"], 0.5, 1.0),
    ],
)
def test_ranges_contain_those_of_the_paper(ids, low, high):
    for param_id in ids:
        assert BY_ID[param_id].minimum <= low and high <= BY_ID[param_id].maximum


def test_seed_is_six_peaks_from_20_to_1200_hz_and_eight_numbers():
    assert SEED.band_types == ("peak",) * 6
    centres = [SEED.frozen[f"eq{band}.freq_hz"] for band in range(1, 7)]
    assert centres[0] == pytest.approx(20.0) and centres[-1] == pytest.approx(1_200.0)
    assert centres == sorted(centres)
    assert len(SEED.predicted) == 8
    assert SEED.range_of("comp.ratio") == (2.0, 6.0)
    assert all(SEED.range_of(f"eq{band}.gain_db") == (-20.0, 20.0) for band in range(1, 7))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_profile_stays_within_the_table(profile):
    assert len(profile.band_types) == 6
    assert len(set(profile.predicted)) == len(profile.predicted)
    assert set(profile.predicted) <= set(IDS)
    assert not set(profile.frozen) & set(profile.predicted)
    for param_id, value in profile.frozen.items():
        assert BY_ID[param_id].contains(value)
    for param_id in profile.predicted:
        low, high = profile.range_of(param_id)
        assert low < high
        assert BY_ID[param_id].contains(low) and BY_ID[param_id].contains(high)
    assert set(profile.values()) == set(IDS)


# --- tapers --------------------------------------------------------------------------------------
@given(a_param, a_unit)
def test_unit_to_plain_and_back(param, unit):
    value = param.from_unit(unit)
    assert param.contains(value)
    assert param.to_unit(value) == pytest.approx(unit, abs=1e-9)


@given(a_param, any_number)
def test_any_number_is_clamped_into_the_range(param, number):
    assert param.contains(param.clamp(number))
    unit = param.to_unit(number)
    assert 0.0 <= unit <= 1.0
    assert param.from_unit(unit) == pytest.approx(param.clamp(number), rel=1e-9, abs=1e-9)
    assert param.contains(param.from_unit(number))
    assert param.contains(number) == (param.minimum <= number <= param.maximum)


@given(a_param, a_unit, a_unit)
def test_taper_is_monotone(param, first, second):
    low, high = sorted((first, second))
    assert param.from_unit(low) <= param.from_unit(high)


@pytest.mark.parametrize("param", TABLE, ids=IDS)
def test_taper_ends_at_the_range_and_its_middle_is_the_mean(param):
    assert param.from_unit(0.0) == param.minimum and param.from_unit(1.0) == param.maximum
    if param.taper == "log":
        middle = math.sqrt(param.minimum * param.maximum)
    else:
        middle = (param.minimum + param.maximum) / 2.0
    assert param.from_unit(0.5) == pytest.approx(middle, rel=1e-12, abs=1e-12)


@given(st.sampled_from(list(PROFILES.values())), st.data(), a_unit)
def test_a_models_output_stays_in_the_profiles_range(profile, data, unit):
    param_id = data.draw(st.sampled_from(profile.predicted))
    low, high = profile.range_of(param_id)
    assert low <= profile.from_unit(param_id, unit) <= high
    assert profile.from_unit(param_id, 0.0) == low and profile.from_unit(param_id, 1.0) == high


def test_table_hash_is_the_same_in_another_process():
    """Sets and str hashes differ from process to process; the name of a table must not."""
    code = "from realtime.params import table_hash; print(table_hash())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == table_hash()
    assert re.fullmatch(r"[0-9a-f]{16}", table_hash())


def test_the_tables_mappings_cannot_be_changed():
    for mapping in (BY_ID, DEFAULTS, NEUTRAL, PROFILES):
        assert isinstance(mapping, Mapping)
        with pytest.raises(TypeError):
            mapping["comp.ratio"] = None


# --- no parameter without effect ---------------------------------------------------------------
RATE = 44_100
ACTIVE = {
    "input.gain_db": 3.0,
    **{f"eq{band}.gain_db": (-1.0) ** band * 6.0 for band in range(1, 7)},
    "comp.threshold_db": -30.0,
    "comp.ratio": 4.0,
    "comp.knee_db": 12.0,
    "comp.makeup_gain_db": 3.0,
    "dist.drive_db": 18.0,
    "dist.tone_hz": 4_000.0,
    "dist.mix": 0.5,
    "reverb.room_size": 0.4,
    "reverb.damping": 0.5,
    "reverb.predelay_ms": 20.0,
    "reverb.wet": 0.3,
    "reverb.dry": 0.7,
    "output.gain_db": -12.0,
}


@pytest.fixture(scope="module")
def heard() -> tuple[np.ndarray, np.ndarray]:
    x = bursts(RATE // 2, 2)
    return x, render(x, RATE, Preset(ACTIVE))


@pytest.mark.parametrize("param", TABLE, ids=IDS)
@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_every_parameter_is_heard_at_both_ends(param, end, heard):
    x, base = heard
    moved = render(x, RATE, Preset({**ACTIVE, param.id: getattr(param, end)}))
    assert to_db(rms(moved - base) / rms(base)) > -60.0
