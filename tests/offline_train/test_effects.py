"""Twins: the same as plain float64 references, the same as the live chain, right gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

torch = pytest.importorskip("torch")

from offline_train.effects import EFFECT_IDS, TWINS, chain  # noqa: E402
from offline_train.effects.compressor import compressor, smooth, static_reduction_db  # noqa: E402
from offline_train.effects.peq import peq, response_db  # noqa: E402
from realtime.params import BY_ID, EQ_COMP, FULL, NEUTRAL, SEED  # noqa: E402
from realtime.preset import Preset  # noqa: E402
from tests.dsp import references  # noqa: E402
from tests.support import bursts, render, speech_like  # noqa: E402

KINDS = EQ_COMP.band_types
FREQ_HZ = [60.0, 150.0, 700.0, 2_500.0, 6_000.0, 9_000.0]
GAIN_DB = [9.0, -12.0, 6.0, -20.0, 14.0, -9.0]
Q = [0.7, 4.0, 0.3, 1.5, 8.0, 0.5]
COMPRESSOR = (-30.0, 4.0, 8.0, 5.0, 120.0, 3.0)


def rows(*values: float, dtype=torch.float64) -> list[torch.Tensor]:
    return [torch.tensor([value], dtype=dtype) for value in values]


def bands(dtype=torch.float64) -> list[torch.Tensor]:
    return [torch.tensor([values], dtype=dtype) for values in (FREQ_HZ, GAIN_DB, Q)]


def sections(kinds, sample_rate: float) -> np.ndarray:
    settings = zip(kinds, FREQ_HZ, GAIN_DB, Q, strict=True)
    return np.stack([np.ravel(references.biquad(*band, sample_rate)) for band in settings])


@pytest.mark.parametrize("kinds", [KINDS, SEED.band_types])
@pytest.mark.parametrize("sample_rate", [16_000, 24_000, 48_000])
def test_peq_is_the_recursion(kinds, sample_rate):
    x = speech_like(1.0, sample_rate).astype(np.float64)
    ours = peq(torch.from_numpy(x)[None], kinds, *bands(), *rows(sample_rate))[0].numpy()
    theirs = references.peq(x[:, None], sections(kinds, sample_rate))[:, 0]
    assert np.abs(ours - theirs).max() < 5e-7


@pytest.mark.parametrize("sample_rate", [8_000, 24_000, 192_000])
@pytest.mark.parametrize(("dtype", "bound_db"), [(torch.float64, 1e-9), (torch.float32, 2e-3)])
def test_response_is_the_filters_magnitude(sample_rate, dtype, bound_db):
    hz = np.geomspace(20.0, 0.499 * sample_rate, 200)
    _, wanted = signal.sosfreqz(sections(KINDS, sample_rate), hz, fs=sample_rate)
    at = torch.tensor(hz, dtype=dtype)[None]
    ours = response_db(KINDS, *bands(dtype), *rows(sample_rate, dtype=dtype), at)[0].numpy()
    assert np.abs(ours - 20.0 * np.log10(np.abs(wanted))).max() < bound_db


@pytest.mark.parametrize("knee_db", [0.0, 8.0])
def test_compressor_is_the_reference(knee_db):
    settings = (-30.0, 4.0, knee_db, 5.0, 120.0, 3.0)
    x = bursts(24_000, 1).astype(np.float64)
    ours = compressor(torch.from_numpy(x[:, 0])[None], *rows(*settings, 24_000.0))[0].numpy()
    theirs = references.compressor(x, *settings, 24_000)[:, 0]
    assert np.abs(ours - theirs).max() < 1e-9
    assert np.abs(ours - x[:, 0] * 10 ** (3.0 / 20.0)).max() > 0.05


def test_knee_is_continuous_and_meets_the_straight_lines():
    level = torch.linspace(-60.0, 0.0, 6_001, dtype=torch.float64)
    reduction = static_reduction_db(level, *rows(-24.0, 4.0, 6.0))
    assert float(reduction.diff().abs().max()) <= 0.75 * 0.01 + 1e-9
    assert float(reduction.max()) <= 0.0
    assert float(reduction[level <= -27.0].abs().max()) == 0.0
    assert float(reduction[-1]) == pytest.approx(-0.75 * 24.0)


def test_recursion_has_the_right_gradient():
    generator = torch.Generator().manual_seed(3)
    target = -6.0 * torch.rand(2, 60, dtype=torch.float64, generator=generator)
    attack, release = torch.tensor([[0.4, 0.6], [0.9, 0.8]], dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (target, attack, release)]
    assert torch.autograd.gradcheck(smooth, inputs)


def test_chain_has_the_right_gradient_everywhere_in_the_table():
    x = torch.from_numpy(bursts(64, 1)[:, 0].astype(np.float64))[None]
    ids = (*EQ_COMP.predicted, "input.gain_db", "comp.makeup_gain_db")
    start = {i: v for i, v in EQ_COMP.values().items() if i in ids}
    start.update({"comp.threshold_db": -33.0, "comp.ratio": 3.0, "comp.attack_ms": 0.5})
    start.update({f"eq{band}.gain_db": gain for band, gain in enumerate(GAIN_DB, start=1)})
    values = [torch.tensor([start[i]], dtype=torch.float64, requires_grad=True) for i in ids]

    def run(*plain):
        return chain(x, dict(zip(ids, plain, strict=True)), KINDS, *rows(24_000.0))

    assert torch.autograd.gradcheck(run, values, eps=1e-5, atol=1e-5)
    grads = torch.autograd.grad(run(*values).square().sum(), values)
    still = [i for i, grad in zip(ids, grads, strict=True) if not float(grad.abs()) > 0.0]
    assert not still, f"no gradient reaches {still}"


RECORDED_PEAK = 0.5
PARITY = 1e-4  # of the kernel's output, RMS


@pytest.fixture(scope="module")
def recordings(shared_data: Path) -> list[tuple[np.ndarray, int]]:
    """Real sound of many kinds, (frames,) and rate each, its peak at RECORDED_PEAK."""
    found = []
    for path in sorted((shared_data / "val").glob("*/*/*.flac"))[::12]:
        x, sample_rate = soundfile.read(path, dtype="float32", frames=40_000, always_2d=True)
        found.append((x[:, 0] * np.float32(RECORDED_PEAK / np.abs(x[:, 0]).max()), sample_rate))
    assert len(found) >= 3
    return found


def off(effect: str, x: np.ndarray, sample_rate: int, values: dict[str, float]) -> float:
    """RMS of the difference of one effect's twin from the live chain, over the chain's RMS."""
    live = render(x[:, None], sample_rate, Preset({**NEUTRAL, **values}))[:, 0]
    own = torch.tensor([[{**NEUTRAL, **values}[i] for i in EFFECT_IDS[effect]]])
    rate = torch.tensor([float(sample_rate)])
    twin = TWINS[effect](torch.from_numpy(x)[None], own, FULL.band_types, rate)[0].numpy()
    loud = max(np.square(live).mean(), 1e-12)  # a reverb neither wet nor dry is silent
    return float(np.sqrt(np.square(live - twin).mean() / loud))


def corners(effect: str, seeds: int) -> list[dict[str, float]]:
    """Settings of one effect: every parameter at both ends of the table's range, one by one and
    all together, and `seeds` places in between."""
    params = [BY_ID[i] for i in EFFECT_IDS[effect]]
    units = [np.full(len(params), u) for u in (0.0, 0.5, 1.0)]
    for n in range(len(params)):
        for end in (0.0, 1.0):
            units.append(np.where(np.arange(len(params)) == n, end, 0.5))
    units += list(np.random.default_rng(1).random((seeds, len(params))))
    return [{p.id: p.from_unit(u) for p, u in zip(params, row, strict=True)} for row in units]


@pytest.mark.parametrize("effect", ["compressor", "distortion", "reverb"])
def test_twin_is_the_kernel_all_over_the_range(effect, recordings):
    for n, values in enumerate(corners(effect, 4)):
        x, sample_rate = recordings[n % len(recordings)]
        if effect == "compressor":  # the limiter has no twin
            x = x * np.float32(10.0 ** (-abs(values["comp.makeup_gain_db"]) / 20.0))
        if effect == "reverb":  # nor does it act, where what rings is loud
            x = 0.25 * x
        assert off(effect, x, sample_rate, values) < PARITY, (values, sample_rate)


@pytest.mark.parametrize("band", range(1, 7))
def test_peq_twin_is_the_kernel_all_over_the_range(band, recordings):
    for n, unit in enumerate(np.random.default_rng(band).random((3, 3)).round()):
        ids = [f"eq{band}.{key}" for key in ("freq_hz", "gain_db", "q")]
        values = {i: BY_ID[i].from_unit(u) for i, u in zip(ids, unit, strict=True)}
        x, sample_rate = recordings[(n + band) % len(recordings)]
        assert off("peq", 0.05 * x, sample_rate, values) < PARITY, (values, sample_rate)


@pytest.mark.parametrize("sample_rate", [8_000, 96_000])
def test_reverb_twin_keeps_its_bound_where_the_hall_outlasts_the_clip(sample_rate):
    x = np.float32(0.1) * speech_like(0.7, sample_rate, 3)
    hall = {"reverb.room_size": 1.0, "reverb.damping": 0.0, "reverb.wet": 1.0, "reverb.dry": 0.0}
    assert off("reverb", x, sample_rate, hall) < PARITY


def test_a_batch_may_mix_rates_and_rooms():
    x = torch.from_numpy(np.stack([speech_like(0.5, 16_000, s)[:8_000] for s in (1, 2)]))
    values = torch.tensor([[0.8, 0.2, 10.0, 1.0, 0.5], [0.1, 0.9, 150.0, 0.4, 1.0]])
    rates = torch.tensor([16_000.0, 44_100.0])
    both = TWINS["reverb"](x, values, (), rates)
    for n in range(2):
        alone = TWINS["reverb"](x[n : n + 1], values[n : n + 1], (), rates[n : n + 1])
        assert float((both[n] - alone[0]).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("effect", "values"),
    [
        ("distortion", [18.0, 3_000.0, 0.7]),
        ("reverb", [0.4, 0.5, 1.0, 0.8, 0.6]),
    ],
)
def test_twin_has_the_right_gradient(effect, values):
    x = torch.from_numpy(bursts(48, 1)[:, 0].astype(np.float64))[None]
    rate = torch.tensor([1_000.0 if effect == "reverb" else 24_000.0], dtype=torch.float64)
    plain = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    # What moves in whole samples has a gradient, but no difference quotient to hold it against.
    still = torch.tensor([i != "reverb.predelay_ms" for i in EFFECT_IDS[effect]])

    def run(x, plain):
        return TWINS[effect](x, torch.where(still, plain, plain.detach()), (), rate)

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), plain), eps=1e-5, atol=1e-5)
    (grad,) = torch.autograd.grad(TWINS[effect](x, plain, (), rate).square().sum(), plain)
    assert bool((grad.abs() > 0.0).all()), f"no gradient: {grad}"


def settings_at(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    values = {i: EQ_COMP.from_unit(i, rng.uniform(0.1, 0.9)) for i in EQ_COMP.predicted}
    for band in range(1, 7):
        values[f"eq{band}.gain_db"] *= 0.4  # stay under the limiter, which has no twin
    return {**values, "output.gain_db": -18.0, "input.gain_db": -3.0}


def largest_error(x: np.ndarray, sample_rate: int, seed: int) -> tuple[float, float]:
    values = settings_at(seed)
    live = render(x[:, None], sample_rate, Preset(values, profile="eq-comp"))[:, 0]
    twin = chain(
        torch.from_numpy(x)[None].double(),
        {i: torch.tensor([v], dtype=torch.float64) for i, v in values.items()},
        KINDS,
        *rows(sample_rate),
    )[0].numpy()
    return float(np.abs(live - twin).max()), float(np.abs(twin).max())


@pytest.mark.parametrize("seed", range(3))
def test_twin_is_the_live_chain(seed):
    error, peak = largest_error(0.5 * speech_like(1.5, 24_000, seed), 24_000, seed)
    assert 0.001 < peak < 1.0
    assert error < 1e-5 * max(peak, 0.1)


def test_twin_is_the_live_chain_on_recordings(shared_data: Path):
    paths = sorted((shared_data / "val").glob("*/*/*.flac"))[::12]
    assert len(paths) >= 3
    for seed, path in enumerate(paths):
        x, sample_rate = soundfile.read(path, dtype="float32", frames=120_000)
        x = x if x.ndim == 1 else np.ascontiguousarray(x[:, 0])
        error, peak = largest_error(x, sample_rate, seed)
        assert peak < 1.0, path.name
        assert error < 1e-5 * max(peak, 0.1), path.name


def test_neutral_twin_gives_its_input_back():
    x = torch.from_numpy(speech_like(1.0, 24_000))[None]
    values = {i: torch.tensor([v]) for i, v in NEUTRAL.items()}
    y = chain(x, values, KINDS, torch.tensor([24_000.0]))
    assert float((x - y).abs().max()) < 1e-6
