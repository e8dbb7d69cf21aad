"""With its server gone no processor says that it has delivered."""

from __future__ import annotations

from typing import Any

import pytest

from dkronpy.plugins.processor import ProcessorError
from dkronpy.plugins.registry import names
from tests.processors.conftest import Process
from tests.support import free_port

HOST = "127.0.0.1"
CONFIGS: dict[str, dict[str, Any]] = {
    "elasticsearch": {"url": "http://{there}"},
    "email": {"host": HOST, "port": "{port}", "emails": "ops@acme.io", "sender": "jobs@acme.io"},
    "fluent": {"host": HOST, "port": "{port}"},
    "slack": {"url": "http://{there}/T0K3N"},
    "syslog": {"address": "tcp://{there}"},
    "webhook": {"url": "http://{there}/hook"},
}
LOCAL = {"files", "log"}
"""Those that talk to nobody."""


def test_all_are_here() -> None:
    assert set(names("processor")) == LOCAL | set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_is_delivered_where_nobody_listens(process: Process, name: str) -> None:
    port = str(free_port())
    config = {key: value.format(port=port, there=f"{HOST}:{port}") for key, value in CONFIGS[name].items()}
    with pytest.raises(ProcessorError, match=rf"cannot reach {HOST}:{port}: Connection refused"):
        process(name, b"output", config)
