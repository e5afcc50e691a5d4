"""The evaluation: its protocol, its arithmetic, and that a failure is no score."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from offline_train import evaluate
from offline_train.data import DataError, Recording, synthesised
from offline_train.evaluate import METRICS, Example, Scores, distances, examples
from realtime.features import AudioError
from realtime.preset import Preset
from tests.support import speech_like

RATE = 24_000
X = speech_like(3.0, RATE, 1)


@pytest.fixture(scope="module")
def drawn() -> list[Example]:
    held_out = evaluate.select(synthesised()[1], "speech", RATE)
    return examples(held_out, RATE, 3)


def test_examples_are_the_protocols_length_and_repeatable(drawn):
    again = examples(evaluate.select(synthesised()[1], "speech", RATE), RATE, 3)
    for first, second in zip(drawn, again, strict=True):
        for side in ("input", "target", "reference"):
            assert getattr(first, side).shape == (evaluate.CLIP_FRAMES // 2,)
            assert np.array_equal(getattr(first, side), getattr(second, side))


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


def test_the_untouched_input_scores_one_and_the_target_scores_nothing(drawn):
    neutral = evaluate.evaluate(drawn, RATE, lambda x, ref, rate: Preset.neutral())
    assert neutral.ratios() == pytest.approx(np.ones(len(METRICS)), abs=1e-3)
    perfect = [Example(e.target, e.target, e.reference) for e in drawn]
    done = evaluate.evaluate(perfect, RATE, lambda x, ref, rate: Preset.neutral())
    assert np.mean(done.model, axis=0)[0] < 1e-3


def test_failures_are_counted_and_not_scored(drawn):
    def moody(x, ref, rate):
        if x is drawn[1].input:
            raise AudioError("the input is silent")
        return Preset.neutral()

    told = []
    scores = evaluate.evaluate(drawn, RATE, moody, lambda: told.append(1))
    assert scores.failures == ["example 1: the input is silent"]
    assert len(scores.model) == len(scores.untouched) == 2
    assert len(told) == 3
    assert np.isnan(Scores(failures=["all"]).ratios()).all()


def test_a_bug_is_not_a_failure(drawn):
    def broken(x, ref, rate):
        raise KeyError("comp.treshold_db")

    with pytest.raises(KeyError):
        evaluate.evaluate(drawn, RATE, broken)


def test_too_little_sound_is_said(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, X[:RATE], RATE)
    with pytest.raises(DataError, match="3 s"):
        examples([Recording(path, "speech", "me")], RATE, 1)


@pytest.mark.parametrize(
    "arguments",
    [["--examples", "0"], ["--rate", "100"], ["--data", "/nowhere"], ["--model", "/no"]],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, capsys):
    assert evaluate.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
