"""Changes of rendered views: which level has which, what each does, and what it leaves alone."""

import pytest
import torch
from torch import Tensor

from pointssl.data.views.augment import ATOMS, CHANNELS, Kind, augment_views, level_atoms, standardise
from pointssl.ops.batch_rng import Draws

KINDS: tuple[Kind, ...] = ("color", "shaded", "depth", "normal")


def changed(views: Tensor, level: int, kind: Kind, seed: int = 0) -> Tensor:
    """Return the views after all changes of one level."""
    on, strength = level_atoms(torch.full(views.shape[:2], level), kind)
    return augment_views(views, on, strength, kind, Draws(torch.Generator().manual_seed(seed), len(views)))


def only(views: Tensor, atom: str, kind: Kind, strength: float = 1.0, seed: int = 0) -> Tensor:
    """Return the views after one change alone."""
    every = torch.ones(views.shape[:2])
    draws = Draws(torch.Generator().manual_seed(seed), len(views))
    return augment_views(views, {atom: every.bool()}, every * strength, kind, draws)


def pictures(kind: Kind, clouds: int = 40, size: int = 16) -> Tensor:
    """Return random smooth images."""
    coarse = torch.rand(clouds * 2, CHANNELS[kind], 4, 4, generator=torch.Generator().manual_seed(5))
    smooth: Tensor = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").unflatten(0, (clouds, 2))
    return smooth


@pytest.mark.parametrize("kind", KINDS)
def test_levels__are_nested(kind: Kind) -> None:
    level = torch.arange(1, 8)[None]
    on, strength = level_atoms(level, kind)
    counts = torch.stack(list(on.values())).sum(dim=0)[0]
    assert counts.tolist() == [min(step, len(ATOMS[kind])) for step in range(7)]
    for before, after in zip(list(on.values())[:-1], list(on.values())[1:], strict=True):
        assert (after <= before).all()
    past = len(ATOMS[kind]) + 1
    assert strength[0, :past].tolist() == [1.0] * min(7, past)
    if past < 7:
        assert strength[0, past:].tolist() == pytest.approx([(step - 1) / (past - 1) for step in range(past + 1, 8)])


@pytest.mark.parametrize("kind", KINDS)
def test_level_1__leaves_images_alone(kind: Kind) -> None:
    assert torch.equal(changed(pictures(kind), 1, kind), pictures(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [2, 4, 8])
def test_levels__stay_in_range_and_repeat(kind: Kind, level: int) -> None:
    out = changed(pictures(kind), level, kind)
    assert out.shape == pictures(kind).shape
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(out, changed(pictures(kind), level, kind))
    assert not torch.equal(out, changed(pictures(kind), level, kind, seed=1))


@pytest.mark.parametrize("kind", KINDS)
def test_levels__change_more_the_higher(kind: Kind) -> None:
    moved = [float((changed(pictures(kind), level, kind) - pictures(kind)).abs().mean()) for level in (1, 2, 3)]
    assert moved[0] == 0.0 < moved[1] < moved[2]


@pytest.mark.parametrize("kind", ["shaded", "color"])
def test_flip__mirrors_about_half(kind: Kind) -> None:
    views = pictures(kind, clouds=100)
    out = only(views, "flip", kind)
    mirrored = torch.isclose(out, views.flip(-1), atol=1e-5).flatten(2).all(dim=2)
    same = torch.isclose(out, views, atol=1e-5).flatten(2).all(dim=2)
    assert (mirrored ^ same).all()
    assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.12)  # 200 draws: 3.4 deviations


def test_flip__turns_normals_with_the_surface() -> None:
    # A normal (0.6, 0, 0.8) everywhere, stored as (n + 1) / 2: mirrored, its x is -0.6.
    views = torch.tensor([0.8, 0.5, 0.9])[None, None, :, None, None].expand(20, 1, 3, 8, 8).contiguous()
    x = only(views, "flip", "normal")[:, 0, 0, 0, 0]
    assert sorted({round(float(value), 5) for value in x}) == [0.2, 0.8]
    torch.testing.assert_close(only(views, "flip", "normal")[:, :, 1:], views[:, :, 1:])


def test_crop__shows_a_window_that_is_no_smaller_than_allowed() -> None:
    # A ramp from left to right: its slope after the crop is the width of the window.
    ramp = ((torch.arange(64) + 0.5) / 64).expand(200, 1, 1, 64, 64)
    out = only(ramp.contiguous(), "crop", "depth")
    width = (out[..., 32, 40] - out[..., 32, 24]).flatten() * 4
    assert float(width.max()) <= 1 + 1e-5
    assert float(width.min()) >= (0.6 * 0.75) ** 0.5 - 1e-4
    assert float(width.min()) < 0.8


def test_jitter__keeps_the_luminance_of_hue_and_grey_ones_grey() -> None:
    out = only(pictures("shaded"), "jitter", "shaded")
    assert out.shape[2] == 1
    share = (out != pictures("shaded")).flatten(2).any(dim=2).float().mean()
    assert float(share) == pytest.approx(0.8, abs=0.15)
    grey = torch.full((50, 1, 3, 4, 4), 0.5)
    coloured = only(grey, "jitter", "color")
    torch.testing.assert_close(coloured[:, :, 0], coloured[:, :, 1], atol=2e-3, rtol=0)  # YIQ to three digits


def test_grey__takes_colours_out_of_a_fifth() -> None:
    views = pictures("color", clouds=200)
    out = only(views, "grey", "color")
    grey = (out - out[:, :, :1]).abs().amax(dim=(2, 3, 4)) < 1e-6
    assert float(grey.float().mean()) == pytest.approx(0.2, abs=0.07)
    assert torch.equal(out[~grey], views[~grey])


def test_blur__keeps_the_mean_of_flat_images_and_smooths_others() -> None:
    flat = torch.full((10, 2, 1, 32, 32), 0.3)
    torch.testing.assert_close(only(flat, "blur", "shaded"), flat)
    noise = torch.rand(30, 2, 1, 32, 32)
    out = only(noise, "blur", "shaded", strength=8.0)
    touched = (out != noise).flatten(2).any(dim=2)
    assert 0.2 < float(touched.float().mean()) < 0.8
    assert out[touched].std() < noise[touched].std()


def test_draws__do_not_depend_on_the_split_of_the_batch() -> None:
    views = pictures("color", clouds=6)
    on, strength = level_atoms(torch.full((6, 2), 6), "color")
    whole = augment_views(views, on, strength, "color", Draws(torch.Generator().manual_seed(1), 6))
    half = {atom: mask[4:] for atom, mask in on.items()}
    part = Draws(torch.Generator().manual_seed(1), 2, first=4, total=6)
    torch.testing.assert_close(augment_views(views[4:], half, strength[4:], "color", part), whole[4:])


def test_standardise__is_imagenets() -> None:
    mean = torch.tensor([0.485, 0.456, 0.406])[None, None, :, None, None].expand(1, 1, 3, 2, 2)
    assert standardise(mean).abs().max() < 1e-6
    assert standardise(torch.full((1, 1, 1, 2, 2), 0.449)).abs().max() < 1e-6
