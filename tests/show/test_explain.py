"""What is shown of a shape is what the method computes."""

from functools import partial

import numpy as np
import torch

from pointssl.methods.base import explained_by
from pointssl.ops import mixture as gaussians
from pointssl.show.run.explain import explain
from pointssl.show.scene import INSIDE
from tests.show.shapes import tiny_cloud, tiny_method


def test_explain__agrees_with_the_method() -> None:
    method, cloud = tiny_method(), tiny_cloud()
    view = explain(method.explain, cloud, "box", resolution=24)
    with torch.no_grad():
        xyz = torch.from_numpy(cloud)[None]
        logits, fitted = method.partition_logits(xyz), method.fit(xyz)
        assert view.mixture is not None
        np.testing.assert_array_equal(view.mixture.part, logits[0].argmax(dim=1).numpy())
        np.testing.assert_allclose(view.mixture.cov, fitted.cov[0].numpy(), atol=1e-5)
        # The features that are shown are the ones that the last layer turns into the logits.
        np.testing.assert_allclose(method.head.scores(torch.from_numpy(view.features)), logits[0], atol=1e-4)
        inside = (gaussians.log_density(xyz, fitted)[0].numpy() >= view.mixture.level - 1e-4).mean()
    assert abs(inside - INSIDE) <= 1 / len(cloud) + 1e-6


def test_explain__any_backbone_has_point_features_alone() -> None:
    method, cloud = tiny_method(), tiny_cloud()
    view = explain(partial(explained_by, method.backbone), cloud, "box")
    assert view.mixture is None
    with torch.no_grad():
        expected = method.backbone(torch.from_numpy(cloud)[None]).points[0].numpy()
    np.testing.assert_array_equal(view.features, expected)


def test_drawn__leaves_out_components_without_points() -> None:
    view = explain(tiny_method().explain, tiny_cloud(), "box", resolution=24).mixture
    assert view is not None
    np.testing.assert_array_equal(view.drawn(), np.flatnonzero(view.weight >= 1e-3))
    np.testing.assert_array_equal(view.drawn(least=2.0), [])
