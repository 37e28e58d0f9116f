"""Random changes of rendered views, all images of a batch at once, and which of them each level of strength has.

Source: H.-T. Yu, M. Song, "MM-Point: Multi-View Information-Enhanced Multi-Modal Self-Supervised 3D Point Cloud
Understanding", AAAI 2024: each view's changes extend those of the view before it. The paper's list is not public; this
one and its order are ours: crop, flip, colour, grey, blur. Depth and normals are measurements, not appearance: they get
only the crop and the flip, which turns normals too.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pointssl.ops.batch_rng import Draws

Kind = Literal["color", "shaded", "depth", "normal"]
"""What an image shows: colours (3 channels), grey shading (1), depth (1), or normals in the camera's frame (3)."""
ATOMS: dict[Kind, tuple[str, ...]] = {
    "color": ("crop", "flip", "jitter", "grey", "blur"),
    "shaded": ("crop", "flip", "jitter", "blur"),
    "depth": ("crop", "flip"),
    "normal": ("crop", "flip"),
}
"""The changes that leave an image of each kind meaningful, in the order in which the levels add them."""
CHANNELS: dict[Kind, int] = {"color": 3, "shaded": 1, "depth": 1, "normal": 3}
CROPPED, FLIP, JITTER, GREY, BLUR = 0.4, 0.5, 0.8, 0.2, 0.5
"""Largest share of the area cut away; how often the other changes happen where a level has them."""
COLOUR, HUE, SIGMA = 0.4, 0.1, (0.1 / 224, 2.0 / 224)
"""Range of brightness, contrast and saturation; of the hue, in turns; of the blur, in image widths."""


def level_atoms(level: Int[Tensor, "b v"], kind: Kind) -> tuple[dict[str, Bool[Tensor, "b v"]], Float[Tensor, "b v"]]:
    """Return which changes an image of each level may get, and a factor on their magnitude.

    Level 1 has none, every further one adds the next of `ATOMS[kind]`. Levels past the list have all of them, with
    magnitudes that grow in proportion.
    """
    atoms = ATOMS[kind]
    on = {atom: level > place for place, atom in enumerate(atoms, start=1)}
    return on, ((level - 1) / len(atoms)).clamp_min(1.0)


def augment_views(
    views: Float[Tensor, "b v c h w"],
    on: Mapping[str, Bool[Tensor, "b v"]],
    strength: Float[Tensor, "b v"],
    kind: Kind,
    draws: Draws,
) -> Float[Tensor, "b v c h w"]:
    """Return changed copies of images in [0, 1]; an image without any change comes back as it is."""
    v = views.shape[1]
    image, factor = views.flatten(0, 1), strength.flatten()
    chosen = {atom: mask.flatten() for atom, mask in on.items()}
    nothing = torch.zeros_like(factor, dtype=torch.bool)
    flipped = chosen.get("flip", nothing) & (draws.uniform(v).flatten() < FLIP)
    image = _crop_and_flip(image, chosen.get("crop", nothing), flipped, factor, draws, v)
    if kind == "normal":  # a mirrored surface has mirrored normals: x is stored as (x + 1) / 2
        image = torch.where(flipped[:, None, None, None] & _is_x(image), 1 - image, image)
    if "jitter" in chosen:
        image = _jitter(image, chosen["jitter"] & (draws.uniform(v).flatten() < JITTER), factor, draws, v)
    if "grey" in chosen:
        grey = chosen["grey"] & (draws.uniform(v).flatten() < (GREY * factor).clamp_max(1.0))
        image = torch.where(grey[:, None, None, None], _luminance(image), image)
    if "blur" in chosen:
        blurred = chosen["blur"] & (draws.uniform(v).flatten() < BLUR)
        image = _blur(image, blurred, factor, draws.uniform(v).flatten())
    changed: Tensor = image.unflatten(0, views.shape[:2])
    return changed


def standardise(views: Float[Tensor, "b v c h w"]) -> Float[Tensor, "b v c h w"]:
    """Return images in [0, 1] with the mean and deviation of ImageNet taken out; grey ones with those of its grey."""
    if views.shape[2] == 1:
        return (views - 0.449) / 0.226
    mean = torch.tensor((0.485, 0.456, 0.406), device=views.device, dtype=views.dtype)[:, None, None]
    deviation = torch.tensor((0.229, 0.224, 0.225), device=views.device, dtype=views.dtype)[:, None, None]
    return (views - mean) / deviation


def _crop_and_flip(
    image: Float[Tensor, "m c h w"],
    cropped: Bool[Tensor, "m"],
    flipped: Bool[Tensor, "m"],
    factor: Float[Tensor, "m"],
    draws: Draws,
    v: int,
) -> Float[Tensor, "m c h w"]:
    """Resample images from a window of 0.6 to 1 times their area and a side ratio of 3/4 to 4/3, mirrored or not."""
    size, ratio, x, y = (draws.uniform(v).flatten() for _ in range(4))
    touched = cropped | flipped
    if not touched.any():
        return image
    smallest = (1 - CROPPED * factor).clamp_min(0.08)
    area = smallest + size * (1 - smallest)
    aspect = torch.exp((2 * ratio - 1) * math.log(4 / 3))
    one = torch.ones_like(area)
    width = torch.where(cropped, (area * aspect).sqrt().clamp_max(1.0), one)
    height = torch.where(cropped, (area / aspect).sqrt().clamp_max(1.0), one)
    theta = torch.zeros(len(image), 2, 3, device=image.device, dtype=image.dtype)
    theta[:, 0, 0] = torch.where(flipped, -width, width)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = (2 * x - 1) * (1 - width)
    theta[:, 1, 2] = (2 * y - 1) * (1 - height)
    grid = nn.functional.affine_grid(theta[touched], list(image[touched].shape), align_corners=False)
    changed = image.clone()
    changed[touched] = nn.functional.grid_sample(image[touched], grid, padding_mode="border", align_corners=False)
    return changed


def _jitter(
    image: Float[Tensor, "m c h w"], chosen: Bool[Tensor, "m"], factor: Float[Tensor, "m"], draws: Draws, v: int
) -> Float[Tensor, "m c h w"]:
    """Change brightness and contrast, and of colours the saturation and the hue."""
    brightness, contrast, saturation, hue = ((2 * draws.uniform(v).flatten() - 1) * factor for _ in range(4))
    if not chosen.any():
        return image
    shape = (-1, 1, 1, 1)
    bright = image * (1 + COLOUR * brightness).clamp_min(0.0).view(shape)
    middle = _luminance(bright).mean(dim=(1, 2, 3), keepdim=True)
    changed = middle + (bright - middle) * (1 + COLOUR * contrast).clamp_min(0.0).view(shape)
    if image.shape[1] == 3:
        changed = _turn_colours(changed, (1 + COLOUR * saturation).clamp_min(0.0), HUE * hue)
    return torch.where(chosen.view(shape), changed.clamp(0, 1), image)


def _turn_colours(
    image: Float[Tensor, "m 3 h w"], saturation: Float[Tensor, "m"], hue: Float[Tensor, "m"]
) -> Float[Tensor, "m 3 h w"]:
    """Scale and rotate the two colour axes of the YIQ space; the luminance stays."""
    rgb = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]
    to_yiq = torch.tensor(rgb, device=image.device, dtype=image.dtype)
    turn = torch.zeros(len(image), 3, 3, device=image.device, dtype=image.dtype)
    turn[:, 0, 0] = 1
    cos, sin = saturation * torch.cos(2 * math.pi * hue), saturation * torch.sin(2 * math.pi * hue)
    turn[:, 1, 1] = turn[:, 2, 2] = cos
    turn[:, 1, 2], turn[:, 2, 1] = -sin, sin
    whole = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.einsum("mij,mjhw->mihw", whole, image)


def _blur(
    image: Float[Tensor, "m c h w"], chosen: Bool[Tensor, "m"], factor: Float[Tensor, "m"], at: Float[Tensor, "m"]
) -> Float[Tensor, "m c h w"]:
    """Blur by a Gaussian, rows then columns, each image with its own width."""
    if not chosen.any():
        return image
    sigma = (SIGMA[0] + at * (SIGMA[1] - SIGMA[0])) * factor * image.shape[-1]
    reach = max(1, math.ceil(3 * SIGMA[1] * image.shape[-1]))
    offset = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    kernel = torch.softmax(-offset.square() / (2 * sigma[chosen, None].square().clamp_min(1e-6)), dim=1)  # (m, k)
    part, channels = image[chosen], image.shape[1]
    flat = part.flatten(0, 1)[None]  # every channel of every image is a group of its own
    weight = kernel.repeat_interleave(channels, dim=0)[:, None]  # (m c, 1, k)
    flat = nn.functional.pad(flat, (reach, reach, reach, reach), mode="replicate")
    flat = nn.functional.conv2d(flat, weight[:, :, None], groups=flat.shape[1])
    flat = nn.functional.conv2d(flat, weight[..., None], groups=flat.shape[1])
    changed = image.clone()
    changed[chosen] = flat[0].unflatten(0, part.shape[:2])
    return changed


def _luminance(image: Float[Tensor, "m c h w"]) -> Float[Tensor, "m 1 h w"]:
    if image.shape[1] == 1:
        return image
    weight = torch.tensor((0.299, 0.587, 0.114), device=image.device, dtype=image.dtype)
    return (image * weight[:, None, None]).sum(dim=1, keepdim=True)


def _is_x(image: Float[Tensor, "m c h w"]) -> Bool[Tensor, "c 1 1"]:
    return (torch.arange(image.shape[1], device=image.device) == 0)[:, None, None]
