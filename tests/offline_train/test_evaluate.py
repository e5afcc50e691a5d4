"""The evaluation: its protocol, its arithmetic, and that a failure is no score."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from scipy import signal

pytest.importorskip("torch")

from offline_train import baseline, evaluate, page
from offline_train.data import DataError, Recording, synthesised
from offline_train.evaluate import Scores
from offline_train.examples import CLIP_FRAMES, Example, examples, select, unjoined
from offline_train.metrics import METRICS, distances, ratio_interval, speech_quality
from realtime.features import AudioError
from realtime.measure import loudness_lufs
from tests.support import noise, speech_like

RATE = 24_000
X = speech_like(3.0, RATE, 1)


@pytest.fixture(scope="module")
def drawn() -> list[Example]:
    held_out = select(synthesised()[1], "speech", RATE)
    return examples(held_out, RATE, 3)


def test_examples_are_the_protocols_length_and_repeatable(drawn):
    again = examples(select(synthesised()[1], "speech", RATE), RATE, 3)
    for first, second in zip(drawn, again, strict=True):
        for side in ("input", "target", "reference"):
            assert getattr(first, side).shape == (CLIP_FRAMES // 2,)
            assert np.array_equal(getattr(first, side), getattr(second, side))


def test_the_full_set_has_the_same_inputs_and_other_targets(drawn):
    held_out = select(synthesised()[1], "speech", RATE)
    full = examples(held_out, RATE, 3, full=True)
    assert all(np.array_equal(a.input, b.input) for a, b in zip(full, drawn, strict=True))
    moved = [not np.allclose(a.target, b.target, atol=1e-5)
             for a, b in zip(full, drawn, strict=True)]  # fmt: skip
    assert any(moved)
    for example, other in zip(full, moved, strict=True):
        if other:  # reference and target are of one recording
            assert np.abs(example.target).max() <= 10.0 ** (-12.0 / 20.0) + 1e-4


def test_an_unjoined_clip_is_one_recording(tmp_path):
    """Of a speaker's recordings at levels 20 dB apart, a joined clip may hold two."""
    for name, seconds, gain in (("loud", 9.0, 1.0), ("quiet", 9.0, 0.1), ("short", 4.0, 1.0)):
        sound = (gain * speech_like(seconds, RATE, 3)).astype(np.float32)
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE, subtype="FLOAT")
    found = [Recording(path, "speech", "one") for path in sorted(tmp_path.iterdir())]
    assert [r.path.stem for r in unjoined(found)] == ["loud", "quiet"]
    apart = [
        abs(np.log10(np.abs(e.input).max() / np.abs(e.reference).max()))
        for recordings in (unjoined(found), found)
        for e in examples(recordings, RATE, 8)
    ]
    assert max(apart[:8]) < 0.5 < max(apart[8:])


def test_two_sets_together_are_scored_as_one():
    rows = [[[2.0] * 4, [4.0] * 4], [[6.0, 6.0, 6.0, 6.0, 3.0]]]
    halves = [Scores({"untouched": r, "model": [[v / 2 for v in x] for x in r]}) for r in rows]
    both = evaluate.together(halves)
    assert both.ratios("model") == pytest.approx(np.full(len(METRICS), 0.5))
    assert np.mean(both.rows["untouched"]) == pytest.approx(4.0)


def test_the_reference_is_other_content(drawn):
    for example in drawn:
        target, reference = (
            np.fft.rfft(x, 2 * len(x)) for x in (example.target, example.reference)
        )
        alike = np.abs(np.fft.irfft(target * np.conj(reference))).max()
        assert alike < 0.7 * np.linalg.norm(example.target) * np.linalg.norm(example.reference)


def test_the_distances_are_what_they_say():
    same, louder = distances(X, X, RATE), distances(2.0 * X, X, RATE)
    assert same == [0.0, 0.0, 0.0, 0.0]
    assert louder[METRICS.index("RMS dB")] == pytest.approx(6.02, abs=0.01)
    assert louder[METRICS.index("LUFS dB")] == pytest.approx(6.02, abs=0.02)
    assert louder[METRICS.index("SCE Hz")] == pytest.approx(0.0, abs=0.1)


def unchanged(x, ref, rate):
    return x


def test_the_untouched_input_scores_one_and_the_target_scores_nothing(drawn):
    scores = evaluate.evaluate(drawn, RATE, {"same": unchanged})
    assert scores.ratios("same") == pytest.approx(np.ones(len(METRICS)))
    perfect = [Example(e.target, e.target, e.reference) for e in drawn]
    done = evaluate.evaluate(perfect, RATE, {"same": unchanged})
    assert np.mean(done.rows["same"]) == 0.0


def test_failures_are_counted_and_not_scored_for_anyone(drawn):
    def moody(x, ref, rate):
        if x is drawn[1].input:
            raise AudioError("the input is silent")
        return x

    told = []
    scores = evaluate.evaluate(
        drawn, RATE, {"same": unchanged, "moody": moody}, lambda: told.append(1)
    )
    assert scores.failures == ["example 1: the input is silent"]
    assert {len(rows) for rows in scores.rows.values()} == {2}
    assert len(told) == 3
    nobody = Scores({"untouched": [], "model": []}, failures=["all"])
    assert np.isnan(nobody.ratios("model")).all()


def test_a_bug_is_not_a_failure(drawn):
    def broken(x, ref, rate):
        raise KeyError("comp.treshold_db")

    with pytest.raises(KeyError):
        evaluate.evaluate(drawn, RATE, {"broken": broken})


def test_the_interval_holds_the_ratio_that_made_the_examples():
    """In about 95 of 100 sets of examples; here in at least 85 of 100."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        untouched = rng.gamma(4.0, 1.0, (60, 4))
        rows = 0.5 * untouched * rng.gamma(10.0, 0.1, (60, 4))
        ratio, low, high = ratio_interval(rows, untouched)
        assert (low < ratio).all() and (ratio < high).all()
        held += low[0] < 0.5 < high[0]
    assert held >= 85


def test_rules_bring_spectrum_and_loudness_nearer(drawn):
    """A low-pass and a gain are what a matching filter is for."""
    for example in drawn[:2]:
        x = example.input
        dull = signal.lfilter([0.1], [1.0, -0.9], example.reference).astype(np.float32)
        out = baseline.transfer(x, dull, RATE)
        assert out.shape == x.shape
        before, after = distances(x, dull, RATE), distances(out, dull, RATE)
        assert after[METRICS.index("SCE Hz")] < 0.5 * before[METRICS.index("SCE Hz")]
        assert after[METRICS.index("LUFS dB")] < max(1.0, before[METRICS.index("LUFS dB")])
        assert np.abs(out).max() <= np.abs(dull).max() * 1.00001
        assert loudness_lufs(out[:, None], RATE) <= loudness_lufs(dull[:, None], RATE) + 0.01


def test_rules_leave_what_is_alike_alone(drawn):
    x = drawn[0].input
    out = baseline.transfer(x, x, RATE)
    assert distances(out, x, RATE)[0] < 0.1 * distances(0.5 * x, x, RATE)[0]


def test_too_little_sound_is_said(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, X[:RATE], RATE)
    with pytest.raises(DataError, match="3 s"):
        examples([Recording(path, "speech", "me")], RATE, 1)


def test_the_page_holds_the_table_the_sounds_and_their_spectra(drawn, tmp_path):
    scores = evaluate.evaluate(drawn, RATE, {"louder": lambda x, ref, rate: 2.0 * x})
    path = tmp_path / "page.html"
    head = ("", *scores.metrics)
    page.write(path, "a <set>", ["by me"], head, evaluate.cells(scores), scores.heard, RATE)
    text = path.read_text(encoding="utf-8")
    assert "a &lt;set&gt;" in text
    ratio = scores.ratios("louder")[0]
    assert f"<td>louder, ratio</td><td>{ratio:.3f} (" in text
    sounds = [base64.b64decode(s) for s in re.findall("data:audio/flac;base64,([^']+)'", text)]
    pictures = re.findall("data:image/png;base64,([^']+)'", text)
    assert len(sounds) == 3 * 4 and len(pictures) == 3
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)
    heard, rate = soundfile.read(io.BytesIO(sounds[0]), dtype="float32")
    assert rate == RATE
    assert np.abs(heard - drawn[0].input[: len(heard)]).max() < 1e-4
    assert "http" not in text  # nothing is fetched from anywhere
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_speech_quality_is_best_of_the_same_and_falls_with_noise():
    pytest.importorskip("pesq")
    clear = speech_quality(X, X, RATE)
    noisy = speech_quality(X + noise(len(X), 1, 0.02)[:, 0], X, RATE)
    assert clear == pytest.approx(4.64, abs=0.01)
    assert 1.0 <= noisy < 3.0
    with pytest.raises(AudioError, match="PESQ"):
        speech_quality(0.0 * X, 0.0 * X, RATE)


def test_pesq_stands_beside_the_others_for_speech(drawn):
    pytest.importorskip("pesq")
    scores = evaluate.evaluate(drawn[:1], RATE, {"same": unchanged}, speech=True)
    assert scores.metrics == (*METRICS, "PESQ")
    assert scores.ratios("same") == pytest.approx(np.ones(len(METRICS) + 1))


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_a_checkpoint_that_is_none_is_one_line(tmp_path, content, capsys):
    path = tmp_path / "mine.ckpt"
    if content is not None:
        path.write_bytes(content)
    assert evaluate.main(["--model", str(path)]) == 2
    error = capsys.readouterr().err
    assert "mine.ckpt" in error and error.count("\n") == 1


def test_a_page_is_not_written_over(tmp_path, capsys):
    path = tmp_path / "page.html"
    path.write_text("mine", encoding="utf-8")
    assert evaluate.main(["--page", str(path)]) == 2
    assert "page.html" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "arguments",
    [["--examples", "0"], ["--rate", "100"], ["--data", "/nowhere"], ["--model", "/no"]],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, capsys):
    assert evaluate.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
