"""Losses: the metric is the field's, and the settings loss knows right from wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

torch = pytest.importorskip("torch")

from offline_train import losses, pairs, pool  # noqa: E402
from offline_train.data import Library, synthesised  # noqa: E402
from offline_train.losses import mr_stft, settings_loss  # noqa: E402
from offline_train.model import eq_response_db  # noqa: E402
from realtime.features import BAND_HZ, LAYOUT  # noqa: E402
from realtime.params import EQ_COMP, WORKING_LOUDNESS_LUFS  # noqa: E402
from tests.support import noise, speech_like  # noqa: E402

X = speech_like(2.0, 24_000, 1)
Y = 0.7 * X + noise(len(X), 1, 0.01)[:, 0]


def plain_mr_stft(x: np.ndarray, y: np.ndarray) -> float:
    """The metric, straight from its definition, in float64."""
    total = 0.0
    for size in losses.WINDOWS:
        window = signal.get_window("hann", size)
        magnitudes = []
        for audio in (x, y):
            padded = np.pad(audio.astype(np.float64), size // 2, mode="reflect")
            starts = range(0, len(padded) - size + 1, size // 2)
            frames = np.stack([padded[s : s + size] * window for s in starts])
            power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
            magnitudes.append(np.sqrt(np.maximum(power, losses.MAGNITUDE_FLOOR)))
        total += np.abs(np.log(magnitudes[0]) - np.log(magnitudes[1])).mean()
        total += np.abs(magnitudes[0] - magnitudes[1]).mean()
    return total / len(losses.WINDOWS)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return float(mr_stft(torch.from_numpy(x)[None], torch.from_numpy(y)[None]))


def test_mr_stft_is_its_definition():
    assert distance(X, Y) == pytest.approx(plain_mr_stft(X, Y), rel=1e-4)
    assert distance(X, X) == 0.0


def test_mr_stft_is_auraloss():
    auraloss = pytest.importorskip("auraloss")
    hops = [size // 2 for size in losses.WINDOWS]
    theirs = auraloss.freq.MultiResolutionSTFTLoss(
        list(losses.WINDOWS), hops, list(losses.WINDOWS), w_sc=0.0, w_log_mag=1.0, w_lin_mag=1.0
    )
    wanted = float(theirs(torch.from_numpy(X)[None, None], torch.from_numpy(Y)[None, None]))
    assert distance(X, Y) == pytest.approx(wanted, rel=1e-4)


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A batch whose target one equaliser and one compressor made, and exactly their settings."""
    rng = np.random.default_rng(5)
    library = Library(synthesised()[0])
    clean = library.clip(library.names[0], 6.0, 24_000, rng)
    eq = pairs.random_equaliser(24_000, rng, gentle=True)
    comp = pairs.Compressor(-36.0, 4.0, 6.0, 10.0, 120.0)
    pair = pairs.pair_of(clean, 24_000, pairs.flat(), eq, comp)
    rows = pool.both_halves(pair)
    batch = {k: torch.from_numpy(np.stack([row[k] for row in rows])) for k in rows[0]}
    count = len(rows)
    values = {}
    for band in range(6):
        values[f"eq{band + 1}.freq_hz"] = torch.full((count,), eq.freq_hz[band])
        values[f"eq{band + 1}.gain_db"] = torch.full((count,), eq.gain_db[band])
        values[f"eq{band + 1}.q"] = torch.full((count,), eq.q[band])
    norms, loudness = batch["norms_db"], batch["input"][:, LAYOUT["loudness"]][:, 0]
    louder = WORKING_LOUDNESS_LUFS - loudness + norms[:, 0] - norms[:, 1]
    values["comp.threshold_db"] = comp.threshold_db + louder
    for name in ("ratio", "knee_db", "attack_ms", "release_ms"):
        values[f"comp.{name}"] = torch.full((count,), getattr(comp, name))
    values["output.gain_db"] = norms[:, 2] - louder
    return batch, {k: v.float() for k, v in values.items()}


def terms(batch, values) -> dict[str, float]:
    hz = torch.tensor(BAND_HZ, dtype=torch.float32).clamp(max=12_000.0)[None]
    rate = batch["sample_rate"]
    curve = eq_response_db(values, EQ_COMP, rate, hz.expand(len(rate), -1))
    return {k: float(v) for k, v in settings_loss(values, curve, batch, EQ_COMP).items()}


def test_the_true_settings_cost_next_to_nothing(made):
    batch, values = made
    cost = terms(batch, values)
    for name in ("eq", "compression", "timing", "level"):
        assert cost[name] < 2e-3, name
    assert cost["aim"] < 0.03  # bands and curve points are not the same frequencies


@pytest.mark.parametrize(
    ("param_id", "change", "term"),
    [
        ("eq2.gain_db", 6.0, "eq"),
        ("comp.threshold_db", 12.0, "compression"),
        ("comp.ratio", -2.9, "compression"),
        ("comp.attack_ms", 40.0, "timing"),
        ("comp.release_ms", 300.0, "timing"),
        ("output.gain_db", 6.0, "level"),
    ],
)
def test_a_wrong_setting_costs(made, param_id, change, term):
    batch, values = made
    right = terms(batch, values)
    wrong = terms(batch, {**values, param_id: values[param_id] + change})
    assert wrong[term] > right[term] + 0.01


def test_an_equaliser_that_stands_lower_moves_the_threshold_with_it(made):
    """10 dB less before the compressor and a threshold 10 dB lower is the same sound."""
    batch, values = made
    lower = {**batch, "curve_db": batch["curve_db"] + 10.0}
    moved = {
        **values,
        "comp.threshold_db": values["comp.threshold_db"] - 10.0,
        "output.gain_db": values["output.gain_db"] + 10.0,
    }
    before, after = terms(batch, values), terms(lower, moved)
    for name in ("compression", "level"):
        assert after[name] == pytest.approx(before[name], abs=1e-3)
