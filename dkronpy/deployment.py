"""The services of one deployment, made from its settings: store, ledger, jobs, nodes, results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dkronpy.results.backend import ResultsBackend
from dkronpy.results.keep import keep_of
from dkronpy.results.opening import open_results
from dkronpy.settings import Settings, load_settings
from dkronpy.signing import Signer, Verifier
from dkronpy.store.connection import Store
from dkronpy.store.jobs import Jobs
from dkronpy.store.keys import Keys
from dkronpy.store.ledger import Ledger
from dkronpy.store.nodes import Nodes
from dkronpy.store.pauses import Pauses

CONFIG_VARIABLE = "DKRONPY_CONFIG"


@dataclass(frozen=True)
class Deployment:
    """What the services of one process share. Each part connects at its first use."""

    settings: Settings

    @cached_property
    def store(self) -> Store:
        """The Redis that holds jobs and ledger."""
        settings = self.settings
        keys = Keys(prefix=settings.key_prefix, redbeat=settings.redbeat_key_prefix, broker=settings.broker_key_prefix)
        return Store(settings.effective_store_url, keys, replicas=settings.store_replicas)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger on it."""
        return Ledger(self.store, history=self.settings.history_limit)

    @cached_property
    def jobs(self) -> Jobs:
        """The job store on it; it signs what it saves where there is a key."""
        settings = self.settings
        signer = Signer.load(settings.signing_key) if settings.signing_key else None
        return Jobs(self.store, signer, only_signed=bool(settings.trusted_keys), revisions=settings.revision_limit)

    @cached_property
    def verifier(self) -> Verifier | None:
        """Whom a node trusts to sign definitions; None where nothing needs a signature."""
        if self.settings.trusted_keys:
            return Verifier.load(self.settings.trusted_keys)
        return Signer.load(self.settings.signing_key).verifier() if self.settings.signing_key else None

    @cached_property
    def nodes(self) -> Nodes:
        """The register of nodes on it."""
        return Nodes(self.store)

    @cached_property
    def pauses(self) -> Pauses:
        """What is paused, in it."""
        return Pauses(self.store)

    @cached_property
    def results(self) -> ResultsBackend:
        """Where finished runs are kept."""
        return self.open_results()

    def open_results(self, *, hurried: bool = False) -> ResultsBackend:
        """The same with connections of its own; ``open_results`` says what *hurried* means."""
        settings = self.settings
        return open_results(
            settings.effective_results_url,
            lifetime=max(settings.retention, settings.failure_retention),
            prefix=settings.key_prefix + "results:",
            hurried=hurried,
        )

    def most_runs(self, job: str) -> int:
        """How many runs of a job may be kept."""
        with self.store.errors():
            stored = self.jobs.many([job])
        keep = keep_of(stored[0].job if stored else None, self.settings)
        return keep.runs + keep.failures

    def close(self) -> None:
        """Let the connections of those parts go that were used."""
        for part in ("store", "results"):
            if part in self.__dict__:
                getattr(self, part).close()


def settings_from_environment() -> Settings:
    """The settings of a process without flags: the environment, and the folder that ``DKRONPY_CONFIG`` names."""
    settings, _ = load_settings(os.environ.get(CONFIG_VARIABLE) or None, os.environ)
    return settings


def deployment_of(app: Any) -> Deployment:
    """The deployment behind a Celery application: made with ours, or from the environment for a user's own."""
    found = app.conf.get("dkronpy_deployment")
    if found is None:
        found = app.conf["dkronpy_deployment"] = Deployment(settings_from_environment())
    return found  # type: ignore[no-any-return]
