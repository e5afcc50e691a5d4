"""DeepAFx-ST's AD, to compare by: its parts are what the paper says, and it trains and resumes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr

torch = pytest.importorskip("torch")

from offline_train.config import CONFIGS, DeepAFxExperiment, read  # noqa: E402
from offline_train.data import DataError, Library, Recording, synthesised  # noqa: E402
from offline_train.deepafx import DeepAFxST, effects  # noqa: E402
from offline_train.deepafx_experiment import batch, by_network, fit  # noqa: E402
from offline_train.examples import select  # noqa: E402
from tests.support import speech_like  # noqa: E402

RATE = 24_000
SMALL = DeepAFxExperiment(
    seed=1, sample_rate=RATE, frames=8_192, batch=1, steps=2, every=1, learning_rate=1e-4,
    windows=(512, 2048), examples=1, threads=1,
)  # fmt: skip


def test_the_encoder_is_efficientnet_b2():
    """7.7 million weights, of the 9.1 that its paper gives 1.4 are the classifier's."""
    model = DeepAFxST(RATE)
    features = sum(p.numel() for p in model.encoder[:-1].parameters())
    assert features == pytest.approx(7.7e6, rel=0.02)
    assert sum(p.numel() for p in model.controller.parameters()) == pytest.approx(0.6e6, rel=0.02)


def test_the_effects_leave_a_sound_alone_where_nothing_is_set():
    x = 0.1 * torch.randn(4_000)
    units = torch.full((24,), 0.5)
    units[18] = 0.0  # a threshold of 0 dBFS
    assert float((effects(x, units, RATE) - x).abs().max()) < 1e-4


def test_it_trains_and_goes_on_where_it_was(tmp_path):
    recordings = select(synthesised()[0], "speech", RATE)
    ends = []
    for name, steps in (("whole", [2]), ("cut", [1, 2])):
        out = tmp_path / name
        out.mkdir()
        for count in steps:
            torch.manual_seed(1)
            model = DeepAFxST(RATE)
            # The learning rate falls at shares of the steps, so a cut run must name them all.
            config = SMALL.__class__(**{**SMALL.__dict__, "steps": count})
            fit(model, recordings, config, out)
        ends.append(torch.cat([p.detach().ravel() for p in model.parameters()]))
    torch.manual_seed(1)
    moved = ends[0] - torch.cat([p.detach().ravel() for p in DeepAFxST(RATE).parameters()])
    assert float((ends[1] - ends[0]).norm()) < 0.05 * float(moved.norm())
    x = speech_like(1.0, RATE, 1)
    y = by_network(model)(x, x, RATE)
    assert y.shape == x.shape
    fast = soxr.resample(x, RATE, 48_000)  # it hears what it would at its own rate
    heard = soxr.resample(by_network(model)(fast, fast, 48_000), 48_000, RATE)
    assert np.abs(heard - y)[500:-500].max() < 0.05 * np.abs(y).max()


def test_a_step_draws_speakers_and_pieces_from_all_over(monkeypatch):
    library = Library(synthesised()[0])
    drawn: list[str] = []
    clip = library.clip
    monkeypatch.setattr(library, "clip", lambda name, *how: drawn.append(name) or clip(name, *how))
    for step in range(4):
        some = batch(library, replace(SMALL, batch=4), step)
        assert all(len(side) == SMALL.frames for one in some for side in vars(one).values())
    assert len(set(drawn)) >= 8  # of the twelve there are
    assert {library.speakers[name][0].kind for name in drawn} == {"speech", "music"}


def test_recordings_too_short_to_train_on_are_one_line(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, speech_like(0.4, RATE, 1), RATE)
    library = Library([Recording(path, "speech", "short")])
    with pytest.raises(DataError, match=r"0\.7 s of sound"):
        batch(library, SMALL, 0)


def test_its_configurations_read():
    for name in ("deepafx.toml", "deepafx-cpu.toml"):
        assert isinstance(read(CONFIGS / name), DeepAFxExperiment)
