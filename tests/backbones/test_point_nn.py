"""Point-NN against a transcription with loops over centres in float64."""

import numpy as np
import pytest
import torch
from scipy.special import erf

from pointssl.backbones.point_nn import PointNN, PointNNConfig, waves


def _waves(xyz: np.ndarray, width: int, alpha: float, beta: float) -> np.ndarray:
    """Write equation 3 of the paper out: sine, cosine, sine, ... of x, then of y, then of z."""
    out = []
    for axis in range(3):
        for i in range(width // 6):
            angle = beta * xyz[..., axis] / alpha ** (i / (width // 6))
            out += [np.sin(angle), np.cos(angle)]
    return np.stack(out, axis=-1)


def _written(cloud: np.ndarray, config: PointNNConfig) -> np.ndarray:
    centre, x = cloud, _waves(cloud, config.width, config.alpha, config.beta)
    for _ in range(config.stages):
        chosen = [int(np.linalg.norm(centre - centre.mean(axis=0), axis=1).argmax())]
        while len(chosen) < len(centre) // 2:
            away = np.min([np.linalg.norm(centre - centre[c], axis=1) for c in chosen], axis=0)
            chosen.append(int(away.argmax()))
        near = [np.argsort(np.linalg.norm(centre - centre[c], axis=1))[: config.k] for c in chosen]
        place = np.stack([centre[n] - centre[c] for n, c in zip(near, chosen, strict=True)])
        apart = np.stack([x[n] - x[c] for n, c in zip(near, chosen, strict=True)])
        place, apart = (one / (one.std(ddof=1) + 1e-5) for one in (place, apart))
        own = np.broadcast_to(x[chosen][:, None], apart.shape)
        wave = _waves(place, 2 * x.shape[-1], config.alpha, config.beta)
        weighed = (np.concatenate([apart, own], axis=-1) + wave) * wave
        both = weighed.max(axis=1) + weighed.mean(axis=1)
        x = both * (1 + erf(both / 2**0.5)) / 2
        centre = centre[chosen]
    pooled: np.ndarray = x.max(axis=0) + x.mean(axis=0)
    return pooled


def test_pooled__is_the_written_one() -> None:
    config = PointNNConfig(stages=2, width=12, k=5, alpha=50.0, beta=3.0)
    xyz = torch.randn(5, 24, 3, generator=torch.Generator().manual_seed(0))
    pooled = PointNN(config)(xyz).pooled
    assert pooled.shape == (5, 48)
    for cloud, found in zip(xyz.double().numpy(), pooled, strict=True):
        np.testing.assert_allclose(found.numpy(), _written(cloud, config), rtol=2e-3, atol=2e-3)


def test_waves__by_hand() -> None:
    # One wavelength per coordinate: sine and cosine of beta times it.
    found = waves(torch.tensor([[0.1, 0.2, 0.3]]), 6, 1000.0, 2.0)
    wanted = [np.sin(0.2), np.cos(0.2), np.sin(0.4), np.cos(0.4), np.sin(0.6), np.cos(0.6)]
    assert found[0].tolist() == pytest.approx(wanted, abs=1e-6)


def test_network__has_nothing_to_train() -> None:
    assert PointNN(PointNNConfig()).state_dict() == {}
    assert PointNN(PointNNConfig()).pooled_dim == 1152  # 72 · 2⁴, as published


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": 0}, "stages and k must be at least 1"),
        ({"width": 70}, "width must be a multiple of 6"),
        ({"alpha": 1.0}, "alpha must be above 1"),
    ],
)
def test_settings__that_cannot_work(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointNNConfig(**settings)  # type: ignore[arg-type]
