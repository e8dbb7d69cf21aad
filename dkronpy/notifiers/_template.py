"""Templates for what is sent: ours, and Dkron's ``{{.JobName}}``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dkronpy.errors import ConfigError
from dkronpy.plugins.notifier import Message, Notice, NotifierError

NAMES = ("subject", "text", "notice", "notices", "channel", "id", "count")
_DKRON = re.compile(r"\{\{-?\s*\.(\w+)\s*-?\}\}")


def rendered(template: str, message: Message) -> str:
    """*template* filled in with *message*. Raises NotifierError for one that cannot be used."""
    if _DKRON.search(template):
        return _dkron(template, message.notices[0])
    from dkronpy.plugins._jinja import render_text

    facts = message.facts()
    values = {
        "subject": message.subject, "text": message.text, "notice": facts["notices"][0], "notices": facts["notices"],
        "channel": message.channel, "id": message.id, "count": len(message.notices),
    }  # fmt: skip
    try:
        return render_text(template, values, names=NAMES)
    except ConfigError as error:
        raise NotifierError(f"the template cannot be used: {error}", retryable=False) from None


def problem_of(template: str) -> str:
    """What is wrong with a template, as far as that is known before there is anything to tell."""
    found = _DKRON.search(template)
    if found:
        unknown = [name for name in _DKRON.findall(template) if name not in _facts_of_dkron(None)]
        known = ", ".join(_facts_of_dkron(None))
        return f"there is no .{unknown[0]}; known: {known}" if unknown else ""
    from dkronpy.plugins._jinja import check_template

    try:
        check_template(template, NAMES)
    except ConfigError as error:
        return str(error)
    return ""


def _dkron(template: str, notice: Notice) -> str:
    """As Go's templates would, but that a value in a JSON document stays one."""
    facts = _facts_of_dkron(notice)
    is_json = _is_json(_DKRON.sub("0", template))

    def value(found: re.Match[str]) -> str:
        text = facts.get(found[1], "")
        return json.dumps(text, ensure_ascii=False)[1:-1] if is_json else text

    return _DKRON.sub(value, template)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _facts_of_dkron(notice: Notice | None) -> Mapping[str, str]:
    """Dkron's names for what happened."""

    def moment(value: Any) -> str:
        return "" if value is None else value.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")

    started = "" if notice is None else moment(notice.started)
    finished = "" if notice is None else moment(notice.finished)
    job = "" if notice is None else notice.job
    node = "" if notice is None else ", ".join(notice.nodes)
    success = "" if notice is None else str(notice.good).lower()
    output = "" if notice is None else notice.output
    group = "" if notice is None else notice.run_id
    report = "\n".join([
        f"Executed: {job}", f"Reporting node: {node}", f"Start time: {started}", f"End time: {finished}",
        f"Success: {success}", f"Node: {node}", f"Output: {output}", f"Execution group: {group}",
    ])  # fmt: skip
    return {
        "Report": report, "JobName": job, "ReportingNode": node, "StartTime": started, "FinishedAt": finished,
        "Success": success, "NodeName": node, "Output": output,
    }  # fmt: skip
