"""Decoders against the textbook form, in which the code is copied to every point before the first layer."""

import torch

from pointssl.backbones.decoders import FlatDecoder, Fold, FoldingDecoder, PCNDecoder, plane


def test_fold__is_the_form_with_copies() -> None:
    torch.manual_seed(0)
    fold, code, points = Fold(5, 3, 7), torch.randn(2, 5), torch.randn(2, 11, 3)
    joined = torch.cat([code[:, None].expand(-1, 11, -1), points], dim=-1)
    weight = torch.cat([fold.context.weight, fold.point.weight], dim=1)
    wanted = fold.rest(torch.nn.functional.linear(joined, weight, fold.context.bias))
    torch.testing.assert_close(fold(code, points), wanted)


def test_sizes__are_the_papers() -> None:
    code = torch.randn(2, 6)
    assert FlatDecoder(6, 2048)(code).shape == (2, 2048, 3)
    assert FoldingDecoder(6)(code).shape == (2, 2025, 3)
    coarse, fine = PCNDecoder(6)(code)
    assert (coarse.shape, fine.shape) == ((2, 1024, 3), (2, 16384, 3))


def test_pcn__fine_points_lie_around_their_coarse_one() -> None:
    torch.manual_seed(0)
    decoder = PCNDecoder(6, coarse=4, side=3)
    last = decoder.fold.rest[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    coarse, fine = decoder(torch.randn(2, 6))
    assert torch.equal(fine.view(2, 4, 9, 3), coarse[:, :, None].expand(-1, -1, 9, -1))


def test_plane__has_its_corners() -> None:
    assert plane(2, 0.3).tolist() == torch.tensor([[-0.3, -0.3], [-0.3, 0.3], [0.3, -0.3], [0.3, 0.3]]).tolist()
    assert plane(1, 0.3).tolist() == [[0, 0]]
