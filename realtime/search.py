"""A search for a nearer style: what it is after, what it moves, and the best so far.

See `realtime.refine`, which runs it.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.comparison import compare
from realtime.curve_match import equaliser_db, match_curve
from realtime.features import AudioError
from realtime.goal import shipped_goal
from realtime.measure import loudness_lufs
from realtime.params import BY_ID, PROFILES, Param
from realtime.preset import Preset
from realtime.renders import Renders
from realtime.style_space import Heard, StyleSpace

Vector = npt.NDArray[np.float64]
Map = Callable[[Callable[[Vector], Any], list[Vector]], Iterable[Any]]

SEED = 1

_ROUNDS = 2  # of setting the equaliser to what is lacking
_POPULATION = 12
# Of the search at its start, in each parameter's range from 0 to 1, and what a range away costs.
_SIGMA, _SIGMA_PLUGIN = 0.03, 0.08
_PRIOR = 2.0
# Of a step by slopes: how far it looks and may go, in each range from 0 to 1, what it tries, and
# what must remain of the distance for another.
_NUDGE, _FAR, _DAMPINGS, _WORTHWHILE = 0.06, 0.3, (0.03, 0.3, 1.0, 3.0), 0.98
_OUT, _THRESHOLD = "output.gain_db", "comp.threshold_db"


@dataclass(frozen=True)
class Progressed:
    """How far a search is: seconds and renders so far, and the distance at its start and now."""

    seconds: float
    renders: int
    start: float
    distance: float

    def __str__(self) -> str:
        return (
            f"distance {self.start:.2f} -> {self.distance:.2f} dB "
            f"after {self.renders} renders in {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class Refined(Progressed):
    """What a search came to. preset: the best that was heard."""

    __str__ = Progressed.__str__

    preset: Preset


class Search:
    """The state of a search: where it began, what it is after, and the best so far."""

    def __init__(
        self,
        answer: Preset,
        begin: Preset | None,
        fixed: Collection[str],
        renders: Renders,
        sample_rate: int,
        space: StyleSpace,
        until: float,
        stop: threading.Event | None,
    ) -> None:
        self._until, self._stop = until, stop or threading.Event()
        self._renders, self._rate, self._space = renders, sample_rate, space
        self._answer = answer.with_plugins(())
        self._best = answer if begin is None else begin
        predicted = PROFILES[answer.profile].predicted if begin is None else ()
        plugins = [
            row
            for row in renders.params.values()
            if row.smoothing_ms > 0.0 and row.id not in fixed  # switches stay, too
        ]
        self._rows: Sequence[Param] = [*(BY_ID[i] for i in predicted), *plugins]
        self._plugins = slice(len(predicted), len(self._rows))
        self._sigmas = np.repeat([_SIGMA, _SIGMA_PLUGIN], [len(predicted), len(plugins)])
        self._prior = np.repeat([_PRIOR, 0.0], [len(predicted), len(plugins)])
        self._goal: Heard
        self._start = self._distance = float("inf")

    def set_goal(self, dry: Heard, wanted: Heard) -> None:
        """Hear the network's answer, and say what to go for: the answer's place, and what the
        reference says that it lacks."""
        space, heard = self._space, self._hear(self._answer)
        lack = shipped_goal().lack(compare(space, dry, heard, wanted))
        self._goal = replace(
            heard,
            spectrum_db=heard.spectrum_db + lack.bands_db,
            mean_db=heard.mean_db + lack.bands_db,
            loudness_lufs=heard.loudness_lufs + lack.loudness_db,
        )
        if self._best != self._answer:
            heard = self._hear(self._best)
        self._started, self._heard = self._best, heard
        self._start = self._distance = space.distance(heard, self._goal)

    def match(self) -> None:
        """Set the level to what is lacking, then the equaliser."""
        preset = self._best
        heard = self._heard if preset is self._started else self._hear(preset)
        self._take_levelled(preset, heard)
        for _ in range(_ROUNDS):
            hz, weight = self._space.hz, self._space.weight
            lack = self._goal.mean_db - heard.mean_db
            wanted = equaliser_db(preset, hz, self._rate) + lack
            found = match_curve(preset, wanted, hz, weight, self._rate)
            preset = self._follow(preset, found)
            preset, heard = self._take_levelled(preset, self._hear(preset))

    def _follow(self, before: Preset, after: Preset) -> Preset:
        """Let the threshold follow how much louder the equaliser makes the input."""
        louder = self._loudness(after) - self._loudness(before)
        return _moved(after, {_THRESHOLD: louder, _OUT: -louder})

    def _take_levelled(self, preset: Preset, heard: Heard) -> tuple[Preset, Heard]:
        """The preset as loud as is wanted, and what is heard of it then."""
        gain = 0.5 * self._space.middle(self._goal.mean_db - heard.mean_db)
        gain += 0.5 * (self._goal.loudness_lufs - heard.loudness_lufs)
        if not np.isfinite(gain):  # one of them is too quiet to have a loudness
            return preset, heard
        before, preset = preset[_OUT], _moved(preset, {_OUT: gain})
        gain = preset[_OUT] - before  # which may be at its end
        heard = replace(
            heard,
            spectrum_db=heard.spectrum_db + gain,
            mean_db=heard.mean_db + gain,
            loudness_lufs=heard.loudness_lufs + gain,
        )
        self._take(preset, self._space.distance(heard, self._goal))
        return preset, heard

    def _loudness(self, preset: Preset) -> float:
        """Of what the compressor hears."""
        chain = preset.with_plugins(())
        dry = chain.with_values({"comp.ratio": 1.0, _OUT: 0.0, "dist.mix": 0.0, "reverb.wet": 0.0})
        return loudness_lufs(self._renders.render(dry), self._rate)

    def _hear(self, preset: Preset) -> Heard:
        return self._space.hear(self._renders.render(preset), self._rate, "the input")

    def goes_on(self, renders_max: int) -> bool:
        """Whether there is something to move and time for it, and nobody has said stop."""
        return bool(self._rows) and not self._over and self._renders.count < renders_max

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or time.monotonic() >= self._until

    def generations(self, renders_max: int) -> Iterator[list[Vector]]:
        """Batches of vectors to judge, until time or renders are up."""
        import cma

        begin = self._centre_on_best()
        options = {
            "bounds": [0.0, 1.0], "popsize": _POPULATION, "seed": SEED, "verbose": -9,
            "tolx": 1e-5, "tolfun": 1e-4, "CMA_stds": self._sigmas / self._sigmas[0],
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that some are at the end of their range
            self._strategy = cma.CMAEvolutionStrategy(begin, self._sigmas[0], options)
        while self.goes_on(renders_max - _POPULATION + 1) and not self._strategy.stop():
            yield self._strategy.ask()

    @property
    def slope_renders(self) -> int:
        """What a step of `descend` takes."""
        return 1 + len(self._rows[self._plugins]) + len(_DAMPINGS)

    def descend(self, run: Map) -> bool:
        """A step of the plugins by slopes that renders tell (Levenberg and Marquardt); whether it
        went far.

        run: as `map`, on several threads.
        """
        whole = self._centre_on_best()
        ways = np.eye(len(whole))[self._plugins]
        if not len(ways):
            return False
        sides = np.where(ways @ whole > 0.5, -_NUDGE, _NUDGE)
        moved = list(run(self._residuals, [whole, *(whole + sides[:, None] * ways)]))
        if self._over or moved[-1] is None:
            return False
        slopes = (np.array(moved[1:]) - moved[0]) / sides[:, None]
        square, toward = slopes @ slopes.T, slopes @ moved[0]
        scale = np.diag(square) + 0.05 * np.trace(square) / len(square) + 1e-6
        steps = [np.linalg.solve(square + np.diag(d * scale), toward) for d in _DAMPINGS]
        vectors = [np.clip(whole - np.clip(step, -_FAR, _FAR) @ ways, 0.0, 1.0) for step in steps]
        costs = list(run(self.judge, vectors))
        before, best = self._distance, int(np.argmin(costs))
        self._take(self._preset(vectors[best]), costs[best])
        return self._distance < _WORTHWHILE * before

    def _centre_on_best(self) -> Vector:
        """Where the best so far stands, from 0 to 1 of each range."""
        self._around = self._best
        stands = dict(self._best)
        begin = [row.to_unit(stands.get(row.id, row.default)) for row in self._rows]
        self._centre = np.array(begin)
        return self._centre

    def _residuals(self, vector: Vector) -> Vector | None:
        if self._over:  # a plugin may take a second for a render
            return None
        return self._space.residuals(self._hear(self._preset(vector)), self._goal)

    def judge(self, vector: Vector) -> float:
        """The distance of what a vector sounds like, and how far it is from where it began."""
        if self._over:
            return float("inf")
        try:
            heard = self._hear(self._preset(vector))
        except AudioError:  # nothing comes out
            return 1e3
        away = float(self._prior @ np.square(vector - self._centre))
        return self._space.distance(heard, self._goal) + away

    def tell(self, vectors: Sequence[Vector], costs: list[float]) -> None:
        """Take what a generation came to."""
        if not self._over:
            self._strategy.tell(vectors, costs)
        best = int(np.argmin(costs))
        self._take(self._preset(vectors[best]), costs[best])

    def _take(self, preset: Preset, distance: float) -> None:
        if distance < self._distance:
            self._best, self._distance = preset, distance

    def _preset(self, vector: Vector) -> Preset:
        moved = {row.id: row.from_unit(u) for row, u in zip(self._rows, vector, strict=True)}
        return self._around.with_values(moved)

    def progressed(self, began: float) -> Progressed:
        """How far it is."""
        return Progressed(
            time.monotonic() - began, self._renders.count, self._start, self._distance
        )

    def refined(self, began: float) -> Refined:
        """What it came to."""
        return Refined(**vars(self.progressed(began)), preset=self._best)


def _moved(preset: Preset, by: dict[str, float]) -> Preset:
    return preset.with_values({i: BY_ID[i].clamp(preset[i] + d) for i, d in by.items()})
