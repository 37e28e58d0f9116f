"""The point head against the textbook form, which copies the cloud's vector to every point and concatenates."""

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones.heads import PointHead
from pointssl.types import Features


class BroadcastHead(nn.Module):
    """The same head with 1 x 1 convolutions on [point, cloud], built from the weights of a `PointHead`."""

    def __init__(self, head: PointHead, slope: float) -> None:
        super().__init__()
        joined = torch.cat([head.first.linear.weight, head.context.weight], dim=1)
        layers: list[nn.Module] = []
        for weight in [joined, *(p for name, p in head.layers.named_parameters() if name.endswith("linear.weight"))]:
            convolution = nn.Conv1d(weight.shape[1], weight.shape[0], 1, bias=False)
            convolution.weight.data = weight.detach().clone()[..., None]
            layers += [convolution, nn.BatchNorm1d(weight.shape[0]), nn.LeakyReLU(slope)]
        scores = nn.Conv1d(head.scores.weight.shape[1], head.scores.weight.shape[0], 1)
        scores.weight.data = head.scores.weight.detach().clone()[..., None]
        scores.bias.data = head.scores.bias.detach().clone()  # type: ignore[union-attr]
        self.layers = nn.Sequential(*layers, scores)

    def forward(self, points: Tensor, pooled: Tensor) -> Tensor:
        """Score every point."""
        context = pooled[:, None].expand(-1, points.shape[1], -1)
        scores: Tensor = self.layers(torch.cat([points, context], dim=-1).mT)
        return scores.mT


@pytest.mark.parametrize("widths", [(6,), (8, 7, 6)])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_point_head__equals_the_broadcast_form(widths: tuple[int, ...], slope: float) -> None:
    head = PointHead(5, 9, 4, widths, slope).double()
    textbook = BroadcastHead(head, slope).double()
    points = torch.randn(3, 11, 5, dtype=torch.float64, requires_grad=True)
    pooled = torch.randn(3, 9, dtype=torch.float64, requires_grad=True)
    ours, theirs = head(Features(points=points, pooled=pooled)), textbook(points, pooled)
    torch.testing.assert_close(ours, theirs)

    weight = torch.randn_like(ours)  # any direction in the space of scores
    first = head.first.linear.weight
    inputs = (points, pooled, first, head.context.weight, head.scores.weight)
    mine = torch.autograd.grad((ours * weight).sum(), inputs)
    parameters = dict(textbook.layers.named_parameters())
    joined, last = parameters["0.weight"], parameters[f"{len(textbook.layers) - 1}.weight"]
    textbook_inputs = (points, pooled, joined, last)
    points_grad, pooled_grad, joined_grad, last_grad = torch.autograd.grad((theirs * weight).sum(), textbook_inputs)
    torch.testing.assert_close(mine[0], points_grad)
    torch.testing.assert_close(mine[1], pooled_grad)
    torch.testing.assert_close(torch.cat([mine[2], mine[3]], dim=1), joined_grad[..., 0])
    torch.testing.assert_close(mine[4], last_grad[..., 0])

    head.eval()
    textbook.eval()  # the running statistics of the training pass are the same too
    torch.testing.assert_close(head(Features(points=points, pooled=pooled)), textbook(points, pooled))


def test_point_head__starts_away_from_the_uniform_assignment() -> None:
    # Equal logits are a stationary point of the mixture loss, so the last layer must neither be zero nor normalised.
    features = Features(points=torch.randn(2, 64, 5), pooled=torch.randn(2, 9))
    assert PointHead(5, 9, 4)(features).std(dim=-1).mean() > 0.01
