"""Plugin settings as hypothesis makes them, and rows such as a plugin gives."""

from __future__ import annotations

from hypothesis import strategies as st

from realtime.plugins.setting import PLACES, POINTS, TAKEN, PluginParam, PluginSetting

NAMES = ("zamcompx2", "zameq2", "verb-2")
KEYS = ("threshold", "ratio", "mode")

some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
some_names = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True).filter(lambda n: n not in TAKEN)
some_keys = st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True).filter(lambda k: k != "mix")


def settings_of(
    names: st.SearchStrategy[str], keys: st.SearchStrategy[str]
) -> st.SearchStrategy[PluginSetting]:
    return st.builds(
        PluginSetting,
        name=names,
        path=some_text.filter(bool),
        point=st.sampled_from(POINTS),
        identifier=some_text,
        version=some_text,
        component=some_text,
        mix=st.floats(0.0, 1.0),
        values=st.dictionaries(keys, st.floats(-1e9, 1e9), max_size=4).map(
            lambda values: tuple(values.items())
        ),
        state=st.binary(max_size=200),
        replaces=st.sampled_from(["", *PLACES]),
    )


some_plugins = st.lists(
    settings_of(some_names, some_keys), max_size=3, unique_by=lambda plugin: plugin.name
)


def row(target: str, *, texts: tuple[str, ...] = ()) -> PluginParam:
    """A parameter from 0 to 10 ms, bent as a logarithmic knob; or one of named steps."""
    if texts:
        last = float(len(texts) - 1)
        return PluginParam(
            target, "", 0.0, last, 0.0, 0.0, "linear", 20.0, 0, f"{target} of a plugin",
            plains=(0.0, last), texts=texts,
        )  # fmt: skip
    return PluginParam(
        target, "ms", 0.0, 10.0, 2.0, 2.0, "linear", 20.0, 0, f"{target} of a plugin",
        units=(0.0, 0.5, 1.0), plains=(0.0, 1.0, 10.0),
    )  # fmt: skip
