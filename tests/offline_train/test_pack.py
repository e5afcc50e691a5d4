"""A pack of recordings: the same speakers and split in less room, or a line that says why not."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from offline_train.data import excerpt, scan
from offline_train.pack import MIB, main
from tests.support import speech_like


@pytest.fixture
def recordings(tmp_path):
    for name in ("train/speech/one/ann/a", "train/music/two/b", "val/speech/one/bob/c"):
        path = tmp_path / "data" / f"{name}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, 0.5 * speech_like(3.0, 24_000, len(name)), 24_000)
    return tmp_path / "data"


def test_a_pack_is_small_and_trains_the_same(recordings, tmp_path, capsys):
    out = tmp_path / "pack"
    assert main(["--data", str(recordings), "--out", str(out), "--mib", "0.2"]) == 0
    taken = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert taken <= 0.2 * MIB
    assert f"{taken / MIB:.1f} MiB" in capsys.readouterr().out
    for before, after in zip(scan(recordings), scan(out), strict=True):
        assert {(r.kind, r.speaker, r.rate) for r in before} == {
            (r.kind, r.speaker, r.rate) for r in after
        }
        for first in before:
            second = next(r for r in after if r.speaker == first.speaker)
            assert second.seconds == pytest.approx(first.seconds, abs=0.01)
            x, y = (excerpt(r.path, 0, 72_000) for r in (first, second))
            assert np.corrcoef(x, y)[0, 1] > 0.97


@pytest.mark.parametrize(
    ("change", "named"),
    [({"--mib": "0.001"}, "does not fit"), ({"--data": "/nowhere"}, "nowhere"), ({}, "already")],
)
def test_what_cannot_be_packed_is_one_line(recordings, tmp_path, capsys, change, named):
    options = {"--data": str(recordings), "--out": str(tmp_path / "pack"), **change}
    if not change:
        (tmp_path / "pack").mkdir()
    assert main([word for pair in options.items() for word in pair]) == 2
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1
    assert not list((tmp_path / "pack").glob("*"))
