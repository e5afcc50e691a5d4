"""Set lists, programs and a person's own presets: what is read, chosen, refused and kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.preset import Preset, PresetError, factory_presets, load_preset, save_preset
from realtime.programs import ProgramError, Programs
from realtime.set_list import SetListError, load_set_list
from realtime.user_files import save_beside, save_to_folder, user_presets

MINE = Preset({"comp.ratio": 5.0}, name="mine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set list of three, its files beside it; the person's own folder is empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "mine").mkdir()
    save_preset(MINE, tmp_path / "mine" / "solo.toml")
    (tmp_path / "mine" / "broken.toml").write_text("[comp]\nattack_ms = 1\nratio = 99\n")
    (tmp_path / "mine" / "odd.toml").write_text("[comp]\nratio =\n")
    write(tmp_path, 'presets = ["telephone", "mine/solo.toml", "hall"]\nname = "Friday"')
    return tmp_path


def write(folder: Path, rest: str, first: str = "format = 1\n") -> Path:
    path = folder / "list.toml"
    path.write_text(first + rest)
    return path


def test_a_set_list_names_factory_presets_and_files_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    found = load_set_list(folder / "list.toml")
    assert found.name == "Friday"
    assert [entry.name for entry in found.entries] == ["telephone", "solo", "hall"]
    assert [entry.preset for entry in found.entries] == [
        load_preset("telephone"), MINE, load_preset("hall"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    {
        'presets = ["hall" "crunch"]': "line 2",
        'presets = ["telephone", "nowhere.toml"]': "entry 2: preset",
        'presets = ["mine/broken.toml"]': "entry 1: preset",
        'presets = ["mine/solo.toml", "mine/broken.toml"]': "line 3: comp.ratio is 99",
        'presets = ["mine/odd.toml"]': "line 2",
        'presets = ["telephone", 3]': "entry 2 is 3",
        "presets = []": "at least one",
        'presets = "telephone"': "must be a list",
        "": "presets must be",
        'presets = ["hall"]\nname = 3': "name is 3",
        'presets = ["hall"]\npreset = []': "unknown key 'preset'",
    }.items(),
)
def test_a_bad_set_list_is_refused_naming_file_entry_and_reason(
    folder: Path, text: str, words: str
) -> None:
    path = write(folder, text)
    with pytest.raises(SetListError) as refused:
        load_set_list(path)
    message = str(refused.value)
    assert str(path) in message and words in message and "\n" not in message


def test_another_format_and_a_missing_file_are_refused(folder: Path) -> None:
    with pytest.raises(SetListError, match="format = 1"):
        load_set_list(write(folder, 'presets = ["hall"]', first="format = 2\n"))
    with pytest.raises(SetListError, match="No such file"):
        load_set_list(folder / "none.toml")


@given(text=st.text(max_size=60))
def test_any_text_is_a_set_list_or_refused_in_a_line(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(SetListError) as refused:
        load_set_list(path)
    assert len(str(refused.value).splitlines()) == 1


# --- programs --------------------------------------------------------------------------------
def test_next_and_previous_stop_at_the_ends(folder: Path) -> None:
    programs = Programs(load_set_list(folder / "list.toml"), playing="telephone")
    with pytest.raises(ProgramError, match="'Friday' starts here"):
        programs.step(-1)
    assert [programs.step(1).name for _ in range(2)] == ["solo", "hall"]
    with pytest.raises(ProgramError, match="'Friday' ends here"):
        programs.step(1)
    assert programs.step(-1).name == "solo"
    assert programs.place == "2/3  telephone | [solo] | hall"
    assert programs.neighbours == [load_preset("telephone"), load_preset("hall")]


def test_without_a_place_next_is_the_first(folder: Path) -> None:
    programs = Programs(load_set_list(folder / "list.toml"))
    with pytest.raises(ProgramError):
        programs.step(-1)
    assert programs.neighbours == [load_preset("telephone")]
    assert programs.step(1).name == "telephone"


def test_banks(folder: Path) -> None:
    programs = Programs(load_set_list(folder / "list.toml"))
    save_to_folder(MINE)
    names = factory_presets()
    assert programs.choose(0, 1).preset == MINE
    assert programs.step(1).name == "hall"  # counted from the program chosen
    assert programs.choose(1, len(names) - 1).preset == load_preset(names[-1])
    assert programs.choose(2, 0).preset == MINE
    assert programs.place.startswith("3/3")  # the other banks have no places
    assert Programs().choose(0, 0).preset == load_preset(names[0])


def test_pedals_that_send_the_coarse_half_of_a_bank_alone_reach_it_too(folder: Path) -> None:
    programs = Programs(load_set_list(folder / "list.toml"))
    save_to_folder(MINE)
    assert programs.choose(1 << 7, 0).preset == load_preset(factory_presets()[0])
    assert programs.choose(2 << 7, 0).preset == MINE
    with pytest.raises(ProgramError, match="no bank 3,"):
        programs.choose(3 << 7, 0)


@given(bank=st.sampled_from([0, 1, 3, 127, 384, 16_383]), number=st.integers(0, 127))
def test_every_program_change_is_a_preset_or_one_line(bank: int, number: int) -> None:
    names = factory_presets()
    try:
        assert Programs().choose(bank, number).preset == load_preset(names[number])
    except (ProgramError, IndexError) as error:
        assert bank > 1 or number >= len(names)
        assert isinstance(error, ProgramError) and len(str(error).splitlines()) == 1


# --- a person's own presets --------------------------------------------------------------------
def test_saved_presets_keep_their_order_and_never_replace_one(folder: Path) -> None:
    first = save_to_folder(MINE)
    first.write_text("precious")
    later = [save_to_folder(p) for p in (load_preset("hall"), MINE, Preset(name="../ / ?"))]
    assert user_presets() == [first, *later]
    assert first.read_text() == "precious"
    assert load_preset(str(later[1])) == MINE
    later[0].unlink()
    assert save_to_folder(MINE) == user_presets()[-1]


def no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "as FAT says it")


@pytest.mark.parametrize("link", [os.link, no_links], ids=["disk", "USB stick"])
def test_beside_a_file_the_next_free_number_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, link: Callable[..., None]
) -> None:
    monkeypatch.setattr(os, "link", link)
    (folder / "my.sound.toml").write_text("the first")
    (folder / "my.sound-2.toml").write_text("foreign")
    path = save_beside(MINE, folder / "my.sound.toml")
    assert path.name == "my.sound-3.toml" and load_preset(str(path)) == MINE
    assert (folder / "my.sound-2.toml").read_text() == "foreign"
    assert sorted(p.name for p in folder.glob("*sound*")) == [
        "my.sound-2.toml", "my.sound-3.toml", "my.sound.toml",
    ]  # fmt: skip
    with pytest.raises(PresetError, match="cannot write"):
        save_beside(MINE, folder / "none" / "x.toml")
