"""An agent whose connection to RabbitMQ breaks while it holds a message: the next connection carries on undisturbed."""

from __future__ import annotations

from pathlib import Path

from dkronpy.job import Job, Run
from dkronpy.node import any_node
from tests.acceptance.fleet import Fleet
from tests.executors.services.rabbitmq import RabbitServer
from tests.faults.proxy import Proxy
from tests.support import StoreServer, wait_until

GONE = "no messages come from the broker"


def test_a_message_of_a_lost_connection_does_not_cost_the_next_one(server: StoreServer, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    wait = f"while [ ! -e {flag} ]; do sleep 0.1; done"
    with RabbitServer() as broker, Proxy(broker.port) as proxy:
        settings = {"DKRONPY_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{proxy.port}//", "DKRONPY_CAPACITY": "1"}

        def messages(kind: str) -> int:
            rows = broker.control("list_queues", "--quiet", "--no-table-headers", "name", kind).splitlines()
            return sum(int(row.split()[1]) for row in rows if row.startswith("dkronpy.node.n1"))

        with Fleet(server, tmp_path, settings) as fleet:
            fleet.beat()
            agent = fleet.agent("n1")
            for name, command in (("long", wait), ("next", "true")):
                run = Run("shell", {"command": command, "shell": True})
                fleet.save(Job(name=name, schedule="@manually", run=run, on=any_node()))
            long = fleet.client.run_job("long").run.id
            fleet.started(long)
            following = fleet.client.run_job("next").run.id
            wait_until(lambda: messages("messages_unacknowledged") == 1, timeout=30, description="the agent holds one")
            proxy.cut()
            wait_until(lambda: agent.output.count("Connected to") == 2, timeout=30, description="it is connected again")
            wait_until(lambda: messages("messages_unacknowledged") == 1, timeout=30, description="it is given it again")
            flag.touch()
            for name in (long, following):
                assert fleet.ended(name)[0].state == "success"
            wait_until(lambda: messages("messages") == 0, timeout=30, description="none is left")
            assert fleet.run_now("next")[0].state == "success"
            assert agent.output.count(GONE) == 1, "the connection that there is was given up"
            assert "Couldn't ack" not in agent.output
