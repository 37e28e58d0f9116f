"""Write the tables of the README and of docs/ from `results/`, and those of the protocols from their list.

python benchmarks/tables.py            # writes
python benchmarks/tables.py --check    # exits with 1 where pages and results differ
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

import worth_tables
from as_markdown import ROOT, Result, prose_table, read, table, with_interval, with_spread
from pointssl.evaluation.protocols import PROTOCOLS
from pointssl.evaluation.published import PRESETS
from pointssl.ops.evidence import Spread
from pointssl.ops.stats import Estimate, holm, normal_quantile

_PAGES = ("results", "interactions", "worth", "evaluation", "reliability", "explore", "leaderboard")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in _PAGES))


def linear_probe() -> str:
    """Pre-trained and untrained encoders, on the data they were trained on and on other data."""
    rows = []
    names = {"pointnet-light": "PointNet", "dgcnn": "DGCNN"}
    rules = {"svm-cv": "SVM", "svm-cv-wide": "SVM, wide C", "svm-cv-standardised": "SVM, standardised", "knn-20": "kNN"}
    shown: list[str] = []
    old_grid = False
    for key, title in names.items():
        result = read(f"linear-probe-parae-{key}")
        if result is None:
            continue
        for data in ("psb-shrec12", "bimnet10"):
            scores = {(s["protocol"], s["arm"]): s for s in result["scores"][data]}
            shown = shown or [rule for rule in rules if (rule, "pretrained") in scores]
            # Results that do not state their rules were measured when standardised features had the raw ones' grid.
            old_grid = old_grid or "rule" not in scores["svm-cv-standardised", "pretrained"]
            for arm, label in (("pretrained", "ParAE"), ("untrained", "untrained")):
                cells = [with_spread(scores[rule, arm]) for rule in shown]
                rows.append([data, f"{title}, {label}", *cells])
    text = (
        "Accuracy in % on the official test clouds (`psb-shrec12` 328, 69 classes; `bimnet10` 51, 10 classes, the\n"
        "same encoders, frozen), 1024 points, last epoch, mean ± standard deviation over n pre-trainings (or\n"
        "untrained networks). SVM: linear, C by cross-validation inside the training clouds, 0.001 to 10 (wide: to\n"
        "10,000).\n"
    )
    if old_grid:
        rules["svm-cv-standardised"] = "SVM, standardised, C from 0.001"
        text += (
            "\nStandardised features were scored with the C of the raw ones here, 0.001 to 10; the protocol\n"
            "`svm-cv-standardised`, as in the table of MM-Point, has 0.00001 to 0.3.\n"
        )
    return text + "\n" + table(["data", "encoder", *(rules[rule] for rule in shown)], rows)


def partition() -> str:
    """Agreement of ways of cutting a cloud with the way people cut the model."""
    result = read("partition")
    if result is None:
        return "Not measured yet."
    rows = [
        [
            row["name"],
            str(row["J"] or ""),
            f"{row['parts']:.1f}",
            with_interval(row["rand"]),
            with_interval(row["adjusted"]),
        ]
        for row in result["rows"]
    ]
    text = (
        f"Agreement with {result['segmentations']:,} human segmentations of {result['models']} models of "
        f"`{result['data']}`; in brackets {result['interval']}.\n"
    )
    return text + "\n" + table(["way of cutting", "J", "parts used", "Rand index", "adjusted"], rows)


def speed() -> str:
    """Training steps against their textbook forms."""
    result = read("speed")
    if result is None:
        return "Not measured yet."
    titles = {
        "parae_pointnet": "PointNet + ParAE step, batch 32",
        "dgcnn": "DGCNN encoder step, k 20",
        "mixture_loss": "mixture loss and gradient",
    }
    rows = []
    for name, case in result["cases"].items():
        for form, row in case["forms"].items():
            limit = row["fraction_of_limit"]
            cells = [
                f"{row['clouds_per_s']:.1f}",
                f"{row['times_textbook']:.1f}",
                f"{100 * limit:.0f} %" if limit else "",
            ]
            rows.append([titles[name], form, *cells])
    memory = [
        [titles[name].split(",")[0], points, f"{row['ours']:.0f}", f"{row['textbook']:.0f}"]
        for name, sizes in result["memory_mib"].items()
        for points, row in sizes.items()
    ]
    about = result["about"]
    text = (
        f"Forward and backward at 1024 points, {about['threads']} threads of {about['processor']}, medians of\n"
        "interleaved runs in one process, values and gradients of both forms compared in the same run (`make bench`).\n"
        "`of the limit`: the time that the arithmetic or the memory traffic alone would need on this machine.\n"
    )
    if not about["bf16_units"]:
        text += "\nThis processor has no bf16 instructions, so there is no bf16 row.\n"
    first = table(["step", "form", "clouds/s", "× textbook", "of the limit"], rows)
    second = table(["peak memory of a step, MiB", "points", "ours", "textbook"], memory)
    return f"{text}\n{first}\n\n{second}"


def store() -> str:
    """Random reads."""
    result = read("store")
    if result is None:
        return "Not measured yet."
    ways = ", ".join(f"{way} {speed:,}" for way, speed in result["clouds_per_second"].items())
    return f"Random reads per second of clouds of {result['points']:,} points, one process: {ways}."


NETWORKS = {"pointnet": "PointNet", "dgcnn": "DGCNN"}
ARMS = {"mm-point": "MM-Point", "crosspoint": "CrossPoint", "parae": "ParAE", "untrained": "untrained"}


def over_runs(difference: Result, ours: list[float], theirs: list[float]) -> Estimate:
    """Return a stored difference with its interval over runs and test clouds, or over clouds where a run stands alone.

    Results from before differences were measured over runs hold an interval over clouds, and the accuracy of every run.
    Both squares are added; what clouds do to each network alone is in both, so that this is rather too wide.
    """
    if "runs, " in difference["method"] or min(len(ours), len(theirs)) == 1:
        return Estimate(**difference)
    clouds = ((difference["high"] - difference["low"]) / 2 / normal_quantile()) ** 2
    spread = Spread.of([(np.array(ours), 0.0), (np.array(theirs), 0.0)], clouds)
    return replace(spread.interval(difference["mean"]), n=min(len(ours), len(theirs)))


def signed(found: Sequence[Estimate | None]) -> list[str]:
    """Return differences in points with interval and p, corrected for being as many as these; empty where None."""
    corrected = iter(holm([one.p for one in found if one is not None and one.p is not None]))
    cells = []
    for one in found:
        if one is None or one.low is None or one.high is None:
            cells.append("")
            continue
        star = "" if one.n > 1 else " *"
        bounds = f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
        cells.append(f"{100 * one.mean:+.1f} {bounds}, p {next(corrected):.2f}{star}")
    return cells


def pretext() -> str:
    """MM-Point and its rivals on the same clouds, views and epochs."""
    result = read("pretext")
    if result is None:
        return "Not measured yet."
    found = {(r["network"], r["arm"], r["data"], r["probe"]): r for r in result["rows"]}
    probes = {"svm-cv": "SVM", "svm-cv-standardised": "SVM, standardised", "knn-20": "kNN"}
    key = ("psb-shrec12", "svm-cv-standardised")
    rows: list[list[str]] = []
    against: list[Estimate | None] = []
    for network, title in NETWORKS.items():
        for arm, name in ARMS.items():
            own = [found.get((network, arm, "psb-shrec12", probe)) for probe in probes]
            if own[0] is None:
                continue
            away = [found[network, arm, data, "svm-cv-standardised"] for data in ("bimnet10", "psb-segmentation")]
            steps = {one["finished"]["steps"] for one in result["runs"] if _is(one, network, arm) and one["finished"]}
            standardised = own[1]
            assert standardised is not None
            less, rival = standardised["against"].get("crosspoint"), found.get((network, "crosspoint", *key))
            against.append(over_runs(less, standardised["values"], rival["values"]) if less and rival else None)
            cells = [with_spread(row) for row in (*own, *away) if row is not None]
            rows.append([f"{title}, {name}", ", ".join(f"{one:,}" for one in sorted(steps)), *cells])
    rows = [[*row, cell] for row, cell in zip(rows, signed(against), strict=True)]
    text = (
        "Accuracy in % on test clouds, 1,024 points, last epoch, mean ± standard deviation over n pre-trainings (or\n"
        "untrained networks). On `psb-shrec12` (328 clouds, 69 classes) a linear SVM, C by cross-validation, on raw\n"
        "and on standardised features, and nearest neighbours; frozen, on `bimnet10` (51 clouds) and the categories\n"
        "of `psb-segmentation` (95) the standardised SVM. Last column: standardised SVM on `psb-shrec12` minus\n"
        "CrossPoint's, in points, with its 95 % interval over runs and test clouds and p corrected for all rows\n"
        "(Holm); \\* one run each: over test clouds, so of these networks alone.\n"
    )
    columns = ["encoder", "steps", *probes.values(), "`bimnet10`", "`psb-segmentation`", "minus CrossPoint"]
    return text + "\n" + table(columns, rows)


def _is(run: Result, network: str, arm: str) -> bool:
    return (run["network"], run["arm"]) == (network, arm)


def ablation() -> str:
    """What MM-Point's parts are worth."""
    result = read("ablate-mm-point")
    if result is None:
        return "Not measured yet."
    rows = []
    base = next(row for row in result["rows"] if row["name"] == "base")
    gaps = [
        over_runs(row["against_base"], row["values"], base["values"]) if "against_base" in row else None
        for row in result["rows"]
    ]
    for row, gap in zip(result["rows"], signed(gaps), strict=True):
        accuracy = row["accuracy"]
        interval = f"{100 * accuracy['mean']:.1f} [{100 * accuracy['low']:.1f}, {100 * accuracy['high']:.1f}]"
        rows.append([row["name"], str(len(row["seeds"])), interval, gap])
    settings = result["settings"]
    text = (
        f"PointNet, {settings['data']['points']} points, {settings['epochs']:g} epochs; accuracy in % of the\n"
        "standardised linear SVM on the 328 test clouds of `psb-shrec12`, mean over seeds, in brackets a 95 %\n"
        "interval over the test clouds; and the difference to the base with its 95 % interval over runs and test\n"
        "clouds and p corrected for all rows (Holm).\n"
    )
    return text + "\n" + table(["variant", "seeds", "accuracy", "minus base"], rows)


def mm_point_cost() -> str:
    """What more views cost."""
    result = read("mm-point-cost")
    if result is None:
        return "Not measured yet."
    rows = []
    for where, measured in result["measured"].items():
        for row in measured["rows"]:
            parts = row["seconds_of_parts"]
            drawn = ("drawing the views", "image encoder", "cloud encoder")
            shares = [f"{100 * parts[name] / sum(parts.values()):.0f} %" for name in drawn]
            for form, found in row.items():
                if isinstance(found, dict) and "clouds_per_s" in found:
                    speeds = [f"{found[key]:.0f}" for key in ("seconds_per_epoch", "clouds_per_s", "images_per_s")]
                    rows.append([f"{where}, {form}", str(row["views"]), *speeds, f"{found['memory_mib']:.0f}", *shares])
    options = next(iter(result["measured"].values()))["options"]
    text = (
        f"Steps of {options['batch']} clouds of {options['points']:,} points, ResNet-18 of width {options['width']},\n"
        f"views of {options['size']} pixels drawn from the points with estimated normals; an epoch is 2,048 clouds.\n"
        "Shares are of the parts measured one by one.\n"
    )
    columns = ["where", "views", "s/epoch", "clouds/s", "images/s", "peak MiB"]
    columns += ["drawing", "image encoder", "cloud encoder"]
    return text + "\n" + table(columns, rows)


def views() -> str:
    """How fast views are rendered, beside textbook forms."""
    result = read("views")
    if result is None:
        return "Not measured yet."
    cast, spread = result["ray_casting"], result["splatting"]
    rows = [[f"ray casting, {cast['pixels']} px, {way}", f"{speed:,}"] for way, speed in cast["per_second"].items()]
    rows += [[f"splatting, {spread['pixels']} px, {way}", f"{speed:,}"] for way, speed in spread["per_second"].items()]
    text = (
        f"Pictures per second: meshes of {cast['faces']:,} faces on one thread; clouds of {spread['points']:,} points\n"
        f"on {spread['device']}. Both forms of each are compared in the same run.\n"
    )
    return text + "\n" + table(["renderer", "pictures/s"], rows)


def interactions() -> str:
    """How fast coalitions are scored, and the transform beside shapiq's."""
    result = read("interactions-speed")
    if result is None:
        return "Not measured yet."
    ways = {(r["network"], r["way"], r["n"]): r for r in result["coalitions"]}
    rows = []
    for n in sorted({key[2] for key in ways}):
        quick, slow = ways["pointnet", "one pass", n], ways["pointnet", "masked clouds", n]
        other = ways.get(("dgcnn", "masked clouds", n))
        cells = [f"{quick['per_second']:,.0f}", f"{slow['per_second']:,.0f}", f"{quick['times_faster']:.0f}"]
        rows.append([str(n), *cells, "" if other is None else f"{other['per_second']:.0f}"])
    columns = ["regions", "PointNet, one pass", "PointNet, masked clouds", "ratio", "DGCNN, masked clouds"]
    first = table(columns, rows)
    transform = [
        [str(r["n"]), f"{1e3 * r['ours']:.2f}", f"{1e3 * r['shapiq']:.1f}", f"{r['times_faster']:.0f}"]
        for r in result["transform"]
    ]
    second = table(["players", "ours, ms", "shapiq, ms", "ratio"], transform)
    found = result["profile"]
    threads = f"{result['points']:,} points, {result['threads']} threads"
    text = f"Coalitions per second at {threads}; the ways agree in the same run.\n"
    profile = f"A profile of {found['clouds']} clouds at {found['n']} regions, PointNet"
    last = f"{profile}: {found['seconds']:.1f} s, intervals included."
    return f"{text}\n{first}\n\nMoebius transform of one game:\n\n{second}\n\n{last}"


def and_or() -> str:
    """Seconds that the AND-OR decomposition of one cloud takes, by kind of game."""
    result = read("and-or")
    if result is None:
        return "Not measured yet."
    rows = [
        [row["game"], str(row["regions"]), f"{row['seconds']:.2f}", f"{row['gap']:.0e}", f"{row['of_even_split']:.2f}"]
        for row in result["rows"]
    ]
    return table(["game", "regions", "seconds", "gap", "sum, of the even split's"], rows)


STARTS = {
    "scratch": "scratch",
    "interaction": "scratch, interaction loss",
    "parae": "from ParAE",
    "mm-point": "from MM-Point",
}


def interval(estimate: Result, scale: float = 1.0, digits: int = 3, sign: str = "") -> str:
    """Return a value with its interval where it has one."""
    value = f"{scale * estimate['mean']:{sign}.{digits}f}"
    if estimate["low"] is None:
        return value
    return f"{value} [{scale * estimate['low']:{sign}.{digits}f}, {scale * estimate['high']:{sign}.{digits}f}]"


def study() -> str:
    """Classifiers that began in four ways: accuracy, strength by order, and what follows."""
    parts = []
    for network, title in NETWORKS.items():
        result = read("interaction-study" if network == "pointnet" else f"interaction-study-{network}")
        if result is None:
            continue
        settings, gaps = result["settings"], {(one["name"], one["level"]): one for one in result["differences"]}
        verdicts = {one["text"].split(" of the labels")[0]: one["verdict"] for one in result["interactions"]}
        rows = []
        for one in result["groups"]:
            gap = gaps.get((one["name"], one["level"]))
            cells = [
                f"{one['level']:.0%}",
                str(len(one["seeds"])),
                interval(one["accuracy"], 100, 1),
                interval(gap["accuracy"], 100, 1, "+") if gap else "",
                interval(one["low"]),
                interval(one["high"]),
                verdicts.get(f"{one['name']}, {one['level']:.0%}", ""),
            ]
            rows.append([f"{title}, {STARTS[one['name']]}", *cells])
        low, high = (f"{a} to {b}" for a, b in (settings["low"], settings["high"]))
        chosen = "; ".join(f"{one['alpha']:g} at {one['fraction']:.0%}" for one in result["alpha"])
        text = (
            f"{title}: {settings['epochs']:g} epochs, at least {settings['least_steps']} updates, "
            f"{settings['points']} points; {settings['clouds']}\ntest clouds in {settings['regions']} regions, low "
            f"orders {low}, high orders {high}."
            + (f" Alpha, chosen on training clouds kept\nfor that: {chosen} of the labels." if chosen else "")
        )
        columns = ["start", "labels", "seeds", "accuracy", "minus scratch", "low", "high", "high up, low down?"]
        parts.append(f"{text}\n\n{table(columns, rows)}")
    if not parts:
        return "Not measured yet."
    head = (
        "Classifiers of `psb-shrec12` (328 test clouds, 69 classes), last epoch, same recipe, labels and seeds. Low\n"
        "and high: mean |I| of those orders as a share of the effect of the whole cloud. In brackets 95 % intervals\n"
        "over seeds and clouds ([how](docs/studies.md)); last, the verdict against scratch.\n"
    )
    return head + "\n" + "\n\n".join(parts)


def protocols() -> str:
    """What every protocol does, from the one list of them."""
    rows = [[f"**`{p.name}`**" if p.default else f"`{p.name}`", p.rule, p.repeated] for p in PROTOCOLS.values()]
    return prose_table(["name", "what", "repeated over"], rows)


def protocol_reads() -> str:
    """What every protocol reads."""
    return prose_table(["name", "learned from and scored on"], [[f"`{p.name}`", p.reads] for p in PROTOCOLS.values()])


def search() -> str:
    """Retrieval by class, copies, neighbours."""
    result = read("search")
    if result is None:
        return "Not measured yet."
    rows = [
        [row["test"], f"{row['shapes']:,}", f"{100 * row['shipped']:.1f}", f"{100 * row['untrained']:.1f}"]
        for row in result["retrieval"]
    ]
    copies = result["copies"]
    shown = ("exact_per_second", "graph_per_second", "graph_built_in", "recall_at_10")
    engines = [
        [f"{row['vectors']:,} {row['kind']}", *(f"{row[key]:,g}" for key in shown)] for row in result["neighbours"]
    ]
    known, within, both = (copies[key] for key in ("known", "known_within", "both"))
    return (
        "Mean average precision in % of finding the shapes of one's class among the test clouds, whitened (bimnet10\n"
        "has too few for a whitening of its own: the encoder's own there, and none of the untrained network):\n\n"
        + table(["test set", "shapes", result["encoder"], "the same, untrained"], rows)
        + f"\n\nCopies in psb-shrec12, {copies['shapes']:,} shapes: of {known:,} pairs that the set itself names as\n"
        f"near-duplicates {within:,} lie within the ratio of 1.25 (the others are variants, or turned);\n"
        f"{both:,} of the {known:,} are found, and {copies['found'] - both:,} pairs more.\n\n"
        "Ten neighbours among vectors of 128 numbers, one thread; random ones have nothing that a graph could use:\n\n"
        + table(["vectors", "exact, queries/s", "usearch, queries/s", "graph built in s", "recall at 10"], engines)
    )


def crashes() -> str:
    """What killed commands end with."""
    result = read("crash")
    if result is None:
        return "Not measured yet."
    fine = ("same bytes", "finished, and said so")
    rows = [
        [name, *(f"{one[key]}" for key in ("events", "states", "states_tried", "kills")), f"{_sum(one, fine)}"]
        + [f"{one['outcomes'].get(outcome, 0)}" for outcome in ("stuck", "lost", "leftovers", "traceback")]
        for name, one in result["commands"].items()
    ]
    columns = ["command", "file events", "states", "tried", "kills", "same bytes"]
    return table([*columns, "stuck", "lost", "left over", "traceback"], rows)


def fuzzed() -> str:
    """What becomes of damaged files."""
    result = read("fuzz")
    if result is None:
        return "Not measured yet."
    outcomes = ("refused", "child", "as before", "other numbers", "other counts", "traceback", "hang", "memory", "died")
    kinds = result["kinds"]
    rows = [
        [name, f"{one['files']}", *(f"{one['outcomes'].get(outcome, 0)}" for outcome in outcomes)]
        for name, one in kinds.items()
    ]
    total = [sum(one["outcomes"].get(outcome, 0) for one in kinds.values()) for outcome in outcomes]
    rows.append(["all", f"{sum(one['files'] for one in kinds.values()):,}", *(f"{count:,}" for count in total)])
    return table(["kind", "files", *outcomes], rows)


def cases() -> str:
    """How many situations from bug reports there are, and what fails."""
    result = read("cases")
    if result is None:
        return "Not measured yet."
    found = result["situations"]
    failed = [name for name, one in found.items() if one["failed"]]
    skipped = [name for name, one in found.items() if one["skipped"] and not one["passed"]]
    tests = sum(one["passed"] + one["failed"] for one in found.values())
    text = f"{len(found)} situations in {tests} tests: {len(failed)} fail, {len(skipped)} could not be tried."
    return text + "".join(f" Failing: {', '.join(names)}." for names in (failed,) if names)


def large_scans() -> str:
    """What cutting a scan of many millions of points takes."""
    result = read("large-scans")
    if result is None:
        return "Not measured yet."
    rows = []
    for name, one in result["kinds"].items():
        kind, millions = name.split()
        peak = one["peak_mib"]
        memory = f"{peak['own']:,}" + (f" + {peak['child']}" if peak["child"] else "")
        size, taken = f"{one['file_mib']:,}", f"{one['processor_seconds']:.0f}"
        rows.append([kind, millions, size, f"{one['blocks']:,}", memory, taken])
    return table(["kind", "million points", "file, MiB", "blocks", "peak memory, MiB", "processor seconds"], rows)


def kicad() -> str:
    """How much of KiCad's library of models was packed."""
    result = read("kicad")
    if result is None:
        return "Not measured yet."
    offered, packed, left = (result[key] for key in ("offered", "packed", "left_out"))
    told = ", ".join(f"{packed.get(kind, 0):,} of {count:,} {kind}" for kind, count in offered.items())
    text = f"Packed: {told}. Left out: {len(left)}." + ("" if result["whole"] else " The others were not tried yet.")
    return text + "".join(f"\n- {one['file']}: {one['reason']}" for one in left)


def reading_speed() -> str:
    """Reading beside other libraries."""
    result = read("reading")
    if result is None:
        return "Not measured yet."
    rows = []
    for name, one in result["kinds"].items():
        best, factor = one.get("best_other"), one.get("factor")
        cell = "" if factor is None else f"{factor['median']:.2f} [{factor['low']:.2f}, {factor['high']:.2f}]"
        own = one["milliseconds"].get("pointssl")
        rows.append([name, f"{own:.2f}" if own else "wrong", str(best or ""), cell])
    text = f"Medians over {result['settings']['files']} files of a kind; in brackets 95 % intervals.\n\n"
    return text + table(["kind", "ms a file", "best other", "ours / best other"], rows)


def _sum(one: Result, outcomes: Sequence[str]) -> int:
    return sum(one["outcomes"].get(outcome, 0) for outcome in outcomes)


def presets() -> str:
    """The papers' linear probes, with their own figures in a column of their own."""
    head = ["name", "paper", "machine", "points", "their feature", "their choice of epoch and C", "published, not ours"]
    rows = []
    for p in PRESETS.values():
        scans = f"; C = {p.scanobjectnn:g} on ScanObjectNN" if p.scanobjectnn else ""
        rows.append([f"`{p.name}`", p.paper, p.svm.rule + scans, f"{p.points:,}", p.feature, p.choice, p.published])
    return prose_table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "crash": crashes,
    "fuzz": fuzzed,
    "cases": cases,
    "large-scans": large_scans,
    "kicad": kicad,
    "reading": reading_speed,
    "worth": worth_tables.main_tables,
    "worth-neighbours": worth_tables.more_tables,
    "worth-labels": worth_tables.label_fractions,
    "leaderboard": worth_tables.leaderboard,
    "cost": worth_tables.cost,
    "search": search,
    "protocols": protocols,
    "protocol-reads": protocol_reads,
    "presets": presets,
    "linear-probe": linear_probe,
    "pretext": pretext,
    "interaction-study": study,
    "ablate-mm-point": ablation,
    "mm-point-cost": mm_point_cost,
    "views": views,
    "interactions": interactions,
    "and-or": and_or,
    "partition": partition,
    "speed": speed,
    "store": store,
}


def filled(text: str) -> str:
    """Return a page with every table between its marks."""
    for name, make in TABLES.items():
        marks = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = marks.sub(partial(_between, make), text)
    return text


def _between(make: Callable[[], str], found: re.Match[str]) -> str:
    return f"{found[1]}{make()}\n{found[2]}"


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    given = parser.parse_args()
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for name in TABLES:
        if not any(f"<!-- table: {name} -->" in text for text in texts.values()):
            raise SystemExit(f"no page has a place for the table {name}")
    for page, before in texts.items():
        after = filled(before)
        if given.check and before != after:
            raise SystemExit(f"{page.name} differs from results/; run: make results")
        page.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
