"""afx-live from the outside: every mistake is one line and exit status 2, and writes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import cli
from realtime.bridge import Bridge
from realtime.callback import compile_all, run_block
from realtime.params import table_hash
from realtime.predictor import shipped_model
from realtime.preset import Preset, factory_presets, load_preset, save_preset
from tests.support import noise, sine

RATE = 24_000
TESTED = Preset(
    {"eq2.gain_db": 6.0, "comp.threshold_db": -30.0, "comp.ratio": 4.0, "reverb.wet": 0.2},
    name="tested",
)


def afx_live(
    *args: object, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realtime.cli", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), **env},
    )


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    compile_all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good and bad files that the tables below name."""
    voice = 0.3 * sine(440.0, 4 * RATE, RATE).astype("f4") + noise(4 * RATE, 1, 0.02)[:, 0]
    sf.write(tmp_path / "in.wav", voice, RATE)
    sf.write(tmp_path / "ref.wav", voice[::-1], RATE)
    sf.write(tmp_path / "six.wav", np.repeat(voice[:, None], 6, axis=1), RATE)
    sf.write(tmp_path / "silent.wav", np.zeros(4 * RATE), RATE)
    sf.write(tmp_path / "short.wav", voice[: RATE // 100], RATE)
    sf.write(tmp_path / "slow.wav", voice[:8_000], 4_000)
    sf.write(tmp_path / "flac.flac", voice, RATE)
    broken = bytearray((tmp_path / "flac.flac").read_bytes())
    broken[len(broken) // 2 :] = np.random.default_rng(0).bytes(len(broken) // 2)
    (tmp_path / "broken.flac").write_bytes(broken)
    (tmp_path / "text.wav").write_text("not audio at all\n" * 40)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "link.wav").symlink_to("in.wav")
    (tmp_path / "hard.wav").hardlink_to(tmp_path / "in.wav")
    (tmp_path / "old.wav").write_bytes(b"precious")
    save_preset(TESTED, tmp_path / "good.toml")
    (tmp_path / "bad.toml").write_text("[comp]\nratio = 99\n")
    (tmp_path / "odd.toml").write_text("[comp\n")
    (tmp_path / "unknown.toml").write_text("[comp]\nratoi = 2\n")
    (tmp_path / "no.onnx").write_bytes(b"not a model")
    return tmp_path


FILES = "--input in.wav --output out.wav"
BAD = {
    # options
    "--input in.wav --output out.wav": "no sound to go for",
    "--ref ref.wav --preset good.toml": "do not go together",
    "--ref ref.wav --ref-live 5": "do not go together",
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
    f"--preset good.toml --set-list good.toml {FILES}": "live use",
    f"--ref ref.wav --ref-channel 2 {FILES}": "live use",
    "--set-list good.toml": "unknown key",
    "--set-list missing.toml": "No such file",
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


# --- file mode -------------------------------------------------------------------------------
def rendered(x: np.ndarray, preset: Preset, rate: int) -> np.ndarray:
    bridge = Bridge(rate, x.shape[1], x.shape[1], preset)
    y = np.empty_like(x)
    for start in range(0, len(x), 480):
        run_block(bridge.record, x[start : start + 480], y[start : start + 480], 0)
    return y


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_through_a_preset(folder: Path, suffix: str) -> None:
    out = f"out.{suffix}"
    done = afx_live(
        *("--preset", "good.toml", "--input", "in.wav", "--output", out),
        *("--stats", "stats.json", "--save-preset", "saved.toml"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, rate = sf.read(folder / out, dtype="float32", always_2d=True)
    assert rate == RATE
    x = np.pad(x, ((0, len(y) - len(x)), (0, 0)))
    assert np.abs(y - rendered(x, TESTED, RATE)).max() <= 2.0**-23  # a step of 24 bits
    assert load_preset(str(folder / "saved.toml")) == TESTED
    stats = json.loads((folder / "stats.json").read_text())
    assert stats["frames"] == len(y) and stats["preset"] == dict(TESTED)
    assert stats["latency_ms"] == 0.0
    for words in ("good.toml", "threshold -30.0 dBFS", "ratio 4:1", "LUFS", "p99.9", "times real"):
        assert words in done.stdout


@pytest.mark.parametrize("wet", [0.0, 0.2])
def test_a_reverb_rings_out_and_nothing_else_gets_longer(folder: Path, wet: float) -> None:
    preset = Preset({"reverb.wet": wet, "reverb.room_size": 0.6, "reverb.predelay_ms": 200.0})
    save_preset(preset, folder / "room.toml")
    clap = np.zeros(RATE, np.float32)
    clap[-200:] = noise(200, 1, 0.3)[:, 0]
    sf.write(folder / "clap.wav", clap, RATE)
    args = ("--preset", "room.toml", "--input", "clap.wav", "--output", "out.wav")
    assert afx_live(*args, cwd=folder).returncode == 0
    y, _ = sf.read(folder / "out.wav", always_2d=True)
    if wet == 0.0:
        assert len(y) == RATE
    else:
        t60_s = 0.1 * 100.0**0.6
        assert 1.0 + 0.5 * t60_s < len(y) / RATE < 1.0 + 2.0 * t60_s
        assert np.abs(y[-RATE // 4 :]).max() < 1e-3 * np.abs(y).max()


@pytest.mark.parametrize("reference", ["ref.wav", "flac.flac", "six.wav"])
def test_a_file_through_a_prediction(folder: Path, reference: str) -> None:
    args = ("--ref", reference, "--input", "in.wav", "--output", "out.wav")
    done = afx_live(*args, "--save-preset", "found.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    found = load_preset(str(folder / "found.toml"))
    assert np.abs(y - rendered(x, found, RATE)).max() <= 2.0**-23
    assert f"predicted from {reference!r}" in done.stdout and "dB*" in done.stdout


def test_a_file_between_two_styles_and_with_half_of_one(folder: Path) -> None:
    def found(*options: object) -> Preset:
        args = ("--ref", "ref.wav", *options, "--input", "in.wav", "--output", "out.wav")
        done = afx_live(*args, "--save-preset", "found.toml", "--overwrite", cwd=folder)
        assert done.returncode == 0, done.stderr
        return load_preset(str(folder / "found.toml"))

    sf.write(folder / "dull.wav", np.cumsum(noise(4 * RATE, 1, 0.002), axis=0), RATE)
    first, second = found(), found("--ref", "dull.wav", "--morph", 1)
    assert first != second
    between = found("--ref", "dull.wav", "--morph", 0.5)
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    assert np.abs(y - rendered(x, between, RATE)).max() <= 2.0**-23
    for i in ("eq3.gain_db", "comp.threshold_db"):
        assert between[i] == pytest.approx((first[i] + second[i]) / 2.0)
    assert between["eq4.freq_hz"] == pytest.approx(
        (first["eq4.freq_hz"] * second["eq4.freq_hz"]) ** 0.5
    )
    half, none = found("--amount", 50), found("--amount", 0)
    assert half["eq3.gain_db"] == pytest.approx(first["eq3.gain_db"] / 2.0)
    assert none["eq3.gain_db"] == 0.0 and none["comp.ratio"] == 1.0


def test_overwrite_replaces_when_asked(folder: Path) -> None:
    args = ("--preset", "good.toml", "--input", "in.wav", "--output", "old.wav", "--overwrite")
    assert afx_live(*args, cwd=folder).returncode == 0
    assert sf.info(folder / "old.wav").frames >= 4 * RATE


@pytest.mark.parametrize(("source", "options", "channels"), [
    ("in.wav", ("--channels", "2"), 2), ("six.wav", (), 2), ("six.wav", ("--channels", "1"), 1),
])  # fmt: skip
def test_channels_of_the_output(
    folder: Path, source: str, options: tuple[str, ...], channels: int
) -> None:
    args = ("--preset", "good.toml", "--input", source, "--output", "out.wav", *options)
    assert afx_live(*args, cwd=folder).returncode == 0
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    want = rendered(np.repeat(x, channels, axis=1), TESTED, RATE)
    # Six equal channels of 16 bit average to the one, within rounding.
    assert y.shape[1] == channels and np.abs(y[: len(want)] - want).max() < 1e-5


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
