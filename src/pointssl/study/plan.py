"""What a study will train, said with its cost before it starts, and then carried out."""

from dataclasses import dataclass

from pointssl.progress import say
from pointssl.study.cost import Cost, cost_of
from pointssl.study.networks import Job, Network, Networks
from pointssl.study.pretrained import RunGroup

SCRATCH = "scratch"
"""The arm that starts from random weights."""

Members = dict[tuple[str, float | None], list[Network]]
"""Networks by arm and level, one per seed in the order of the seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trainings of a study on one data set."""

    networks: Networks
    kinds: tuple[RunGroup, ...]
    jobs: tuple[Job, ...]


def carry_out(plan: Plan) -> Members:
    """Say the cost, train what is not there yet, measure, and return the networks."""
    tell(cost_of(plan.networks, plan.jobs))
    plan.networks.train(plan.jobs)
    return members(plan)


def members(plan: Plan) -> Members:
    """Return the networks of finished trainings, measured."""
    made: Members = {}
    # Jobs can share a training (all of pre-training is also what the labels are varied for); it is measured once.
    done: dict[object, Network] = {}
    for job in plan.jobs:
        place = plan.networks.folder(job)
        if place not in done:
            done[place] = plan.networks.measured([job])[0]
        made.setdefault((job.group, job.level), []).append(done[place])
    return made


def tell(found: Cost) -> None:
    """Say what is left to do."""
    for name, text in found.table():
        say(f"{name:<20} {text}")
