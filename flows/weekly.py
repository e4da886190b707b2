"""The weekly flow: look at the night that stands in the workspace, and propose changes of params.yaml that a person merges."""

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment

from flows import brief_log
from flows.artifacts import name_run, show
from flows.notify import notify
from flows.reviews import run_review
from tasks.core.errors import ConfigError, DwellError
from tasks.core.layout import Workspace
from tasks.night.belonging import refuse_others
from tasks.night.lock import holding
from tasks.stages import Night
from tasks.weekly.proposal import Proposal

brief_log.install()

_READ = ("data/raw", "data/features", "data/table")
"""What reviews read, as dvc.yaml names it."""


class ReviewFailed(DwellError):
    """Some reviews of a week failed; the message names each with its cause. The others are written."""


@flow(name="weekly", flow_run_name="week to come", on_failure=[notify], on_crashed=[notify])
def weekly() -> list[Proposal]:
    """Run the reviews of params.yaml on the night in run.yaml and write what they propose; nothing else changes.

    A deployed run waits until no night holds the workspace, and nights wait for it.

    Raises:
        ConfigError: if params.yaml names no review.
        NightError: if another process holds the workspace, or it holds no finished night.
        ReviewFailed: if a review failed; what the others found is written.
    """
    logger, workspace = get_run_logger(), Workspace(Path.cwd())
    with holding(workspace, "dwell weekly", wait=deployment.id is not None, log=logger):
        night = Night.load(workspace)
        if not night.params.weekly:
            raise ConfigError("params.yaml: weekly names no review: add one, such as {kind: scaling, axis: days}")
        refuse_others(workspace, night.params, night.key, _READ, "dwell weekly")
        name_run(f"week of {night.key.as_of} of {night.key.source}")
        found, failed = list[Proposal](), list[str]()
        for name in night.params.weekly:
            try:
                found.append(review(name, str(workspace.root)))
            except DwellError as error:
                logger.error("review %s failed: %s", name, error)
                failed.append(f"review {name} failed: {error}")
    said = "\n".join(f"**{proposal.name}**: {' · '.join(proposal.says)}\n" for proposal in found)
    show(create_markdown_artifact, "proposals", markdown=said, description=f"week of {night.key.as_of}")
    if failed:
        raise ReviewFailed("\n".join(failed))
    return found


@task(name="review", task_run_name="{name}", cache_policy=NO_CACHE)
def review(name: str, root: str) -> Proposal:
    """Run one review as a task of the flow; see `flows.reviews.run_review`."""
    proposal = run_review(name, Night.load(Workspace(Path(root))))
    get_run_logger().info("%s: %s", name, proposal.says[-1])
    return proposal
