"""Cross-entropy with a smoothed target, against torch and a target written out by hand."""

import torch

from pointssl.ops.classification import smoothed_cross_entropy


def test_smoothed_cross_entropy__agrees_with_torch_without_smoothing() -> None:
    logits, label = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(
        smoothed_cross_entropy(logits, label, 0.0), torch.nn.functional.cross_entropy(logits, label)
    )


def test_smoothed_cross_entropy__target_by_hand() -> None:
    logits, label = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    target = torch.full((5, 4), 0.2 / 3)
    target[torch.arange(5), label] = 0.8
    torch.testing.assert_close(
        smoothed_cross_entropy(logits, label, 0.2), torch.nn.functional.cross_entropy(logits, target)
    )
