"""Pub/Sub servers for tests: Google's emulator where it is found, and a fake with faults, credentials and TLS.

``python -m tests.executors.services.pubsub PORT '{"folder": ..., "token": ..., "certificate": ...}'`` is the fake.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.executors.services.process import ServerProcess
from tests.support import ROOT

PROJECT = "acme-prod"


def emulator_jar() -> Path | None:
    """Google's emulator, where their command-line tools are installed with it."""
    found = sorted(Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib").glob("cloud-pubsub-emulator-*.jar"))
    return found[-1] if found and shutil.which("java") else None


KINDS = ["fake", "emulator"] if emulator_jar() else ["fake"]
"""The servers that there are here; each test of what is published runs on all of them."""


class PubSubServer(ServerProcess):
    """What both have: topics, each with a subscription that reads what was published to it."""

    def channel(self) -> grpc.Channel:
        """A channel that the caller closes."""
        return grpc.insecure_channel(self.address)

    def create(self, topic: str) -> None:
        """Create a topic and its subscription."""
        name = f"projects/{PROJECT}/topics/{topic}"
        with self.channel() as channel:
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=name)
            SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)).create_subscription(
                request={"name": _subscription(topic), "topic": name, "enable_message_ordering": True}
            )

    def pull(self, topic: str) -> list[Any]:
        """The messages that are there, taken with Google's own client."""
        with self.channel() as channel:
            client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
            answer = client.pull(subscription=_subscription(topic), max_messages=100, timeout=10)
            ids = [entry.ack_id for entry in answer.received_messages]
            if ids:
                client.acknowledge(subscription=_subscription(topic), ack_ids=ids)
            return [entry.message for entry in answer.received_messages]


def _subscription(topic: str) -> str:
    return f"projects/{PROJECT}/subscriptions/{topic}-reader"


class Emulator(PubSubServer):
    """Google's own; what was published is gone when it is killed."""

    start_timeout = 60.0

    def command(self) -> list[str | Path]:
        jar = emulator_jar()
        assert jar is not None
        options = ["-Xmx256m", "-XX:TieredStopAtLevel=1"]
        return ["java", *options, "-jar", jar, "--host=127.0.0.1", f"--port={self.port}"]


class FakePubSub(PubSubServer):
    """The same over gRPC with Google's message types, and what the emulator cannot do.

    *token* is the bearer token that publishers must bring; *certificate* is a PEM file for TLS. With either, topics
    exist as soon as they are asked for, since ``create`` has no credentials.
    """

    def __init__(self, *, token: str = "", certificate: Path | None = None) -> None:
        self._settings = {"token": token, "certificate": str(certificate or "")}
        super().__init__()

    def command(self) -> list[str | Path]:
        settings = json.dumps({**self._settings, "folder": str(self.folder)})
        return [sys.executable, "-m", "tests.executors.services.pubsub", str(self.port), settings]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

    def fail(self, *statuses: str) -> None:
        """Answer the next calls of Publish with these statuses."""
        (self.folder / "faults").write_text("\n".join(statuses))

    @property
    def published(self) -> list[dict[str, Any]]:
        """What was asked of Publish: ``metadata``, and the status that it got."""
        path = self.folder / "published.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Service:
    """The methods of Publisher and Subscriber that tests need."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._folder = Path(settings["folder"])
        self._token = settings["token"]
        self._any_topic = bool(settings["token"] or settings["certificate"])
        self._changed = threading.Condition()
        self._ids = itertools.count(1)
        self._topics: set[str] = set()
        self._queues: dict[str, tuple[str, deque[Any]]] = {}
        self._log = (self._folder / "published.jsonl").open("a", buffering=1)

    def create_topic(self, request: Any, context: Any) -> Any:
        """A topic."""
        with self._changed:
            self._topics.add(request.name)
        return request

    def create_subscription(self, request: Any, context: Any) -> Any:
        """A subscription; it has what is published from now on."""
        with self._changed:
            self._queues[request.name] = (request.topic, deque())
        return request

    def publish(self, request: Any, context: Any) -> Any:
        """Take the messages, unless a fault is due."""
        fault = self._fault()
        metadata = {entry.key: entry.value for entry in context.invocation_metadata()}
        known = request.topic in self._topics or self._any_topic
        if not fault and self._token and metadata.get("authorization") != f"Bearer {self._token}":
            fault = "UNAUTHENTICATED"
        if not fault and not known:
            fault = "NOT_FOUND"
        self._log.write(json.dumps({"metadata": metadata, "status": fault or "OK"}) + "\n")
        if fault:
            context.abort(grpc.StatusCode[fault], f"the fake says {fault.lower()}")
        with self._changed:
            for message in request.messages:
                message.message_id = str(next(self._ids))
                for topic, waiting in self._queues.values():
                    if topic == request.topic:
                        waiting.append(message)
            self._changed.notify_all()
        return types.PublishResponse(message_ids=[message.message_id for message in request.messages])

    def pull(self, request: Any, context: Any) -> Any:
        """What is there, or comes within a second."""
        until = time.monotonic() + 1
        with self._changed:
            waiting = self._queues[request.subscription][1]
            while not waiting and time.monotonic() < until:
                self._changed.wait(0.1)
            messages = [waiting.popleft() for _ in range(len(waiting))]
        received = [types.ReceivedMessage(ack_id=message.message_id, message=message) for message in messages]
        return types.PullResponse(received_messages=received)

    def acknowledge(self, request: Any, context: Any) -> Any:
        """Nothing: what was pulled does not come again."""
        return empty_pb2.Empty()

    def _fault(self) -> str:
        with self._changed:
            path = self._folder / "faults"
            first, _, rest = (path.read_text() if path.exists() else "").partition("\n")
            if first:
                path.write_text(rest)
            return first


def _handler(method: Callable[[Any, Any], Any], request: Any, response: Any) -> Any:
    serialize = response.SerializeToString if response is empty_pb2.Empty else response.serialize
    return grpc.unary_unary_rpc_method_handler(method, request.deserialize, serialize)


def main() -> None:
    """Serve until the process is ended."""
    port, settings = int(sys.argv[1]), json.loads(sys.argv[2])
    service = Service(settings)
    server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", 20_000_000)])
    methods = {
        "Publisher": {
            "CreateTopic": _handler(service.create_topic, types.Topic, types.Topic),
            "Publish": _handler(service.publish, types.PublishRequest, types.PublishResponse),
        },
        "Subscriber": {
            "CreateSubscription": _handler(service.create_subscription, types.Subscription, types.Subscription),
            "Pull": _handler(service.pull, types.PullRequest, types.PullResponse),
            "Acknowledge": _handler(service.acknowledge, types.AcknowledgeRequest, empty_pb2.Empty),
        },
    }
    for name, handlers in methods.items():
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(f"google.pubsub.v1.{name}", handlers)])
    address = f"127.0.0.1:{port}"
    if settings["certificate"]:
        pem = Path(settings["certificate"]).read_bytes()
        bound = server.add_secure_port(address, grpc.ssl_server_credentials([(pem, pem)]))
    else:
        bound = server.add_insecure_port(address)
    assert bound == port, f"port {port} is taken"
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
