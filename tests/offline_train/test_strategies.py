"""The five ways through the effects: what each hears, whose gradient it gets, that each trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train import pool, proxies, strategies  # noqa: E402
from offline_train.config import Proxies, Stage  # noqa: E402
from offline_train.data import synthesised  # noqa: E402
from offline_train.effects import TWINS, chain  # noqa: E402
from offline_train.model import StyleModel  # noqa: E402
from offline_train.proxies import Proxy, errors  # noqa: E402
from offline_train.strategies import Strategy, Workshop  # noqa: E402
from offline_train.train import train_stage  # noqa: E402
from realtime.params import EQ_COMP, FULL, SEED, Profile  # noqa: E402
from realtime.preset import Preset  # noqa: E402
from realtime.transfer import render  # noqa: E402

WAYS = ("ad", "np", "np-fh", "np-hh", "spsa")
TINY = Proxies(4, 3, (1, 8), steps=3, batch=2, frames=4_096, windows=(128, 512))
STAGE = Stage(
    steps=4, batch=4, learning_rate=1e-3, weight_decay=0.0, noise=0.05, every=2, patience=9,
    windows=(128, 512), frames=4_096,
)  # fmt: skip
RATE = torch.tensor([24_000.0, 24_000.0])


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("strategies")
    made = pool.build(synthesised()[0], folder, pool.Recipe(1, 12, audio_frames=8_192), workers=1)
    return Workshop(folder, EQ_COMP, made, TINY, seed=1)


@pytest.fixture(scope="module")
def ways(workshop: Workshop) -> dict[str, Strategy]:
    return {name: strategies.load(name, workshop) for name in WAYS}


@pytest.fixture(scope="module")
def sound(workshop: Workshop) -> torch.Tensor:
    return workshop.pool.batch(np.arange(2))["input_audio"]


def settings(profile: Profile = EQ_COMP, unit: float = 0.4) -> dict[str, torch.Tensor]:
    """All that a profile predicts, each somewhere on its way, with a gradient to it."""
    return {
        i: torch.full((2,), profile.from_unit(i, unit + 0.02 * (n % 5))).requires_grad_()
        for n, i in enumerate(profile.predicted)
    }


def slopes(way: Strategy, x: torch.Tensor, values: dict[str, torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(0)
    loud = way.train(x, values, RATE).square().sum()
    return torch.stack(torch.autograd.grad(loud, list(values.values())))


def test_they_are_found_by_their_files():
    assert set(WAYS) == set(strategies.names())


def test_a_sixth_needs_its_file_and_nothing_else(workshop, tmp_path, monkeypatch):
    (tmp_path / "by_hand.py").write_text(
        "from offline_train.strategies.ad import AutomaticDifferentiation\n"
        "make = lambda workshop: AutomaticDifferentiation(workshop.profile)\n"
    )
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    assert "by-hand" in strategies.names()
    assert strategies.load("by-hand", workshop).profile is EQ_COMP


@pytest.mark.parametrize("name", WAYS)
def test_each_trains_the_model(name, ways, workshop, tmp_path):
    torch.manual_seed(4)
    model = StyleModel(EQ_COMP, width=32)
    model.set_statistics(*(workshop.pool.some(12)[k] for k in ("input", "reference")))
    before = torch.cat([p.detach().ravel().clone() for p in model.parameters()])
    stage = replace(STAGE, settings_weight=0.0, learning_rate=1e-2)
    said: list[str] = []
    train_stage(
        "audio", model, workshop.pool, workshop.pool, stage, 1, tmp_path, ways[name], said.append
    )
    trained = torch.load(tmp_path / "audio.ckpt", weights_only=False)["model"]
    after = torch.cat([trained[n].ravel() for n, _ in model.named_parameters()])
    assert torch.isfinite(after).all()
    assert float((after - before).abs().max()) > 1e-5
    assert "step 4" in said[-1]


@pytest.mark.parametrize("name", ["ad", "np-fh", "spsa"])
def test_what_these_train_on_is_the_chain_itself(name, ways, sound):
    values = settings()
    heard = ways[name].train(sound, values, RATE).detach().numpy()
    plain = {i: float(v[0].detach()) for i, v in values.items()}
    for n in range(2):
        live = render(sound[n].numpy(), Preset(plain, profile="eq-comp"), 24_000)
        assert np.abs(heard[n] - live).max() < 1e-4 * np.abs(live).max()


def test_what_the_proxies_train_on_is_the_proxies(ways, sound):
    values = settings()
    guess = ways["np"].train(sound, values, RATE)
    assert torch.equal(guess, ways["np-hh"].train(sound, values, RATE))
    assert torch.equal(guess, ways["np"].hear(sound, values, RATE))
    exact = chain(sound, values, EQ_COMP.band_types, RATE)
    assert torch.equal(exact, ways["np-hh"].hear(sound, values, RATE))
    assert float((guess - exact).detach().abs().max()) > 1e-3


def test_the_full_hybrid_takes_its_gradient_from_the_proxies(workshop, sound):
    """With a proxy that turns everything down by the make-up gain alone, only that has a slope."""

    def lever(x, values, kinds, sample_rate):
        return x * 10.0 ** (values[:, 5:6] / 20.0)

    def wire(x, values, kinds, sample_rate):
        return x + 0.0 * values.sum()

    from offline_train.strategies.np_fh import FullHybrid

    way = FullHybrid(EQ_COMP, {"peq": wire, "compressor": lever})
    values = {**settings(), "comp.makeup_gain_db": torch.zeros(2).requires_grad_()}
    moved = dict(zip(values, slopes(way, sound, values), strict=True))
    assert float(moved["comp.makeup_gain_db"].abs().min()) > 0.0
    assert float(moved["comp.threshold_db"].abs().max()) == 0.0


def test_spsa_points_where_the_exact_gradient_points(ways, sound):
    """On average: one draw is mostly noise, many add up to the slope."""
    values = settings()
    values = {i: values[i] for i in ("output.gain_db", "comp.threshold_db", "eq3.gain_db")}
    x, rate = sound[:1].repeat(64, 1)[:, :4_096], RATE[:1].repeat(64)
    many = {i: v[:1].detach().repeat(64).requires_grad_() for i, v in values.items()}
    sums = []
    for name in ("spsa", "ad"):
        torch.manual_seed(0)
        loud = ways[name].train(x, many, rate).square().sum()
        sums.append(torch.stack(torch.autograd.grad(loud, list(many.values()))).sum(1))
    alike = torch.nn.functional.cosine_similarity(sums[0], sums[1], dim=0)
    assert float(alike) > 0.9
    assert float(sums[0].norm() / sums[1].norm()) == pytest.approx(1.0, abs=0.4)


def test_spsa_leaves_what_is_not_predicted_alone(ways, sound):
    values = settings(SEED)
    fixed = {"input.gain_db": torch.full((2,), -6.0)}
    heard = ways["spsa"].train(sound, {**fixed, **values}, RATE)
    heard.sum().backward()
    assert fixed["input.gain_db"].grad is None
    assert all(v.grad is not None for v in values.values())


def test_a_proxy_learns_its_effect(workshop, tmp_path, monkeypatch):
    """A gain is the simplest effect there is: a proxy gets nearer to it than doing nothing."""
    monkeypatch.setitem(
        proxies.__dict__,
        "TWINS",
        {"compressor": lambda x, values, kinds, rate: 0.4 * x},
    )
    longer = replace(workshop, proxies=replace(TINY, steps=200, learning_rate=2e-2), out=tmp_path)
    torch.manual_seed(1)
    proxy = Proxy("compressor", longer.proxies)
    proxies._train(proxy, longer)
    near, far, *_ = errors(proxy, longer)
    assert near < 0.5 * far


def test_the_equalisers_proxy_hears_frequencies_beside_the_sample_rate(sound):
    """As a digital filter is the same at twice the rate for twice the frequency, whatever it has
    learnt; and two peaks that change places are the same equaliser."""
    torch.manual_seed(1)
    proxy = Proxy("peq", TINY)
    bands = torch.tensor([[100.0, 3.0, 0.7, 300.0, -9.0, 2.0, 900.0, 6.0, 1.0] * 2] * 2)
    twice = bands.clone()
    twice[:, 0::3] *= 2.0
    swapped = bands.clone()
    swapped[:, 3:6], swapped[:, 6:9] = bands[:, 6:9], bands[:, 3:6]
    kinds = EQ_COMP.band_types
    with torch.no_grad():
        heard = proxy(sound, bands, kinds, RATE)
        assert torch.allclose(proxy(sound, twice, kinds, 2.0 * RATE), heard, atol=1e-6)
        assert torch.allclose(proxy(sound, swapped, kinds, RATE), heard, atol=1e-6)
        assert float((proxy(sound, twice, kinds, RATE) - heard).abs().max()) > 1e-5


def test_proxies_are_kept_with_the_run_and_cover_the_profile(workshop, tmp_path, capsys):
    full = replace(workshop, out=tmp_path, profile=FULL, proxies=replace(TINY, steps=1))
    made = proxies.trained(full)
    assert set(made) == set(TWINS)
    kept = {path.name: path.stat().st_mtime_ns for path in Path(tmp_path).iterdir()}
    again = proxies.trained(full)
    assert {path.name: path.stat().st_mtime_ns for path in Path(tmp_path).iterdir()} == kept
    first, second = (made["reverb"].state_dict(), again["reverb"].state_dict())
    assert all(torch.equal(first[k], second[k]) for k in first)
    shown = capsys.readouterr().out
    assert all(effect in shown for effect in TWINS)
