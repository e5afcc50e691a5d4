"""Plugin maps as files: what is read, what is refused and where, which map is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.plugins import map_files
from realtime.plugins.map_files import FACTORY, find_map, load_map, read_map
from realtime.plugins.plugin_map import Curve
from realtime.plugins.setting import PluginError

HEAD = 'plugin = "Squeeze"\nreplaces = "comp"\n'
EQ = 'plugin = "Tilt"\nreplaces = "eq"\n'


@pytest.fixture(autouse=True)
def nobodys_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own maps are none, but for what a test puts there."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(map_files, "user_folder", lambda kind: folder)
    return folder


def test_a_map_says_what_follows_what() -> None:
    text = HEAD + (
        "[set]\nknee = 3\n"
        '[drive.threshold]\nfrom = "comp.threshold_db"\n'
        '[drive.amount]\nfrom = "comp.ratio"\nscale = 5.0\noffset = -5.0\n'
        '[drive.speed]\nfrom = "comp.attack_ms"\npoints = [[0.1, 10.0], [10.0, 1.0]]\nlog = true\n'
        '[drive.mode]\nfrom = "comp.release_ms"\nnearest = [[50, 2], [500, 0], [1000, 1]]\n'
    )
    found = read_map(text)
    assert found.plugin == "Squeeze" and found.replaces == "comp"
    assert found.constants == {"knee": 3.0}
    curves = {key: drive.curve for key, drive in found.drives.items()}
    assert curves["threshold"](-30.0) == -30.0
    assert curves["amount"](3.0) == 10.0
    assert curves["speed"](1.0) == pytest.approx(10.0**0.5)  # halfway in decades, both ways
    assert curves["speed"](100.0) == 1.0  # level beyond the ends
    assert [curves["mode"](ms) for ms in (0.0, 270.0, 280.0, 5_000.0)] == [2, 2, 0, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("plugin = ", "not TOML"),
        ('replaces = "comp"\n', "plugin does not say"),
        ('plugin = "X"\nreplaces = "chorus"\n', "line 2: replaces is none of eq, comp"),
        (HEAD + "format = 2\n", "line 3: format is not 1"),
        (HEAD + 'volume = "x"\n', "line 3: unknown key 'volume'"),
        (HEAD + "[drives.threshold]\n", "unknown key 'drives', did you mean 'drive'"),
        (HEAD + "[set]\nknee = true\n", "line 4: set.knee is no number"),
        (HEAD + "[set]\nknee = inf\n", "line 4: set.knee is no number"),
        (HEAD + "wet_gain_db = -3\n", "line 3: wet_gain_db is not for this effect"),
        (HEAD + "[drive.a]\n", "line 3: drive.a: from is missing"),
        (
            HEAD + '[drive.a]\nfrom = "comp.treshold_db"\n',
            "line 4: drive.a: from is 'comp.treshold_db', which is unknown, "
            "did you mean 'comp.threshold_db'",
        ),
        # Another effect's parameter would act twice: there, and here.
        (HEAD + '[drive.a]\nfrom = "dist.drive_db"\n', "line 4: drive.a: from is 'dist.drive_db'"),
        (HEAD + '[drive.a]\nfrom = "comp.ratio"\nslope = 2\n', "line 5: unknown key 'slope'"),
        (HEAD + '[drive.a]\nfrom = "comp.ratio"\nscale = "2"\n', "line 5: drive.a: scale is no"),
        (HEAD + '[drive.a]\nfrom = "comp.ratio"\nlog = true\n', "line 5: drive.a: log is"),
        (
            HEAD + '[drive.a]\nfrom = "comp.ratio"\noffset = 1\npoints = [[1, 2], [2, 3]]\n',
            "drive.a has both points and offset",
        ),
        (
            HEAD + '[drive.a]\nfrom = "comp.ratio"\npoints = [[1, 2], [1, 3]]\n',
            "line 5: drive.a: points: ours must ascend",
        ),
        (
            HEAD + '[drive.a]\nfrom = "comp.ratio"\npoints = [[1, 2], [2, 3], [3, 2]]\n',
            "line 5: drive.a: points: theirs must only rise or only fall",
        ),
        (HEAD + '[drive.a]\nfrom = "comp.ratio"\npoints = [[1, 2]]\n', "line 5: drive.a: points n"),
        (
            HEAD + '[drive.a]\nfrom = "comp.ratio"\npoints = [[0, 2], [2, 3]]\nlog = true\n',
            "line 5: drive.a: points: on logarithmic axes",
        ),
        (
            HEAD + '[set]\na = 1\n[drive.a]\nfrom = "comp.ratio"\n',
            "line 5: a is set twice",
        ),
        (HEAD + "[graphic]\nlow = 100\n", "line 3: graphic is for a map that replaces eq"),
        (EQ, "an equaliser has either"),
        (EQ + "[graphic]\nlow = 100\nhigh = 50\n", "line 3: graphic needs two bands"),
        (EQ + '[[band]]\nkind = "bell"\n', "line 4: band 1: kind is 'bell'"),
        (
            EQ + '[[band]]\nkind = "peak"\nfrequency = 100\ngain = "g"\nq = 1\n'
            '[[band]]\nkind = "peak"\nfrequency = 900\ngain = "g"\nq = 1\n',
            "line 11: g is set twice",
        ),
        (
            EQ + '[[band]]\nkind = "peak"\nfrequency = 100\ngain = 3\nq = 1\n',
            "line 6: band 1: gain must name",
        ),
        (
            EQ + '[[band]]\nkind = "peak"\nfrequency = -1\ngain = "g"\nq = 1\n',
            "line 5: band 1: frequency is no number",
        ),
        (
            EQ + '[[band]]\nkind = "peak"\nfrequency = 9\ngain = "g"\nq = 1\nnarrows = 0\n',
            "line 8: band 1: narrows is true or false",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(PluginError) as error:
        read_map(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"plugin map '.*gone.toml': No such file"):
        load_map(tmp_path / "gone.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text(HEAD + "[set]\nknee = 'x'\n")
    with pytest.raises(PluginError, match=r"plugin map '.*broken.toml': line 4: set.knee"):
        load_map(broken)


def test_a_plugins_map_is_found_by_its_name_and_ones_own_goes_first(
    tmp_path: Path, nobodys_folder: Path
) -> None:
    shipped = find_map("ZAMCOMPX2", "comp")
    assert shipped.plugin == "ZamCompX2"
    text = 'plugin = "ZamCompX2"\nreplaces = "comp"\n[set]\nknee = 1\n'
    (nobodys_folder / "mine.toml").write_text(text)
    assert find_map("ZamCompX2", "comp").constants == {"knee": 1.0}
    given = tmp_path / "given.toml"
    given.write_text(text.replace("1", "2"))
    assert find_map("ZamCompX2", "comp", [load_map(given)]).constants == {"knee": 2.0}
    with pytest.raises(PluginError, match=r"no plugin map has ZamCompX2 for eq.*eq=ZamEQ2"):
        find_map("ZamCompX2", "eq")


@pytest.mark.parametrize("path", sorted(FACTORY.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_map_is_sound(path: Path) -> None:
    found = load_map(path)
    assert found.plugin.casefold() == path.stem
    assert found.drives or found.bands or found.graphic


number = st.floats(-1e6, 1e6) | st.floats() | st.integers() | st.text(max_size=4) | st.booleans()
word = st.sampled_from(
    ["comp.ratio", "threshold", "from", "scale", "points", "nearest", "log", "kind", "peak", "gain"]
)


@given(
    st.recursive(
        number | word,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=4),
        max_leaves=8,
    ),
    st.sampled_from(["set", "drive", "drive.a", "band", "graphic", "level", "wet_gain_db"]),
    st.sampled_from(["comp", "eq", "reverb"]),
)
def test_whatever_a_map_says_is_read_or_refused_in_one_line(
    value: object, key: str, effect: str
) -> None:
    text = f'plugin = "X"\nreplaces = "{effect}"\n{key} = {_toml(value)}\n'
    try:
        read_map(text)
    except PluginError as error:
        assert "\n" not in str(error) and len(str(error)) < 300


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "").replace("\n", "") + "'"
    return str(value).lower()


def test_the_nearest_on_logarithmic_axes_is_so_by_its_ratio() -> None:
    points = ((100.0, 0.0), (1_000.0, 1.0))  # halfway: 316, or 550
    assert Curve(points=points, nearest=True, log=True)(400.0) == 1.0
    assert Curve(points=points, nearest=True)(400.0) == 0.0


@given(
    st.lists(st.tuples(st.floats(0.01, 1e4), st.floats(0.01, 1e4)), min_size=2, max_size=6),
    st.floats(0.001, 1e5),
    st.booleans(),
)
def test_a_curve_goes_through_its_points_and_never_beyond_them(
    pairs: list[tuple[float, float]], ours: float, log: bool
) -> None:
    xs = sorted({round(x, 4) for x, _ in pairs})
    points = tuple(zip(xs, sorted(y for _, y in pairs), strict=False))
    if len(points) < 2:
        return
    curve = Curve(points=points, log=log)
    for x, y in points:
        assert curve(x) == pytest.approx(y, rel=1e-9)
    assert points[0][1] * (1 - 1e-9) <= curve(ours) <= points[-1][1] * (1 + 1e-9)
    assert curve(ours) <= curve(ours * 1.1) * (1 + 1e-9)
