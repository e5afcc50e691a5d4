"""What the controls of a session have to know of the plugins in its chain."""

from __future__ import annotations

from collections.abc import Mapping

from realtime.plugins.setting import PluginError, PluginParam, PluginSetting
from realtime.preset import Preset


class Hosted:
    """No plugins. A rack of them says otherwise.

    params: id -> row of every parameter of every plugin, "NAME.mix" among them. asked: plain
    values that were asked for beside every preset.
    """

    params: Mapping[str, PluginParam] = {}
    asked: Mapping[str, float] = {}

    def complete(self, preset: Preset) -> Preset:
        """`preset` with a value for every id of `params`: what it leaves open is as the plugin
        starts, and a plugin that it does not use is dry.

        Raises: PluginError where the preset needs a plugin that is not there.
        """
        for plugin in preset.plugins:
            raise PluginError(f"{plugin.name!r} from {plugin.path!r} is not in this session")
        return preset

    def begin(self, preset: Preset) -> Preset:
        """`preset` as a session starts with it: complete, and with what was asked for beside it.

        Raises: PluginError as `complete`.
        """
        return self.complete(preset)

    def searched(
        self, by_hand: Mapping[str, float]
    ) -> tuple[tuple[PluginSetting, ...], frozenset[str]]:
        """The plugins that a search for a style may move, and the ids that stay as they are.

        A plugin in the place of an effect follows that effect instead. by_hand: id -> plain value.
        """
        held = {i: value for i, value in {**self.asked, **by_hand}.items() if i in self.params}
        plugins = self.begin(Preset.neutral()).with_values(held).plugins
        movable = (p for p in plugins if p.mix > 0.0 and not p.replaces)
        return tuple(movable), frozenset(held)

    def driven(self, preset: Preset) -> Mapping[str, float]:
        """Plain values that follow from others of a complete preset, unless a hand sets them."""
        return {}

    def follow(self, preset: Preset, sample_rate: int) -> Preset:
        """A complete preset with the values that follow from its others: no hand is on it."""
        return preset

    def kept(self, preset: Preset) -> Preset:
        """A complete preset as a file should have it."""
        return preset
