"""What answers look like: an example of each kind of value in the description of the API, all of one small story.

A job ``report`` runs each morning on one of the nodes with the tag ``role=bi``; on 26 November it failed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dkronpy.api.failures import TITLES
from dkronpy.version import VERSION

_NEVER = "0001-01-01T00:00:00Z"
_DUE, _STARTED = "2026-11-26T05:00:00Z", "2026-11-26T05:00:00.031Z"
_RETRIED, _FINISHED = "2026-11-26T05:00:42.500Z", "2026-11-26T05:03:10.207Z"
_RUN = "report@2026-11-26T05:00:00.000Z"
_EXECUTION = f"{_RUN}.0"
_PLACE = "1795669390207-0"

_JOB = {
    "id": "report", "name": "report", "displayname": "Daily report", "timezone": "Europe/Berlin",
    "schedule": "0 0 6 * * *", "owner": "BI", "owner_email": "bi@example.org", "success_count": 41, "error_count": 1,
    "last_success": "2026-11-26T05:03:10.207Z", "last_error": "2026-11-26T05:00:42.188Z", "disabled": False,
    "tags": {"role": "bi:1"}, "metadata": {"team": "bi"}, "retries": 2, "dependent_jobs": ["mail-report"],
    "parent_job": "", "processors": {}, "concurrency": "allow", "executor": "shell",
    "executor_config": {"command": "make report"}, "status": "success", "next": "2026-11-27T05:00:00Z",
    "ephemeral": False, "starts_at": None, "expires_at": None,
}  # fmt: skip
_STORED = {
    "revision": 3, "source": "config/jobs.py", "saved_at": "2026-11-20T14:12:09.330Z",
    "anchor": "2026-11-20T14:12:09.330Z", "due": "2026-11-27T05:00:00Z", "what": None, "who": "ann (command line)",
    "why": "an hour later", "applied": 3, "wish": None,
}  # fmt: skip
_RECORD = {
    "id": "1795669242500-n1", "job_name": "report", "started_at": "2026-11-26T06:00:42.5+01:00",
    "finished_at": "2026-11-26T06:03:10.207+01:00", "success": True, "node_name": "n1", "group": 1795669200000,
    "attempt": 2, "output": "report of 2026-11-25: 1,204 rows\n", "output_truncated": False,
}  # fmt: skip
_MEMBER = {
    "Name": "n1", "Addr": "192.0.2.10", "Port": 0, "Tags": {"role": "bi", "dc": "fra"}, "Status": 1,
    "id": "5b9f7d0e-5d44-5d53-9b5b-0d9a4c1c9a55", "statusText": "alive",
}  # fmt: skip
_POLICY = {"Name": "readers", "Rules": '{"path": {"/v1/jobs/**": {"capabilities": ["read", "list"]}}}'}
_ATTEMPTS = [
    {
        "number": 1, "node": "n2", "state": "failed", "reason": "exit", "message": "exit status 2", "exit_code": 2,
        "started_at": _STARTED, "finished_at": "2026-11-26T05:00:42.188Z", "token": 1795669200031,
        "began_at": "2026-11-26T05:00:00.044Z",
    },
    {
        "number": 2, "node": "n1", "state": "success", "reason": "", "message": "", "exit_code": 0,
        "started_at": _RETRIED, "finished_at": _FINISHED, "token": 1795669242500,
        "began_at": "2026-11-26T05:00:42.512Z",
    },
]  # fmt: skip
_EXECUTION_OUT = {
    "id": _EXECUTION, "run": _RUN, "job": "report", "node": "n1", "due": _DUE, "trigger": "schedule",
    "state": "success", "reason": "", "message": "", "delivery": 2, "attempt": 2, "cancel": False, "amended": False,
    "queued_at": _DUE, "started_at": _STARTED, "finished_at": _FINISHED, "attempts": _ATTEMPTS,
}  # fmt: skip
_RUN_OUT: dict[str, Any] = {
    "id": _RUN, "job": "report", "due": _DUE, "trigger": "schedule", "decision": "fire", "state": "success",
    "reason": "", "message": "", "fired_at": "2026-11-26T05:00:00.004Z", "fired_by": "n1:4711",
    "finished_at": _FINISHED, "until": None, "count": 1, "revision": 3, "execution_ids": [_EXECUTION],
    "executions": [_EXECUTION_OUT], "params": {},
}  # fmt: skip
_LISTED_RUN = {**_RUN_OUT, "executions": None}
_LEADER = {"holder": "n1:4711", "epoch": 7, "since": "2026-11-20T13:58:01.002Z"}
_NODE = {
    "name": "n1", "alive": True, "drained": False, "address": "192.0.2.10", "tags": {"role": "bi", "dc": "fra"},
    "version": VERSION, "python": "3.12.8", "pid": 812, "capacity": 10, "running": 1,
    "executors": ["http", "python", "shell"], "instance": "c0b6c9", "started_at": "2026-11-20T13:57:40.118Z",
    "seen_at": "2026-11-26T05:03:11.020Z",
}  # fmt: skip
_PAUSE = {
    "id": "9c1f30d2", "job": "report", "tag": "", "reason": "the disks are changed", "by": "ann",
    "start": "2026-11-28T04:00:00Z", "until": "2026-11-28T08:00:00Z", "resumed_by": "",
}  # fmt: skip
_TOKEN = {
    "id": "3f0c8a51d2e94b67", "name": "reports", "state": "active", "role": "viewer", "jobs": ["report-*"],
    "policies": [], "created_at": "2026-11-20T14:00:00Z", "created_by": "ann", "expires_at": "2027-02-18T14:00:00Z",
    "used_at": "2026-11-26T05:03:00Z",
}  # fmt: skip
_CALENDAR = {
    "name": "germany", "revision": 2, "off": ["12-25", "2026-04-03"], "working": [], "weekend": ["SAT", "SUN"],
    "doc": "", "jobs": ["report"],
}  # fmt: skip
_CHANGE = {"field": "schedule", "old": "0 0 5 * * *", "new": "0 0 6 * * *"}

EXAMPLES: Mapping[str, Any] = {
    "Job": _JOB,
    "JobList": {"items": [{**_JOB, "stored": _STORED}], "total": 1, "after": None},
    "Record": _RECORD,
    "Member": _MEMBER,
    "Summary": {
        "agent": {"name": "n1", "version": VERSION}, "serf": {"members": "2", "failed": "0", "left": "0"},
        "tags": {"role": "bi", "server": "true"},
    },
    "Paused": {"paused": False},
    "Stats": {"stats": [{"date": "2026-11-26T00:00:00Z", "success_count": 1, "failed_count": 1}]},
    "Policy": _POLICY,
    "Health": {"status": "healthy", "leader": True, "issues": []},
    "Variables": {
        "cmdline": ["dkronpy"], "memstats": {}, "node": "n1", "cron_entries": {"report": "report"},
        "scheduler_started": 1,
    },
    "RunOut": _RUN_OUT,
    "RunList": {"items": [_LISTED_RUN], "after": None},
    "RunTree": {
        "items": [
            {"job": "report", "run": _LISTED_RUN, "parents": [], "depth": 0},
            {"job": "mail-report", "run": None, "parents": ["report"], "depth": 1},
        ],
    },
    "Cancelled": {"run": _RUN, "executions": {_EXECUTION: "told"}},
    "ExecutionOut": _EXECUTION_OUT,
    "ExecutionList": {"items": [_EXECUTION_OUT]},
    "OutputOut": {
        "attempt": 2, "size": 12, "head": "MSwyMDQgcm93cwo=", "tail": "",
        "marks": [{"offset": 0, "ms": 1795672800120, "stream": "merged"}], "grain_ms": 100,
    },
    "Times": {"job": "report", "times": ["2026-11-27T05:00:00.000Z", "2026-11-28T05:00:00.000Z"]},
    "Why": {
        "job": "report", "at": _DUE, "run": _RUN,
        "text": "report was due on 26 November at 06:00; it ran on n2, failed with exit status 2, and succeeded on n1.",
    },
    "Verdict": {
        "valid": False,
        "errors": [{"path": "schedule", "message": "field 2 (minute): 61 is more than 59", "hint": "0 to 59"}],
    },
    "StatusOut": {
        "version": VERSION, "now": "2026-11-26T05:03:11.300Z", "leader": _LEADER, "jobs": 2, "open_executions": 1,
        "late_ms": 0, "quarantined": 0, "paused": False, "nodes_up": 2, "nodes_down": 0, "leaders": [_LEADER],
    },
    "AuditPage": {
        "items": [{
            "id": _PLACE, "at_ms": 1795669390207, "outcome": "done", "who": "ann", "token": "3f0c8a51d2e94b67",
            "address": "192.0.2.77", "method": "PUT", "path": "/api/v1/jobs/report", "job": "report", "status": 200,
            "detail": "changed, revision 3",
        }],
        "after": None,
    },
    "Quarantined": {"items": {"redbeat:old-entry": "its definition is no JSON"}, "after": None},
    "NodeList": {"items": [_NODE], "after": None},
    "Renamed": {"jobs": ["report"], "executions": 2},
    "EventList": {
        "items": [{"id": _PLACE, "kind": "execution", "fields": {
            "execution": _EXECUTION, "job": "report", "run": _RUN, "state": "success", "node": "n1",
        }}],
        "position": _PLACE, "missed": False,
    },
    "PauseOut": _PAUSE,
    "PauseList": {"items": [_PAUSE], "after": None},
    "PlanOut": {
        "id": "5d2c1e0f", "source": "config/jobs.py", "others": 4,
        "jobs": [{
            "job": "report", "what": "changed", "revision": 3, "owner": "config/jobs.py", "changes": [_CHANGE],
            "moved": "",
        }],
    },
    "AppliedOut": {"plan": "5d2c1e0f", "created": [], "changed": ["report"], "removed": [], "refused": []},
    "ForecastOut": {
        "start": "2026-11-26T05:03:00.000Z", "end": "2026-11-27T05:03:00.000Z", "runs": 1442,
        "worst": [{"minute": "2026-11-27T05:00:00.000Z", "runs": 3, "jobs": ["report", "backup", "tidy"]}],
        "spread": {"jobs": ["backup", "tidy"], "within": 3600, "before": 3, "after": 1},
    },
    "JobAudit": {
        "job": "report", "start_ms": 1795582800000, "end_ms": 1795669200000, "notes": [], "waiting": 0,
        "audit": {
            "owed": 1, "ran": 1, "skipped": 0, "backfilled": 0, "missing": [], "doubled": [], "unexpected": [],
            "early": [], "late": [],
        },
    },
    "PoolList": {
        "items": [{"name": "database", "slots": 3, "runs": {_RUN: 2}, "waiting": ["tidy@2026-11-26T05:01:00.000Z"]}],
        "after": None,
    },
    "RevisionList": {
        "items": [{
            "revision": 3, "at": "2026-11-20T14:12:09.330Z", "who": "ann (command line)", "why": "an hour later",
            "job": _JOB,
        }],
        "after": None,
    },
    "FieldChange": _CHANGE,
    "Saved": {"what": "changed", "revision": 4, "ring": ""},
    "TokenList": {"items": [_TOKEN], "after": None},
    "TokenMade": {"token": _TOKEN, "secret": "dkronpy_..."},
    "TokenOut": _TOKEN,
    "CalendarList": {"items": [_CALENDAR], "after": None},
    "CalendarOut": _CALENDAR,
    "CalendarSaved": {"calendar": _CALENDAR, "changed": ["report"]},
    "ChannelList": {
        "items": [{
            "name": "ops", "notifier": "slack", "on": ["failed", "lost"], "default": True, "waiting": 0,
            "sent_at": "2026-11-25T05:00:44.010Z", "retry_at": None, "error": "", "problem": "",
        }],
        "after": None,
    },
    "DeliveryList": {
        "items": [{
            "at": "2026-11-25T05:00:44.010Z", "channel": "ops", "subject": "report failed", "notices": 1, "tries": 1,
            "error": "",
        }],
        "after": None,
    },
    "AttemptBegun": {
        "run": "tidy@2026-11-26T01:30:00.012Z-exec7f3a10", "execution": "tidy@2026-11-26T01:30:00.012Z-exec7f3a10.0",
        "token": 1795656600012, "attempt": 1,
    },
    "AttemptAnswer": {"answer": "go_on"},
    "BackfillOut": {"job": "report", "due": 3, "done": 27, "running": 0, "notes": []},
}  # fmt: skip
"""By the name of its schema."""
PLAIN: Mapping[str, Any] = {
    "/api/v1/jobs/{job}": {**_JOB, "stored": _STORED},
    "/v1/isleader": "I am a leader",
    "/v1/restore": '["success create report","success create mail-report"]',
    "/v1/leave": {"global": [{"Name": "n1", "ID": "n1", "Region": "global", "Datacenter": "dc1"}]},
    "/dkron.js": 'window.DKRON_API_URL = "//jobs.example.org/v1";\nwindow.DKRON_TOTAL_JOBS = 2;\n',
    "/metrics": '# HELP dkronpy_leader Whether a beat leads.\n# TYPE dkronpy_leader gauge\ndkronpy_leader 1.0\n',
    "/api/v1/executions/{execution}/output": "report of 2026-11-25: 1,204 rows\n",
    "/api/v1/executions/{execution}/follow": (
        'id: 12\nevent: output\ndata: "1,204 rows\\n"\n\n'
        'id: 12\nevent: end\ndata: {"state": "success", "reason": "", "attempt": 2}\n\n'
    ),
    "/api/v1/events/follow": f'event: execution\ndata: {{"job": "report", "state": "success"}}\nid: {_PLACE}\n\n',
    "/api/v1/backup": (
        f'{{"what":"dkronpy-backup","format":2,"version":"{VERSION}","made_ms":1795669391300}}\n'
        '{"what":"end","jobs":0,"runs":0}\n'
    ),
}  # fmt: skip
"""By its path, what looks otherwise than its schema's example, or has none."""
EVENT = {"event": "progress", "data": '{"total": 3, "ended": {"success": 2}, "active": 1}'}
"""One of a stream of events where that is not all that a route answers with."""
_DETAILS = {
    400: "If-Match: three is no ETag of a job", 401: "a token is needed: Authorization: Bearer ...",
    403: "ann may not do this", 404: "there is no job named 'x'", 409: "mail-report follow report",
    412: "job 'report' is at revision 4, not 3", 413: "Request Entity Too Large",
    422: "end: it has to be after start", 429: "too many failures from this address",
    503: "job submissions are paused",
}  # fmt: skip


def problem_example(status: int, *, ours: bool) -> dict[str, Any]:
    """What an error looks like on our routes, or on Dkron's."""
    detail = _DETAILS[status]
    return (
        {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}
        if ours
        else {"message": detail}
    )


def example_of(path: str, schema: Mapping[str, Any]) -> Any:
    """What the answer of a route with this schema looks like; None where nothing is known."""
    if path in PLAIN:
        return PLAIN[path]
    if schema.get("type") == "array":
        each = example_of("", schema["items"])
        return None if each is None else [each]
    return EXAMPLES.get(str(schema.get("$ref", "")).rpartition("/")[2])
