"""Dkron Pro's routes for policies."""

from __future__ import annotations

import json
from typing import Any

from litestar.params import FromPath, RawBody

from dkronpy.api.answers import Answer, AnyRequest, json_answer, list_answer
from dkronpy.api.handlers import route
from dkronpy.api.services import note_of, services_of

_ALL = "/v1/acl/policies"
_PATH = f"{_ALL}/{{name:str}}"


@route("GET", _ALL, action="govern", listing=True)
def list_policies(request: AnyRequest) -> Answer:
    """Every policy with the text of its rules, by name."""
    services = services_of(request)
    with services.store.errors():
        found = {name: services.policies.get(name) for name in services.policies.names()}
    return list_answer(request, [{"id": name, "Name": name, "Rules": text} for name, text in found.items()])


@route("GET", _PATH, action="govern")
def show_policy(request: AnyRequest, name: FromPath[str]) -> Answer:
    """A policy with the text of its rules."""
    services = services_of(request)
    with services.store.errors():
        return json_answer(request, {"Name": name, "Rules": services.policies.get(name)})


@route("POST", _PATH, action="govern")
def save_policy(request: AnyRequest, name: FromPath[str], body: RawBody) -> Answer:
    """Keep a policy: the body is its rules, or ``{"Rules": ...}`` with them as text or as an object."""
    text = _rules(body.decode("utf-8", "replace"))
    services = services_of(request)
    with services.store.errors():
        services.policies.save(name, text)
    note_of(request).detail = f"policy {name}"
    return json_answer(request, {"Name": name, "Rules": text})


@route("DELETE", _PATH, action="govern")
def delete_policy(request: AnyRequest, name: FromPath[str]) -> Answer:
    """Drop a policy."""
    services = services_of(request)
    with services.store.errors():
        text = services.policies.get(name)
        services.policies.delete(name)
    note_of(request).detail = f"policy {name}"
    return json_answer(request, {"Name": name, "Rules": text})


def _rules(text: str) -> str:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text  # refused where it is saved
    if isinstance(document, dict) and "path" not in document and "Rules" in document:
        rules = document["Rules"]
        return rules if isinstance(rules, str) else json.dumps(rules)
    return text


ROUTES = [list_policies, show_policy, save_policy, delete_policy]
