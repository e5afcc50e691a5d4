"""afx-live from the outside: every mistake is one line and exit status 2, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import cli
from realtime.params import table_hash
from realtime.predictor import shipped_model
from realtime.preset import factory_presets, save_preset
from tests.file_rig import TESTED, afx_live

FILES = "--input in.wav --output out.wav"
BAD = {
    # options
    "--input in.wav --output out.wav": "no sound to go for",
    "--ref ref.wav --preset good.toml": "do not go together",
    "--ref ref.wav --ref-live 5": "do not go together",
    "--preset good.toml --midi auto --midi nano": "leave out the others",
    "--preset good.toml --input in.wav": "--output is missing",
    "--preset good.toml --output out.wav": "--input is missing",
    f"--preset good.toml --device system {FILES}": "live use",
    f"--preset good.toml --duration 3 {FILES}": "live use",
    f"--preset good.toml --sample-rate 44100 {FILES}": "live use",
    f"--ref-live 5 {FILES}": "live use",
    "--ref-live 0.5": "a reference takes 1..120 s",
    "--ref-live 1e9": "a reference takes 1..120 s",
    f"--preset good.toml --model no.onnx {FILES}": "--model",
    f"--preset good.toml --gate-db -50 {FILES}": "--gate-db",
    "--preset good.toml --device 0 --input-device 1": "both sides",
    "--ref ref.wav --ref ref.wav --ref ref.wav": "2 at most",
    "--ref ref.wav --morph 0.5": "give two",
    "--ref ref.wav --ref ref.wav --morph 1.5": "--morph",
    "--ref ref.wav --amount 151": "0..150",
    "--preset good.toml --osc-reply localhost:9": "--osc",
    "--preset good.toml --osc 99999": "--osc: OSC address '99999'",
    "--preset good.toml --osc 9 --osc-reply ::1": "in brackets",
    f"--preset good.toml --set-list good.toml {FILES}": "live use",
    f"--ref ref.wav --ref-channel 2 {FILES}": "live use",
    "--set-list good.toml": "unknown key",
    f"--preset good.toml --midi auto {FILES}": "live use",
    "--preset good.toml --map default": "--midi",
    "--preset good.toml --midi auto --map none": "known maps",
    "--preset good.toml --midi auto --map odd.toml": "line 1",
    "--learn comp.ratoi": "did you mean 'comp.ratio'",
    "--unlearn comp.ratoi": "did you mean 'comp.ratio'",
    "--set-list missing.toml": "No such file",
    "--measure-latency --preset good.toml": "leave out --preset",
    f"--measure-latency {FILES}": "live use",
    "--preset good.toml --duration 0": "--duration",
    "--preset good.toml --duration nan": "--duration",
    "--preset good.toml --channels 3": "--channels",
    "--preset good.toml --sample-rate fast": "--sample-rate",
    "--preset good.toml --block-size -1": "--block-size",
    "--ref ref.wav --gate-db 3": "--gate-db",
    "--preset good.toml --no-such-option": "unrecognized",
    # the reference
    f"--ref missing.wav {FILES}": "no such file",
    f"--ref silent.wav {FILES}": "is silent",
    f"--ref short.wav {FILES}": "lasts 0.01 s",
    f"--ref broken.flac {FILES}": "is broken",
    f"--ref text.wav {FILES}": "not a readable",
    f"--ref empty.wav {FILES}": "is empty",
    f"--ref . {FILES}": "is a folder",
    f"--ref slow.wav {FILES}": "4000 Hz",
    f"--ref ref.wav --ref missing.wav {FILES}": "no such file",
    f"--ref ref.wav --model no.onnx {FILES}": "no.onnx",
    f"--ref ref.wav --model missing.onnx {FILES}": "missing.onnx",
    # the preset
    f"--preset missing.toml {FILES}": "missing.toml",
    f"--preset bad.toml {FILES}": "outside",
    f"--preset odd.toml {FILES}": "not TOML",
    f"--preset unknown.toml {FILES}": "did you mean",
    f"--preset no-such-preset {FILES}": "no-such-preset",
    # the input
    "--preset good.toml --input missing.wav --output out.wav": "no such file",
    "--preset good.toml --input text.wav --output out.wav": "not a readable",
    "--preset good.toml --input broken.flac --output out.wav": "is broken",
    "--preset good.toml --input slow.wav --output out.wav": "4000 Hz",
    "--ref ref.wav --input silent.wav --output out.wav": "too little",
    "--ref ref.wav --input short.wav --output out.wav": "too little",
    # many files
    "--preset good.toml --input none*.wav --output many": "no file matches 'none*.wav'",
    "--preset good.toml --input in.wav ref.wav --output out.wav": "names a file",
    "--preset good.toml --input in.wav ref.wav --output good.toml": "not a folder",
    "--preset good.toml --input in.wav ref.wav --output .": "same file",
    "--preset good.toml --input flac.flac in.wav --output . --format wav": "same file",
    "--preset bad.toml --input in.wav ref.wav --output many": "outside",
    "--ref silent.wav --input in.wav ref.wav --output many": "is silent",
    "--preset good.toml --input in.wav ref.wav --output many --stats in.wav": "same file",
    "--preset good.toml --input in.wav ref.wav --output many --save-preset p.toml": "one sound",
    "--preset good.toml --input in.wav ref.wav --output many --jobs 0": "--jobs",
    f"--preset good.toml --jobs 2 {FILES}": "many files",
    # the output
    "--preset good.toml --input in.wav --output in.wav": "same file",
    "--preset good.toml --input in.wav --output link.wav --overwrite": "same file",
    "--preset good.toml --input in.wav --output hard.wav --overwrite": "same file",
    "--preset good.toml --input link.wav --output in.wav --overwrite": "same file",
    "--ref ref.wav --input in.wav --output ref.wav --overwrite": "same file",
    "--preset good.toml --input in.wav --output ./old.wav": "--overwrite",
    "--preset good.toml --input in.wav --output out.mp3": "must end in",
    "--preset good.toml --input in.wav --output none/out.wav": "no folder",
    f"--preset good.toml --stats in.wav {FILES}": "same file",
    f"--preset good.toml --stats out.wav {FILES}": "different files",
    f"--preset good.toml --save-preset old.wav {FILES}": "--overwrite",
    f"--preset good.toml --save-preset good.toml --overwrite {FILES}": "same file",
    "--preset good.toml --save-preset good.toml": "same file",
}

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.mark.parametrize("options", BAD)
def test_a_mistake_is_one_line_and_writes_nothing(
    folder: Path,
    options: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "afx-live-no-such-server")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        status = cli.main(options.split())
    except SystemExit as exit_:  # how argparse ends; anything else would be a traceback
        status = exit_.code
    out, err = capfd.readouterr()
    assert (status, out) == (2, ""), err
    assert err.startswith("afx-live: ") and BAD[options] in err
    assert err.count("\n") == 1 and err.endswith("\n"), err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_for_another_table_is_refused_naming_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(shipped_model())
    for entry in model.metadata_props:
        if entry.key == "table":
            entry.value = "0123456789abcdef"
    onnx.save(model, folder / "other.onnx")
    monkeypatch.chdir(folder)
    assert cli.main(["--ref", "ref.wav", "--model", "other.onnx", *FILES.split()]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("afx-live: ") and err.count("\n") == 1
    assert "0123456789abcdef" in err and table_hash() in err
    assert not (folder / "out.wav").exists()


@pytest.mark.parametrize("options", [f"--ref broken.flac {FILES}", f"--preset bad.toml {FILES}"])
def test_the_program_itself_ends_with_status_2(folder: Path, options: str) -> None:
    done = afx_live(*options.split(), cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"afx-live: {done.stderr[10:].strip()}\n" and BAD[options] in done.stderr


def test_a_read_only_folder_is_refused(folder: Path) -> None:
    if os.geteuid() == 0:
        target = "/proc/out.wav"  # no folder that root may write
    else:
        (folder / "locked").mkdir(mode=0o500)
        target = str(folder / "locked" / "out.wav")
    done = afx_live("--preset", "good.toml", "--input", "in.wav", "--output", target, cwd=folder)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "cannot write" in done.stderr


@pytest.mark.parametrize("way", [["--ref", "ref.wav"], ["--preset", "good.toml"]])
def test_without_a_sound_card_live_is_one_line(folder: Path, way: list[str]) -> None:
    done = afx_live(*way, cwd=folder, JACK_DEFAULT_SERVER="afx-live-no-such-server")
    if "audio running" in done.stderr:
        pytest.skip("this machine has a sound card")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "no input device" in done.stderr or "no output device" in done.stderr


# --- what parses a person's values -----------------------------------------------------------
VALUES = st.one_of(
    st.text(max_size=12), st.floats().map(str), st.integers().map(str), st.just("1" * 5_000)
)


@settings(max_examples=150, deadline=None)
@given(
    option=st.sampled_from(
        [
            "--ref-live",
            "--duration",
            "--block-size",
            "--sample-rate",
            "--gate-db",
            "--channels",
            "--ref-channel",
            "--amount",
            "--morph",
        ]
    ),
    value=VALUES,
)
def test_any_value_is_a_number_or_refused(option: str, value: str) -> None:
    try:
        args = cli.parser().parse_args([f"{option}={value}"])
    except SystemExit as exit_:
        assert exit_.code == 2
        return
    number = getattr(args, option[2:].replace("-", "_"))
    assert np.isfinite(number)
    assert number <= 0.0 if option == "--gate-db" else number >= 0


def test_list_presets_names_them_all_with_their_programs(tmp_path: Path) -> None:
    own = tmp_path / "afx-live" / "presets"
    own.mkdir(parents=True)
    save_preset(TESTED, own / "mine.toml")
    (own / "odd.toml").write_text("[comp\n")
    done = afx_live("--list-presets", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    names = factory_presets()
    assert [row[:2] for row in rows[1 : 1 + len(names)]] == [
        [str(number), name] for number, name in enumerate(names)
    ]
    assert rows[-2][:2] == ["0", "mine"] and rows[-1][:2] == ["1", "odd"]
    assert "line 1" in done.stdout.splitlines()[-1]


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for action in cli.parser()._actions:
        assert action.option_strings[-1] in text and action.help
