"""A preset's plugins for sound that is not live: every block waits for them, none is dry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from realtime.plugins.setting import PluginSetting

if TYPE_CHECKING:
    from realtime.plugins.host import PluginHost


class Waited:
    """Plugins at work. latency_frames: of all of them, one after the other."""

    def __init__(self, hosts: Iterable[PluginHost]) -> None:
        self._hosts = tuple(hosts)
        self.latency_frames = sum(host.latency_frames for host in self._hosts)

    def inserts(self) -> list[tuple[str, int]]:
        """For `Bridge.insert` or `Chain.insert`."""
        return [(host.setting.point, host.record_address) for host in self._hosts]

    def wait(self) -> None:
        """Until each has answered the last block. Raises: PluginError if one does not."""
        for host in self._hosts:
            host.wait()


@contextmanager
def waited_for(
    settings: Iterable[PluginSetting], sample_rate: int, channels: int, block_frames: int
) -> Iterator[Waited]:
    """Load these plugins, for blocks of up to so many frames; ends their processes.

    What they give is the same from run to run and however the sound is cut into blocks.
    Raises: PluginError, one line, where one cannot be loaded.
    """
    with ExitStack() as stack:
        hosts = []
        for setting in settings:
            from realtime.plugins.host import PluginHost  # only POSIX has what it needs

            host = PluginHost(setting, sample_rate, channels, block_frames, offline=True)
            stack.callback(host.close)
            hosts.append(host)
        yield Waited(hosts)
