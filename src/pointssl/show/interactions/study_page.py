"""The page of a study: what was asked, the verdict that its intervals give, and every figure behind it."""

from html import escape
from pathlib import Path

from pointssl import files
from pointssl.show.interactions import study_figures as drawn
from pointssl.show.page import page
from pointssl.show.page.page import Panel
from pointssl.study.result import Study

TITLES = {
    "pretraining": "What pre-training changes",
    "scaling": "More pre-training, more labels",
    "transfer": "What carries over",
}
RULE = (
    "A claim is supported where the 95 % interval of each of its figures leaves out 0 on the claimed side, and p after "
    "Holm's correction for all figures of the study is below 0.05; not supported where one does so on the other side; "
    "undecided else."
)


def write(study: Study, folder: Path) -> Path:
    """Write `study.html` into `folder`; return its path."""
    path = folder / "study.html"
    files.write_text(path, html(study))
    return path


def html(study: Study) -> str:
    """Return the page."""
    seeds = len(study.seeds)
    lead = (
        f"{study.conclusion} Trained and tested on {study.data}; {study.clouds} of {study.test_clouds} test clouds "
        f"measured, {seeds} seed{'s' if seeds > 1 else ''}."
    )
    return page.build_page(
        title=TITLES[study.name],
        kicker=f"study {study.name}: {_verdict(study)}",
        lead=lead,
        panels=panels(study),
        footer="Intervals are 95 %, over seeds and clouds, or over clouds alone where there is one seed, which decides "
        "nothing.",
    )


def panels(study: Study) -> list[Panel]:
    """Return the sections of the page."""
    made = [
        Panel(
            title="Verdict",
            sentence=RULE,
            html=f"<p><strong>{escape(_verdict(study).capitalize())}</strong>, as a whole.</p>"
            + drawn.claims_table(study),
            note=" ".join(study.notes),
        ),
        Panel(
            title="Networks",
            sentence="Accuracy on the test clouds, and strength of few regions together (low orders) and of many (high "
            f"orders), as {drawn.UNITS[study.display]}; means over seeds.",
            html=drawn.groups_table(study),
            pictures=[drawn.levels_picture(study)] if study.level else [drawn.accuracy_picture(study)],
        ),
        Panel(
            title="Strength by order",
            sentence="Mean |I| of each order with its interval; on the right less the networks from scratch, paired by "
            "seed and cloud."
            if study.differences
            else "Mean |I| of each order with its interval.",
            pictures=drawn.curves_pictures(study),
        ),
    ]
    if study.differences:
        made.append(
            Panel(
                title="Differences from scratch",
                sentence="Paired by seed and cloud.",
                html=drawn.differences_table(study),
            )
        )
    if study.transfers:
        made.append(
            Panel(
                title="Transfer",
                sentence="Frozen encoders: on classes that none of their training clouds had (A), and on another data "
                "set (B).",
                html=drawn.transfers_table(study),
            )
        )
    if study.overlaps:
        made.append(
            Panel(
                title="Overlap of interactions",
                sentence="Share of a network's salient interactions that are salient in networks of other seeds too "
                "(C), what chance would give, and what is left of it beyond chance.",
                html=drawn.overlaps_table(study),
            )
        )
    return made


def _verdict(study: Study) -> str:
    """Return the verdict; an open one with the numbers that did not decide it."""
    seeds = f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}"
    more = f" at {seeds} and {study.clouds} clouds" if study.verdict == "undecided" else ""
    return study.verdict + more
