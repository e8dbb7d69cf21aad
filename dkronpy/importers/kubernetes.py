"""Kubernetes' CronJobs: what the container of each does becomes a job of the executor docker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args

from dkronpy.errors import ConfigError
from dkronpy.importers.imported import Gathering, Imported
from dkronpy.job import Job
from dkronpy.job.admission import Concurrency
from dkronpy.job.retry import Retry
from dkronpy.plugins.registry import import_extra, options_by_class_name
from dkronpy.secret import Secret

_POLICIES = {"Allow": "allow", "Forbid": "forbid"}
_SPEC = {
    "schedule", "timeZone", "suspend", "concurrencyPolicy", "startingDeadlineSeconds", "jobTemplate",
    "successfulJobsHistoryLimit", "failedJobsHistoryLimit",
}  # fmt: skip
_JOB_SPEC = {"template", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"}
_POD_SPEC = {
    "containers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "dnsPolicy",
    "schedulerName",
    "securityContext",
}
_CONTAINER = {
    "name", "image", "command", "args", "env", "workingDir", "imagePullPolicy", "resources",
    "terminationMessagePath", "terminationMessagePolicy",
}  # fmt: skip
_PULL = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}
DEFAULT_BACKOFF = 6
"""Kubernetes' backoffLimit where none is given."""


def read_kubernetes(text: str) -> Imported:
    """The CronJobs of a YAML file of one or several documents, or of what ``kubectl get cronjob -o yaml`` prints.

    Raises ConfigError for text that is none.
    """
    found = Gathering()
    for manifest in _manifests(text):
        if not isinstance(manifest.get("metadata") or {}, Mapping):
            found.lose("manifest", "left out: its metadata is no table")
        elif manifest.get("kind") == "CronJob":
            try:
                _cron_job(found, manifest)
            except (AttributeError, TypeError, ValueError, KeyError, OverflowError):  # a text where a table belongs
                found.lose(_where(manifest), "left out: it is not as Kubernetes writes a CronJob")
        else:
            found.lose(
                _where(manifest), f"left out: a {manifest.get('kind') or 'manifest without a kind'} is no CronJob"
            )
    return found.done()


def _manifests(text: str) -> Iterator[Mapping[str, Any]]:
    for document in _documents(text):
        if not isinstance(document, Mapping):
            raise ConfigError("this is no manifest of Kubernetes", hint="`kubectl get cronjob -o yaml` prints such")
        if str(document.get("kind", "")).endswith("List"):
            items = document.get("items")
            yield from (item for item in (items if isinstance(items, list) else ()) if isinstance(item, Mapping))
        else:
            yield document


def _documents(text: str) -> Iterator[Any]:
    """The documents of JSON, which needs no further package, or of YAML."""
    if text.lstrip().startswith("{"):
        with suppress(ValueError):
            yield json.loads(text)
            return
    yaml = import_extra("yaml", extra="yaml", plugin="import kubernetes")
    try:
        yield from (document for document in yaml.safe_load_all(text) if document is not None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"this is not YAML: {' '.join(str(error).split())}") from None


def _where(manifest: Mapping[str, Any]) -> str:
    meta = manifest.get("metadata") or {}
    space, name = meta.get("namespace"), meta.get("name") or "manifest without a name"
    return f"{space}/{name}" if space and space != "default" else str(name)


def _cron_job(found: Gathering, manifest: Mapping[str, Any]) -> None:
    where, spec = _where(manifest), manifest.get("spec") or {}
    job_spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    pod = (job_spec.get("template") or {}).get("spec") or {}
    containers = pod.get("containers") or []
    if not containers:
        found.lose(where, "left out: it has no container")
        return
    name = found.name(where)
    for known, table, place in ((_SPEC, spec, ""), (_JOB_SPEC, job_spec, ""), (_POD_SPEC, pod, "pod: ")):
        for key in table:
            if key not in known and not (key in ("parallelism", "completions") and table[key] == 1):
                found.lose(where, f"{place}{key} is not kept", name)
    for other in containers[1:]:
        found.lose(where, f"container {other.get('name')} is not kept: a job runs one", name)
    if not spec.get("timeZone"):
        found.lose(where, "no timeZone: read in UTC, Kubernetes reads it in the zone of its controller", name)
    job = Job(
        name=name,
        schedule=str(spec.get("schedule", "")),
        timezone=str(spec.get("timeZone") or "UTC"),
        run=_docker(found, where, name, containers[0]),
        enabled=not spec.get("suspend", False),
        concurrency=_concurrency(found, where, name, spec.get("concurrencyPolicy") or "Allow"),
        start_deadline=_seconds(spec.get("startingDeadlineSeconds")),
        timeout=_seconds(job_spec.get("activeDeadlineSeconds")),
        retry=_retry(job_spec),
        history_limit=_kept(spec, "successfulJobsHistoryLimit", 1),
        failure_limit=_kept(spec, "failedJobsHistoryLimit", 0),
        metadata={
            str(key): str(value) for key, value in ((manifest.get("metadata") or {}).get("labels") or {}).items()
        },
    )
    found.add(job, where)


def _concurrency(found: Gathering, where: str, name: str, policy: str) -> Any:
    if policy in _POLICIES:
        return _POLICIES[policy]
    if policy == "Replace" and "terminate" in get_args(Concurrency):
        return "terminate"
    found.lose(where, f"concurrencyPolicy {policy} is not kept: a run is skipped while another is active", name)
    return "forbid"


def _seconds(value: Any) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, (int, float)) and value > 0 else None


def _kept(spec: Mapping[str, Any], name: str, least: int) -> int | None:
    """How many runs are kept, where that is said."""
    count = spec.get(name)
    return max(least, count) if isinstance(count, int) else None


def _retry(job_spec: Mapping[str, Any]) -> Retry:
    """Kubernetes starts a failed pod again after 10 s, then twice as long each time, at most 6 minutes."""
    limit = job_spec.get("backoffLimit", DEFAULT_BACKOFF)
    return Retry(limit, delay="10s", cap="6m", jitter=False) if limit else Retry(0)


def _docker(found: Gathering, where: str, name: str, container: Mapping[str, Any]) -> Any:
    for key in container:
        if key not in _CONTAINER:
            found.lose(where, f"container: {key} is not kept", name)
    options: dict[str, Any] = {}
    if container.get("command"):
        options["entrypoint"] = tuple(map(str, container["command"]))
    if container.get("args"):
        options["command"] = tuple(map(str, container["args"]))
    if env := _env(found, where, name, container.get("env") or ()):
        options["env"] = env
    if container.get("workingDir"):
        options["cwd"] = str(container["workingDir"])
    pull = container.get("imagePullPolicy")
    if pull in _PULL and pull != "IfNotPresent":
        options["pull"] = _PULL[pull]
    limits = (container.get("resources") or {}).get("limits") or {}
    if "memory" in limits:
        options["mem_limit"] = _memory(str(limits["memory"]))
    if "cpu" in limits:
        options["cpus"] = _cpus(str(limits["cpu"]))
    for key in limits:
        if key not in ("memory", "cpu"):
            found.lose(where, f"limit {key} is not kept", name)
    return options_by_class_name("Docker")(str(container.get("image", "")), **options)


def _env(found: Gathering, where: str, name: str, rows: Any) -> dict[str, Any]:
    env: dict[str, Any] = {}
    for row in rows:
        source = row.get("valueFrom") or {}
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            env[row["name"]] = Secret(f"{reference.get('name')}/{reference.get('key')}")
            found.lose(
                where, f"{row['name']} comes of the secret {env[row['name']].secret}: give it to the nodes", name
            )
        elif source:
            found.lose(where, f"{row['name']} from {next(iter(source))} is not kept", name)
        else:
            env[row["name"]] = str(row.get("value", ""))
    return env


def _memory(text: str) -> str:
    """``512Mi``, ``2Gi``, ``500M`` as our executor writes sizes."""
    for unit, ours in (("Ki", "KB"), ("Mi", "MB"), ("Gi", "GB")):
        if text.endswith(unit):
            return text[: -len(unit)] + ours
    for unit, size in (("k", 1000), ("M", 1000**2), ("G", 1000**3)):
        if text.endswith(unit):
            return str(int(float(text[:-1]) * size))
    return text


def _cpus(text: str) -> float:
    """``500m`` and ``0.5`` are half a processor."""
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)
