"""Linear probes by the names of the papers whose code has them: points, machine, C and scaling as set there.

Source: the evaluation scripts of the public repositories, consulted, not copied; what each does with epochs and with
test clouds is said in `Preset.choice`. Ours differs in one thing throughout: the encoder is the run's last, and points
are drawn by the seed where some take the first that are stored. Published figures stand in a column of their own in
docs/evaluation.md: they are of other weights, other data and often of the best epoch, and are ranked with nothing.
"""

from dataclasses import dataclass, replace

from pointssl.evaluation import probe
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.frozen import smallest_cloud
from pointssl.evaluation.probe import SVMConfig
from pointssl.evaluation.record import Repeat, Results, Skipped, repeat, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One paper's linear probe."""

    name: str
    paper: str
    points: int
    feature: str
    """What their encoder's pooled feature is; ours is that of the run's settings."""
    svm: SVMConfig
    scanobjectnn: float | None = None
    """C on ScanObjectNN, where it is another one."""
    choice: str
    """Which epoch is reported, and what was chosen by looking at test clouds."""
    published: str
    """Their figures: ModelNet40 / ScanObjectNN with background, percent."""

    def on(self, data: str) -> SVMConfig:
        """Return the machine for a data set of this name."""
        scans = self.scanobjectnn is not None and "scanobjectnn" in data.lower()
        return replace(self.svm, c=self.scanobjectnn) if scans else self.svm


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="crosspoint",
            paper="Afham et al., CVPR 2022",
            points=1024,
            feature="DGCNN, max ++ mean, 2,048",
            svm=SVMConfig(c=0.01),
            choice="keeps the epoch that is best on the test clouds",
            published="91.2 / 81.7",
        ),
        Preset(
            name="mm-point",
            paper="Yu, Song, AAAI 2024",
            points=1024,
            feature="DGCNN, max ++ mean, 2,048",
            svm=SVMConfig(c=0.01),
            scanobjectnn=0.009,
            choice="keeps the epoch that is best on the test clouds; C by data set",
            published="92.4 / 87.8",
        ),
        Preset(
            name="strl",
            paper="Huang et al., ICCV 2021",
            points=2048,
            feature="DGCNN with k 40, max ++ mean, 2,048",
            svm=SVMConfig(c=1.0),
            choice="keeps the epoch that is best on the test clouds",
            published="90.9 / 77.9",
        ),
        Preset(
            name="occo",
            paper="Wang et al., ICCV 2021",
            points=1024,
            feature="PointNet, PCN or DGCNN, max, 1,024",
            svm=SVMConfig(c=1.0),
            choice="a saved checkpoint; beside it an RBF machine with a grid search",
            published="89.2 / 78.3 (DGCNN)",
        ),
        Preset(
            name="i2p-mae",
            paper="Zhang et al., CVPR 2023",
            points=1024,
            feature="hierarchical transformer, max of the last tokens",
            svm=SVMConfig(c=0.0093),
            scanobjectnn=0.018,
            choice="a published checkpoint; C of two digits and by data set, with no validation clouds in the code",
            published="93.4 / 87.1",
        ),
        Preset(
            name="recon",
            paper="Qi et al., ICML 2023",
            points=1024,
            feature="transformer; points by farthest point sampling",
            svm=SVMConfig(c=0.075, strategy="one-vs-rest"),
            choice="a published checkpoint; C of two digits, with no validation clouds in the code",
            published="92.5 / 89.5 (a linear layer, as measured by AsymDSD)",
        ),
        Preset(
            name="point-jepa",
            paper="Saito et al., WACV 2025",
            points=1024,
            feature="transformer, max ++ mean of tokens, 768",
            svm=SVMConfig(c=0.012),
            choice="a saved checkpoint under 10 seeds; C is that of Point-M2AE's code",
            published="93.7 ± 0.2 / not given",
        ),
    )
}
"""All presets by name."""


def measure(name: str, context: EvaluationContext) -> Results:
    """Score both arms by a preset's rule, on features as they come and on standardised ones."""
    preset = PRESETS[name]
    fewest = smallest_cloud(context)
    if fewest < preset.points:
        reason = f"it reads {preset.points:,} points, and the smallest cloud has {fewest:,}"
        return [Skipped(protocol=name, reason=reason)]
    labels, truth = context.splits.train_labels, context.splits.test_labels
    config = preset.on(context.splits.name)
    results: Results = []
    for row, machine in (("raw", config), ("standardised", replace(config, standardise=True))):
        for arm in context.arms:
            repeats: list[Repeat] = []
            for seed in context.seeds:
                train, test = (context.features(arm, seed, part, preset.points) for part in ("train", "test"))
                fitted = probe.fit_predict(train, labels, test, machine)
                repeats.append(repeat(seed, fitted.predictions, truth, c=fitted.c))
            rule = f"{machine.rule}, {preset.points:,} points, as {preset.paper} (theirs: {preset.choice})"
            results.append(score(f"{name} {row}", arm, rule, "seeds", len(labels), len(truth), repeats))
    return results
