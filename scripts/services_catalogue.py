"""Every server that ``scripts/services`` can start, with the variables by which programs find it."""

from __future__ import annotations

import itertools
import json
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from tests.executors.servers import HttpServer
from tests.executors.services.dockerd import DockerEngine
from tests.executors.services.ecs import REGION, EcsServer
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.kafka import KafkaServer
from tests.executors.services.nats import NatsServer
from tests.executors.services.pubsub import PROJECT, Emulator, FakePubSub, PubSubServer, emulator_jar
from tests.executors.services.rabbitmq import RabbitServer
from tests.processors.search import SearchServer
from tests.services_postgres import PostgresServer
from tests.support import StoreServer, free_port

Variables = Mapping[str, str]


def _redis(stack: ExitStack) -> Variables:
    return {"REDIS_URL": stack.enter_context(StoreServer(kind="redis")).url}


def _valkey(stack: ExitStack) -> Variables:
    return {"VALKEY_URL": stack.enter_context(StoreServer(kind="valkey")).url}


def _postgres(stack: ExitStack) -> Variables:
    return {"DATABASE_URL": stack.enter_context(PostgresServer()).url()}


def _rabbitmq(stack: ExitStack) -> Variables:
    return {"AMQP_URL": stack.enter_context(RabbitServer()).url()}


def _nats(stack: ExitStack) -> Variables:
    return {"NATS_URL": stack.enter_context(NatsServer()).url}


def _kafka(stack: ExitStack) -> Variables:
    return {"KAFKA_BROKERS": stack.enter_context(KafkaServer()).address}


def _grpc(stack: ExitStack) -> Variables:
    return {"GRPC_URL": stack.enter_context(GrpcServer()).url()}


def _http(stack: ExitStack) -> Variables:
    return {"HTTP_URL": f"{stack.enter_context(HttpServer()).url}/echo"}


def _pubsub(stack: ExitStack) -> Variables:
    """Google's emulator where it is found, else the fake; with the topic ``ticks``."""
    kind: type[PubSubServer] = Emulator if emulator_jar() else FakePubSub
    server = stack.enter_context(kind())
    server.create("ticks")
    return {"PUBSUB_EMULATOR_HOST": server.address, "PUBSUB_PROJECT": PROJECT}


def _docker(stack: ExitStack) -> Variables:
    return {"DOCKER_HOST": stack.enter_context(DockerEngine()).host}


def _ecs(stack: ExitStack) -> Variables:
    """Moto, its tasks really run, with exit codes and logs; with the cluster ``jobs`` and the family ``hello``."""
    server = stack.enter_context(EcsServer())
    server.register("echo hello; exit ${STATUS:-0}", family="hello")
    names = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY"}
    keys = {names.get(name, f"AWS_{name.upper()}"): value for name, value in server.keys().items()}
    return {"AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": REGION, **keys}


def _elasticsearch(stack: ExitStack) -> Variables:
    return {"ELASTICSEARCH_URL": stack.enter_context(SearchServer()).url}


def _folder(stack: ExitStack, name: str) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))


def _smtp(stack: ExitStack) -> Variables:
    """Takes every mail and keeps it in a folder (Maildir)."""
    port, folder = free_port(), _folder(stack, "smtp") / "mails"
    controller = Controller(Mailbox(folder), hostname="127.0.0.1", port=port)
    controller.start()
    stack.callback(controller.stop)
    return {"SMTP_ADDRESS": f"127.0.0.1:{port}", "SMTP_MAILS": str(folder)}


def _syslog(stack: ExitStack) -> Variables:
    """Appends every datagram to a file, a line each."""
    log = _folder(stack, "syslog") / "messages"

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _append(log, self.request[0].rstrip(b"\n\0"))

    return {"SYSLOG_ADDRESS": _serve(stack, socketserver.UDPServer, Datagram), "SYSLOG_LOG": str(log)}


def _fluent(stack: ExitStack) -> Variables:
    """Speaks the forward protocol with receipts; appends every event to a file as a line of JSON."""
    log = _folder(stack, "fluent") / "events"

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            unpacker = msgpack.Unpacker(raw=False)
            while data := self.request.recv(65_536):
                unpacker.feed(data)
                for event in unpacker:
                    _append(log, json.dumps(event, default=repr).encode())
                    if isinstance(event[-1], dict) and "chunk" in event[-1]:
                        self.request.sendall(msgpack.packb({"ack": event[-1]["chunk"]}))

    return {"FLUENT_ADDRESS": _serve(stack, socketserver.ThreadingTCPServer, Forward), "FLUENT_LOG": str(log)}


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line + b"\n")


def _serve(stack: ExitStack, kind: type[socketserver.BaseServer], handler: type[Any]) -> str:
    """A server of ours in a thread, on a port that the system chooses; its address."""
    server = kind(("127.0.0.1", 0), handler)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return "{}:{}".format(*itertools.islice(server.server_address, 2))


SERVICES: dict[str, Callable[[ExitStack], Variables]] = {
    "redis": _redis,
    "valkey": _valkey,
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "nats": _nats,
    "kafka": _kafka,
    "grpc": _grpc,
    "http": _http,
    "pubsub": _pubsub,
    "docker": _docker,
    "ecs": _ecs,
    "smtp": _smtp,
    "syslog": _syslog,
    "fluent": _fluent,
    "elasticsearch": _elasticsearch,
}
"""What starts each server, to be stopped with the stack, and gives the variables by which it is found."""
