"""The three studies on tiny networks: computed, resumed, costed, and what a user does wrong in one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl import study
from pointssl.app import cli
from pointssl.backbones import PointNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, Interrupted, RunError, SettingError
from pointssl.interpret import InteractConfig
from pointssl.interpret.network import check_classes
from pointssl.methods import ClassifyConfig
from pointssl.runs.config import PretrainConfig
from pointssl.show.interactions import study_page
from pointssl.study import networks as trained
from pointssl.study import pretrained
from pointssl.train import classifier
from pointssl.train.pretrain import pretrain
from tests.app.test_cli import complaint
from tests.doubles import tiny_config

KEEP = (0.0, 0.5, 1.0)
CLASSES = tuple("abcd")


def clouds(each: int, seed: int) -> ArrayDataset:
    """Four classes of boxes, told apart by their shape."""
    random, label = np.random.default_rng(seed), np.arange(4 * each) % 4
    sides = np.array([[1, 1, 1], [1, 1, 0.1], [1, 0.1, 0.1], [1, 0.5, 0.1]])[label]
    points = random.uniform(-1, 1, (len(label), 32, 3)) * sides[:, None]
    return ArrayDataset(points.astype(np.float32), name=f"boxes/{seed}", labels=label, classes=CLASSES)


DATA = (clouds(6, 0), clouds(4, 1))
QUIET = {"steps": 3, "checkpoint_every": 10, "log_every": 10, "monitor_every": 0}
"""Nothing is written on the way, which would take longer than the training."""
RECIPE: PretrainConfig = tiny_config(method=ClassifyConfig(hidden=(8,)), **QUIET)


def config(**changes: Any) -> study.StudyConfig:
    """Two seeds, three updates, five regions."""
    small: dict[str, Any] = {
        "recipe": RECIPE,
        "seeds": (0, 1),
        "least_steps": 1,
        "interact": InteractConfig(clouds=6, regions=5, reading=ReadConfig(points=24)),
        "device": "cpu",
    }
    return study.StudyConfig(**(small | changes))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pre-training runs that differ by the seed, with checkpoints kept."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        pretrain(
            tiny_config(**(QUIET | {"seed": seed, "keep_checkpoints_at": KEEP})), folder / f"pre-{seed}", data=DATA[0]
        )
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def done(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, study.Study]:
    """A finished study of pre-training."""
    out = tmp_path_factory.mktemp("study")
    return out, study.pretraining.run(DATA, runs, out, config())


def no_training(*_: Any, **__: Any) -> Path:
    raise AssertionError("trained again")


def test_pretraining__figures_are_those_of_the_networks(done: tuple[Path, study.Study]) -> None:
    out, found = done
    assert [one.name for one in found.groups] == ["scratch", "parae"]
    scratch, arm = found.groups
    [gap] = found.differences
    assert gap.high.mean == pytest.approx(arm.high.mean - scratch.high.mean)
    assert gap.accuracy.per_seed == pytest.approx(
        np.subtract(arm.accuracy.per_seed, scratch.accuracy.per_seed).tolist()
    )
    assert gap.high.method == "seeds and clouds"
    accuracies = [
        json.loads((out / "runs" / name / "scores.json").read_text(encoding="utf-8"))["accuracy"] for name in arm.runs
    ]
    assert arm.accuracy.per_seed == pytest.approx(accuracies)


def test_pretraining__finished_work_is_found_again(
    done: tuple[Path, study.Study], runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, found = done
    left = study.pretraining.cost(DATA, runs, out, config())
    assert (left.trainings, left.finished, left.measurements, left.seconds) == (0, 4, 0, 0.0)
    monkeypatch.setattr(trained, "train_classifier", no_training)
    assert study.pretraining.run(DATA, runs, out, config()) == found


def test_pretraining__other_settings_are_other_trainings(done: tuple[Path, study.Study], runs: list[Path]) -> None:
    out, _ = done
    other = config(recipe=replace(RECIPE, steps=7))
    assert study.pretraining.cost(DATA, runs, out, other).trainings == 4
    assert study.pretraining.cost(DATA, runs, out, config(), fraction=0.5).trainings == 4
    more = study.pretraining.cost(
        DATA, runs, out, config(interact=InteractConfig(clouds=6, regions=4, reading=ReadConfig(points=24)))
    )
    assert (more.trainings, more.measurements) == (0, 4)


def test_pretraining__a_stop_costs_nothing_that_was_finished(
    runs: list[Path], tmp_path: Path, done: tuple[Path, study.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def stops(settings: PretrainConfig, out: Path, **rest: Any) -> Path:
        begun.append(out)
        if len(begun) == 3:
            raise Interrupted("stopped after step 2 of 3; nothing is lost, go on with: something else")
        return classifier.train_classifier(settings, out, **rest)

    monkeypatch.setattr(trained, "train_classifier", stops)
    with pytest.raises(Interrupted, match="the same `pointssl study` command goes on"):
        study.pretraining.run(DATA, runs, tmp_path, config())
    found = study.pretraining.run(DATA, runs, tmp_path, config())
    assert len(begun) == 3 + 2
    assert found.groups == done[1].groups


def test_cost__counts_and_writes_nothing(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "new"
    cost = study.pretraining.cost(DATA, runs, out, config())
    assert (cost.trainings, cost.updates, cost.measurements, cost.forwards) == (4, 4 * 3, 4, 4 * 6 * 32)
    assert cost.seconds > 0
    assert not out.exists()


def test_scaling__levels_of_both_kinds(runs: list[Path], tmp_path: Path) -> None:
    found = study.scaling.run(DATA, runs, tmp_path, config(seeds=(0,)), parts=KEEP, fractions=(0.2, 0.5, 0.9, 1.0))
    assert len(found.claims) == 3
    lines: dict[str, list[float | None]] = {}
    for one in found.groups:
        lines.setdefault(one.name, []).append(one.level)
    # 0.9 and 1.0 of six clouds a class are 5 and 6; 0.2 and 0.5 are 1 and 3.
    assert lines == {
        "parae, by pre-training": list(KEEP),
        "scratch, by labels": [0.2, 0.5, 0.9, 1.0],
        "parae, by labels": [0.2, 0.5, 0.9, 1.0],
    }
    # The end of pre-training on all labels is in both lines and was trained once.
    assert len(list((tmp_path / "runs").iterdir())) == 2 + 4 + 4
    ends = [one for one in found.groups if one.level == 1 and one.name.startswith("parae")]
    assert ends[0].runs == ends[1].runs
    page = study_page.html(found)
    assert "More pre-training, more labels" in page


def test_scaling__levels_that_are_the_same_clouds_count_once(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="3 different numbers of clouds"):
        study.scaling.cost(DATA, runs, tmp_path, config(), parts=(), fractions=(0.01, 0.02, 1.0))


def test_transfer__all_three_protocols(runs: list[Path], done: tuple[Path, study.Study]) -> None:
    settings = study.TransferConfig(fractions=(0.2, 0.5, 1.0), novel=0.5)
    found = study.transfer.run(DATA, runs, done[0], config(), other=(clouds(6, 2), clouds(3, 3)), settings=settings)
    assert [(one.protocol, one.probe) for one in found.transfers] == [
        ("A: novel classes", "linear SVM"),
        ("A: novel classes", "1-NN"),
        ("A: novel classes", "2-way 3-shot"),
        ("B: boxes/3", "linear SVM"),
        ("B: boxes/3", "1-NN"),
    ]
    for one in found.transfers:
        assert one.difference.mean == pytest.approx(one.accuracy - one.accuracy_less)
    assert [(one.name, one.orders) for one in found.overlaps] == [
        (name, orders) for name in ("scratch", "parae") for orders in ((1, 1), (5, 5))
    ]
    assert len(found.claims) == 4
    assert "Overlap" in study_page.html(found)


def test_page__says_verdict_rule_and_figures(done: tuple[Path, study.Study], tmp_path: Path) -> None:
    _, found = done
    study.save(found, tmp_path / "study.json")
    page = study_page.write(found, tmp_path).read_text(encoding="utf-8")
    kept = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert kept["verdict"] == found.verdict
    assert kept["study"] == "pretraining"
    assert f"study pretraining: {found.verdict}" in page
    assert "Holm" in page
    for claim in found.claims:
        assert claim.text in page
    if found.verdict == "undecided":
        assert "undecided at 2 seeds and 6 clouds" in page


def test_one_seed__decides_nothing_and_says_so(runs: list[Path], done: tuple[Path, study.Study]) -> None:
    out, _ = done
    found = study.pretraining.run(DATA, runs, out, config(seeds=(0,)))
    assert found.verdict == "undecided"
    assert any("One seed" in note for note in found.notes)
    assert found.differences[0].high.method == "clouds alone"


def test_runs__fewer_than_seeds_is_said(runs: list[Path], done: tuple[Path, study.Study]) -> None:
    [kind], _ = pretrained.run_groups(runs[:1], RECIPE)
    assert [kind.run(place) for place in (0, 1)] == [runs[0], runs[0]]
    found = study.pretraining.run(DATA, runs[:1], done[0], config())
    assert any("1 pre-trained run(s) serve 2 seeds" in note for note in found.notes)


def test_runs__of_different_encoders(runs: list[Path], tmp_path: Path) -> None:
    other = tiny_config(backbone=PointNetConfig(local=(6,), hidden=(8,), pooled_dim=12), steps=1)
    pretrain(other, tmp_path / "wider", data=DATA[0])
    with pytest.raises(SettingError, match=r"different encoders: backbone\.pooled_dim was 10, is 12"):
        study.pretraining.run(DATA, [*runs, tmp_path / "wider"], tmp_path / "out", config())


def test_runs__none_twice_or_unfinished(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least one"):
        pretrained.run_groups([], RECIPE)
    with pytest.raises(SettingError, match="different folders"):
        pretrained.run_groups([runs[0], runs[0]], RECIPE)
    with pytest.raises(RunError, match="does not exist"):
        pretrained.run_groups([tmp_path / "no"], RECIPE)


def test_scaling__a_run_that_kept_nothing_names_the_command(tmp_path: Path) -> None:
    run = pretrain(tiny_config(), tmp_path / "run", data=DATA[0])
    with pytest.raises(RunError, match=r"kept no checkpoint at 0, 0.5 of .* --keep-checkpoints-at 0 0.5 1 --out RUN"):
        study.scaling.run(DATA, [run], tmp_path / "out", config(), parts=KEEP, fractions=())


def test_data__classes_that_do_not_match(runs: list[Path], tmp_path: Path) -> None:
    other = ArrayDataset(np.zeros((4, 32, 3), np.float32), name="other", labels=[0, 1, 2, 3], classes=tuple("wxyz"))
    with pytest.raises(DataError, match="do not match"):
        study.pretraining.run((DATA[0], other), runs, tmp_path, config())
    with pytest.raises(DataError, match="the classes of net"):
        check_classes("net", 4, CLASSES, "other", tuple("wxyz"), 3)


def test_settings__that_cannot_be() -> None:
    with pytest.raises(ValueError, match="seeds must be different"):
        config(seeds=(0, 0))
    with pytest.raises(SettingError, match="a study trains classifiers"):
        config(recipe=tiny_config())
    with pytest.raises(ValueError, match="regions must be at most 16"):
        config(interact=InteractConfig(regions=17))
    with pytest.raises(ValueError, match="fractions must be at least 3"):
        study.TransferConfig(fractions=(0.5, 1.0))


def test_command__dry_run_and_complaints(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data", "synthetic:48", "--runs", str(runs[0]), "--out", str(tmp_path / "out"), "--device", "cpu"]
    small = ["--recipe", "train-tiny", "--points", "48", "--epochs", "1", "--clouds", "4", "--regions", "4"]
    cli.main(["study", "pretraining", *given, *small, "--seeds", "0", "--dry-run"])
    shown = capsys.readouterr().out
    assert "trainings to do" in shown
    assert not (tmp_path / "out").exists()
    for name in ("pretraining", "scaling", "transfer"):
        with pytest.raises(SystemExit) as left:
            cli.main(["study", name, "--help"])
        assert left.value.code == 0
        assert "--runs" in capsys.readouterr().out
    assert "no study 'pretrainings'" in complaint(["study", "pretrainings"], capsys)
    assert "no recipe 'nothing'" in complaint(["study", "scaling", *given, "--recipe", "nothing"], capsys)
    assert "regions must be" in complaint(["study", "transfer", *given, "--regions", "99"], capsys)
