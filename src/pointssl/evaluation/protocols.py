"""The one list of protocols: help, documentation, titles of pages, defaults and benchmarks take theirs from it.

Each measures both arms, pre-trained and untrained, on the same clouds with the same seeds. One of your own is a
`Protocol` like these, handed to `evaluate(run, data, protocols=(..., yours))`; `on_features` makes its `run` from a
function of features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

from pointssl.errors import SettingError, nearest
from pointssl.evaluation import fine_tuning, frozen, parts, published, robustness
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.frozen import on_features
from pointssl.evaluation.probe import PROBES
from pointssl.evaluation.record import Results

__all__ = ["DEFAULT", "PROTOCOLS", "Protocol", "chosen", "on_features", "title"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One way to measure the two arms."""

    name: str
    """In commands and records; where a protocol has several rows, they are called `<name> <what is special>`."""
    title: str
    """For readers; `{}` stands for what is special to a row."""
    rule: str
    """What is done, with every constant, and whose rule it is."""
    reads: str
    """What is learned from, what is scored on, and how many points of each cloud."""
    repeated: str
    """What the mean is over."""
    run: Callable[[EvaluationContext], Results]
    default: bool = False
    """Measured when nothing is asked for."""
    settled: bool = False
    """Decided by the evaluation's conditions alone, so that an old score of the same conditions can be used again."""

    classes: bool = True
    """Needs the class of every cloud; what tells points apart needs their parts alone."""

    def __post_init__(self) -> None:
        if not self.name or " " in self.name:
            raise ValueError(f"name must be one word, got {self.name!r}; what is special to a row comes after it")


_SPLITS = "features of the training split; scored on the test split; the evaluation's points, drawn by the seed"
_RUNS = "the training split; scored on the test split; the evaluation's points, drawn afresh every epoch"

_LIST = (
    Protocol(
        name="svm-cv",
        title="Linear SVM, C by cross-validation",
        rule=f"the headline: {PROBES['svm-cv'].rule}; a tie to the smaller C",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.svm, "svm-cv"),
        default=True,
        settled=True,
    ),
    Protocol(
        name="svm-fixed",
        title="Linear SVM, fixed C",
        rule=f"{PROBES['svm-fixed'].rule}: the rule by which CrossPoint (Afham et al., CVPR 2022) and MM-Point (Yu, "
        "Song, AAAI 2024) score ModelNet40, which read the first 1,024 stored points where ours are drawn",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.svm, "svm-fixed"),
        default=True,
        settled=True,
    ),
    Protocol(
        name="svm-cv-standardised",
        title="Linear SVM, standardised features",
        rule=f"{PROBES['svm-cv-standardised'].rule}: each feature with mean 0 and deviation 1 on the clouds that are "
        "learned from",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.svm, "svm-cv-standardised"),
        default=True,
        settled=True,
    ),
    Protocol(
        name="svm-cv-wide",
        title="Linear SVM, C by cross-validation over a wide grid",
        rule=f"{PROBES['svm-cv-wide'].rule}: for untrained networks, whose features can be small",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.svm, "svm-cv-wide"),
        settled=True,
    ),
    Protocol(
        name="linear-svc",
        title="Linear SVM, one-vs-rest",
        rule=f"{PROBES['linear-svc'].rule}, squared hinge: the rule of the public evaluations of FoldingNet and IAE",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.svm, "linear-svc"),
        settled=True,
    ),
    Protocol(
        name="knn-20",
        title="20 nearest neighbours",
        rule="cosine similarity; 20 training clouds vote with exp(similarity / 0.07) (Wu et al., CVPR 2018)",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.neighbours, "knn-20", 20),
        default=True,
        settled=True,
    ),
    Protocol(
        name="knn-1",
        title="Nearest neighbour",
        rule="cosine similarity; the class of the nearest training cloud",
        reads=_SPLITS,
        repeated="seeds",
        run=partial(frozen.neighbours, "knn-1", 1),
        default=True,
        settled=True,
    ),
    *(
        Protocol(
            name=preset.name,
            title=f"Linear SVM as in {preset.paper}, {{}}",
            rule=f"{preset.svm.rule.removesuffix(', raw')}"
            + (f" ({preset.scanobjectnn:g} on ScanObjectNN)" if preset.scanobjectnn else "")
            + f": {preset.paper}; raw as theirs, and standardised beside it",
            reads=f"features of the training split; scored on the test split; {preset.points:,} points, by the seed",
            repeated="seeds",
            run=partial(published.measure, preset.name),
            settled=True,
        )
        for preset in published.PRESETS.values()
    ),
    Protocol(
        name="robustness",
        title="Linear SVM, damaged test clouds: {}",
        rule="`svm-cv`, learned from clean clouds; noise, dropout, occlusion, rotation, density, outliers and scale at "
        "five strengths, the same damage for both arms",
        reads="features of the training split; scored on damaged copies of the test split, centred and scaled again",
        repeated="seeds",
        run=robustness.robustness,
    ),
    Protocol(
        name="fractions-svm",
        title="Linear SVM on {} of the labels",
        rule="`svm-cv` with 1, 5, 10, 20, 50 and 100 % of the labels, by class, at least one cloud each",
        reads="features of that part of the training split; else as `svm-cv`",
        repeated="5 subsets (1 at 100 %)",
        run=partial(frozen.fractions_svm, "fractions-svm", "svm-cv"),
    ),
    Protocol(
        name="fractions-svm-standardised",
        title="Linear SVM, standardised features, on {} of the labels",
        rule="`svm-cv-standardised` on the subsets of `fractions-svm`",
        reads="features of that part of the training split; else as `svm-cv-standardised`",
        repeated="5 subsets (1 at 100 %)",
        run=partial(frozen.fractions_svm, "fractions-svm-standardised", "svm-cv-standardised"),
    ),
    Protocol(
        name="fractions-finetune",
        title="Fine-tuned on {} of the labels",
        rule="`finetune` on the subsets of `fractions-svm`",
        reads="that part of the training split; else as `finetune`",
        repeated="5 subsets (1 at 100 %)",
        run=fine_tuning.fractions_finetune,
    ),
    Protocol(
        name="few-shot-a",
        title="Few-shot, frozen, {}",
        rule="frozen features, standardised on the support, linear SVC with C = 1 (CrossPoint, CVPR 2022)",
        reads="support and queries, disjoint, both from the training split; all stored points, at most 2,048",
        repeated="10 episodes",
        run=frozen.few_shot_a,
    ),
    Protocol(
        name="few-shot-b",
        title="Few-shot, fine-tuned, {}",
        rule="the whole network is fine-tuned, recipe `finetune-few-shot` (Point-BERT, CVPR 2022)",
        reads="support from the training split, queries from the test split; the evaluation's points",
        repeated="10 episodes",
        run=fine_tuning.few_shot_b,
    ),
    Protocol(
        name="finetune",
        title="Fine-tuned",
        rule="the whole network and a fresh classifier, recipe `finetune` or another one: the number of "
        "`pointssl train finetune --init-from RUN`",
        reads=_RUNS,
        repeated="seeds",
        run=fine_tuning.finetune,
    ),
    Protocol(
        name="part-segmentation",
        title="Mean IoU of parts, {} of the labels",
        rule=f"{parts.RULE}; 1, 10 and 100 % of the labels of every cloud; mean over shapes of the mean over the parts "
        "of their class, where one that is absent and not predicted counts 1 (Qi et al., CVPR 2017)",
        reads="point features of the training split; scored on those of the test split; the evaluation's points, drawn "
        "by the seed",
        repeated="seeds",
        run=parts.probe,
        classes=False,
    ),
    Protocol(
        name="part-segmentation-finetune",
        title="Mean IoU of parts, fine-tuned",
        rule="the whole network and a fresh head that is told the class of the cloud, recipe `segment-pointnet` or, "
        "with `--finetune`, another one that segments: the number of `pointssl train segment-pointnet --init-from RUN`",
        reads="the training split; scored on every stored point of the test split",
        repeated="seeds",
        run=parts.finetune,
        classes=False,
    ),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _LIST}
"""All protocols by name, the headline first."""

DEFAULT = tuple(protocol.name for protocol in _LIST if protocol.default)
"""What is measured when nothing is asked for: protocols on frozen features, which take seconds to minutes."""


def chosen(protocols: Sequence[str | Protocol]) -> tuple[Protocol, ...]:
    """Return protocols, by name or given, once each; raises `SettingError` with the nearest name for an unknown one."""
    found: dict[str, Protocol] = {}
    for one in protocols:
        if isinstance(one, str) and one not in PROTOCOLS:
            raise SettingError(f"there is no protocol '{one}'{nearest(one, PROTOCOLS)}")
        protocol = PROTOCOLS[one] if isinstance(one, str) else one
        if found.setdefault(protocol.name, protocol) is not protocol or (
            protocol.name in PROTOCOLS and protocol is not PROTOCOLS[protocol.name]
        ):
            raise SettingError(f"two protocols are called '{protocol.name}'; give yours another name")
    if not found:
        raise SettingError(f"name at least one protocol{nearest('', PROTOCOLS)}")
    return tuple(found.values())


def title(row: str) -> str:
    """Return the title of a row of scores; one of an unknown protocol goes by its own name."""
    kind, _, special = row.partition(" ")
    return PROTOCOLS[kind].title.format(special.replace("%", " %")) if kind in PROTOCOLS else row
