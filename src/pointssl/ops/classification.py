"""How wrong are the logits of a classifier, when the target leaves a little to the other classes?

Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, in the form that
point networks use: what is taken from the class is shared among the other classes alone.
"""

from jaxtyping import Float, Int
from torch import Tensor


def smoothed_cross_entropy(
    logits: Float[Tensor, "b k"], label: Int[Tensor, "b"], smoothing: float
) -> Float[Tensor, ""]:
    """Return the cross-entropy to 1 - smoothing on the class and smoothing / (k - 1) on each other class, in nats."""
    log_p = logits.float().log_softmax(dim=1)
    own = log_p.gather(1, label[:, None])[:, 0]
    others = (log_p.sum(dim=1) - own) / (logits.shape[1] - 1)
    return -((1 - smoothing) * own + smoothing * others).mean()
