"""Makes a claimed definition ready to run: templates rendered, options read, secrets resolved, in this order.

Secrets come last, so that their values never pass through a template and never stand in an error about one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from dkronpy.agent.plan import Plan, Step
from dkronpy.agent.spool import Report
from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError
from dkronpy.job import Job
from dkronpy.job.json import decode_definition
from dkronpy.job.param import carried_params
from dkronpy.plugins.options import Options, resolve_secrets
from dkronpy.plugins.processor import ExecutionInfo
from dkronpy.plugins.registry import options_type
from dkronpy.plugins.template import Facts, ParentFacts, job_facts, render_options, speaks_of
from dkronpy.secret import Secret
from dkronpy.store.ledger import Claim

ParentsReader = Callable[[Job, str], Mapping[str, ParentFacts]]
"""Given a job and the id of its run: the runs of its parents in that chain."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A job with the options of one attempt; ``masked`` are the values of its secrets."""

    job: Job
    options: Options
    masked: frozenset[str]
    facts: Facts


def facts_of(claim: Claim, job: Job, node: str, parents: ParentsReader) -> Facts:
    """What the templates of this attempt may speak of; the parents are looked up only where one does."""
    run_id = claim.execution.run_id
    wanted = job.after and (
        speaks_of(job.executor_config, "parents") or any(speaks_of(one, "parents") for one in job.processors.values())
    )
    return Facts(
        job=job_facts(job),
        due=from_ms(claim.execution.due_ms),
        node=node,
        attempt=claim.attempt,
        run_id=claim.execution.run_id,
        execution_id=claim.execution.id,
        params=carried_params(job, claim.extra),
        parents=parents(job, run_id) if wanted else {},
    )


def plan_of(claim: Claim, prepared: Prepared, report: Report, seconds: float) -> Plan | None:
    """What the job's processors are to do with the output of an attempt that took so many *seconds*."""
    job, facts = prepared.job, prepared.facts
    if not job.processors:
        return None
    started = from_ms(claim.now_ms)
    info = ExecutionInfo(
        job=job.name,
        run_id=facts.run_id,
        execution_id=facts.execution_id,
        attempt=claim.attempt,
        node=facts.node,
        due=facts.due,
        started=started,
        finished=started + timedelta(seconds=seconds),
        success=report.success,
        reason=report.reason,
        message=report.message,
        exit_code=report.exit_code,
    )
    steps = tuple(Step(processor=name, config=dict(config)) for name, config in job.processors.items())
    return Plan(steps=steps, info=info, facts=facts)


def prepare(claim: Claim, node: str, resolver: Callable[[Secret], str], parents: ParentsReader) -> Prepared:
    """What *claim* asks this node to run.

    Raises ConfigError for a definition that is gone, InvalidError for options and templates that cannot be used, and
    what *resolver* raises.
    """
    if claim.definition is None:
        raise ConfigError(f"the definition of job {claim.execution.job!r} is gone: it was deleted long ago")
    job = decode_definition(claim.definition)
    facts = facts_of(claim, job, node, parents)
    options = render_options(options_type(job.executor), job.executor_config, facts, job=job.name)
    resolved, masked = resolve_secrets(options, resolver)
    return Prepared(job=job, options=resolved, masked=masked, facts=facts)
