"""Makes a claimed definition ready to run: templates rendered, options read, secrets resolved, in this order.

Secrets come last, so that their values never pass through a template and never stand in an error about one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dkronpy.clock import from_ms
from dkronpy.errors import ConfigError
from dkronpy.job import Job
from dkronpy.job_json import decode_definition
from dkronpy.plugins.options import Options, resolve_secrets
from dkronpy.plugins.registry import options_type
from dkronpy.plugins.template import Facts, job_facts, render_options
from dkronpy.secret import Secret
from dkronpy.store.ledger import Claim


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A job with the options of one attempt; ``masked`` are the values of its secrets."""

    job: Job
    options: Options
    masked: frozenset[str]


def facts_of(claim: Claim, job: Job, node: str) -> Facts:
    """What the templates of this attempt may speak of."""
    return Facts(
        job=job_facts(job),
        due=from_ms(claim.execution.due_ms),
        node=node,
        attempt=claim.attempt,
        run_id=claim.execution.run_id,
        execution_id=claim.execution.id,
    )


def prepare(claim: Claim, node: str, resolver: Callable[[Secret], str]) -> Prepared:
    """What *claim* asks this node to run.

    Raises ConfigError for a definition that is gone, InvalidError for options and templates that cannot be used, and
    what *resolver* raises.
    """
    if claim.definition is None:
        raise ConfigError(f"the definition of job {claim.execution.job!r} is gone: it was deleted long ago")
    job = decode_definition(claim.definition)
    facts = facts_of(claim, job, node)
    options = render_options(options_type(job.executor), job.executor_config, facts, job=job.name)
    resolved, masked = resolve_secrets(options, resolver)
    return Prepared(job=job, options=resolved, masked=masked)
