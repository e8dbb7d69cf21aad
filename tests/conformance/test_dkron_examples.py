"""Jobs as users of Dkron have them, one for each of its executors, on real servers: nothing in them has to change.

Only what names a machine, a file or a network is adapted, since those of the test are others.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pika
import pytest

from dkronpy.config.check import full_check
from dkronpy.job.json import decode_job
from dkronpy.plugins.executor import Executor, Outcome
from dkronpy.plugins.registry import executor_class, options_type
from dkronpy.testing.harness import ExecutorHarness
from tests.executors.servers import Authority, Handler, HttpServer
from tests.executors.services.dockerd import IMAGE, DockerEngine
from tests.executors.services.ecs import EcsServer
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.kafka import KafkaServer
from tests.executors.services.kafka_gate import KafkaGate
from tests.executors.services.nats import NatsServer
from tests.executors.services.pubsub import FakePubSub
from tests.executors.services.rabbitmq import RabbitServer
from tests.support import free_port

SHELL = """{"name": "nightly-dump", "schedule": "0 15 2 * * *", "timezone": "Europe/Lisbon", "retries": 2,
 "executor": "shell", "executor_config": {"shell": "true",
  "command": "set -e; pg_dump app | gzip > $OUT/app.gz; echo as $PGUSER", "env": "OUT=/srv/dumps,PGUSER=backup",
  "cwd": "/srv", "su": "backup:backup", "timeout": "45m", "mem_limit": "1.5GB"}}"""
HTTP = r"""{"name": "ping-billing", "schedule": "@every 30s", "executor": "http", "executor_config": {"method": "POST",
 "url": "https://billing.internal/tasks/close-day", "headers": "[\"Content-Type: application/json\",\"X-Token: abc\"]",
 "body": "{\"dry\":false}", "timeout": "10", "expectCode": "200,202", "expectBody": "\"ok\":\\s*true",
 "tlsRootCAsFile": "/etc/ssl/corp.pem"}}"""
KAFKA = r"""{"executor": "kafka", "executor_config": {"brokerAddress": "k1:9093,k2:9093", "topic": "billing.ticks",
 "key": "tenant-7", "message": "{\"tick\":1}", "tlsEnable": "true", "saslUsername": "sched", "saslPassword": "s3cret",
 "saslMechanism": "sha512"}}"""
NATS = """{"executor": "nats", "executor_config": {"url": "tls://n1:4222,tls://n2:4222",
 "subject": "jobs.report.daily", "message": "go", "userName": "sched", "password": "pw"}}"""
RABBITMQ = r"""{"executor": "rabbitmq", "executor_config": {"url": "amqp://sched:pw@mq:5672/prod",
 "queue.name": "invoices", "queue.create": "true", "queue.durable": "true",
 "message.content_type": "application/json", "message.delivery_mode": "2",
 "message.body": "{\"month\":\"2026-07\"}"}}"""
GRPC = r"""{"executor": "grpc", "executor_config": {"url": "reports:9000/acme.reports.v1.Reports/Build",
 "body": "{\"day\":\"today\"}", "timeout": "20", "expectCode": "0", "headers": "[\"authorization: Bearer abc\"]"}}"""
PUBSUB = r"""{"executor": "gcppubsub", "executor_config": {"project": "acme-prod", "topic": "cron-ticks",
 "data": "eyJ0IjoxfQ==", "attributes": "{\"source\":\"dkron\"}"}}"""
DOCKER = """{"executor": "docker", "executor_config": {"image": "python:3.12-slim", "command": "python /app/run.py",
 "volumes": "/srv/app:/app:ro,/srv/logs:/logs", "env": "STAGE=prod"}}"""
ECS = """{"executor": "ecs", "executor_config": {"taskdefName": "reports", "region": "eu-west-1", "cluster": "batch",
 "fargate": "yes", "subnet": "subnet-1", "securityGroup": "sg-1", "service": "app", "overrides": "python,run.py,--all",
 "env": "STAGE=prod", "maxAttempts": "600"}}"""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this machine trusts."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    return made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="dkron-examples-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def program(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program of that name first on the path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def done(example: str, places: dict[str, str], executor: Executor[Any] | None = None) -> tuple[Outcome, str]:
    """How the job of *example* ends, and its output, with *places* of the test for those of the example."""
    for old, new in places.items():
        assert old in example, f"{old} does not stand in the example"
        example = example.replace(old, new)
    job, _ = decode_job(json.dumps({"name": "example", "schedule": "@every 30s", **json.loads(example)}))
    assert full_check(job) == []
    made = executor or executor_class(job.executor)()
    try:
        with ExecutorHarness(job=job.name, timeout=timedelta(seconds=30)) as harness:
            outcome, output = harness.run(made, options_type(job.executor).from_config(job.executor_config))
    finally:
        made.close()
    assert outcome.success, (outcome, output)
    return outcome, output.decode()


def test_shell(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(open_folder, "pg_dump", 'echo "dump of $1 by $(id -un):$(id -gn) in $PWD"', monkeypatch)
    dumps = open_folder / "dumps"
    dumps.mkdir()
    dumps.chmod(0o777)
    _, output = done(SHELL, {"/srv/dumps": str(dumps), '"/srv"': f'"{open_folder}"'})
    assert output == "as backup\n"
    dump = gzip.decompress((dumps / "app.gz").read_bytes()).decode()
    assert dump == f"dump of app by backup:backup in {open_folder}\n"


class Billing(Handler):
    """Closes days."""

    def on_tasks(self) -> None:
        self.send(202, b'{"day": 1, "ok": true}')


def test_http(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with HttpServer(authority.server_context()) as server:
        server.RequestHandlerClass = Billing
        outcome, output = done(HTTP, {"https://billing.internal": server.url, "/etc/ssl/corp.pem": str(authority.ca)})
    assert (outcome.exit_code, output) == (202, '{"day": 1, "ok": true}')
    (request,) = server.requests
    assert (request["method"], request["path"], request["body"]) == ("POST", "/tasks/close-day", b'{"dry":false}')
    assert (request["headers"]["Content-Type"], request["headers"]["X-Token"]) == ("application/json", "abc")


def test_kafka(authority: Authority) -> None:
    with (
        KafkaGate(user=("sched", "s3cret"), tls=authority.server_context()) as gate,
        KafkaServer(advertised=gate.port) as broker,
    ):
        gate.serve(broker.port)
        outcome, output = done(KAFKA, {"k1:9093": f"127.0.0.1:{free_port()}", "k2:9093": gate.address})
        assert set(gate.signed_in) == {"SCRAM-SHA-512"}
    assert output == "Result: successfully produced the message on Kafka broker\n"
    assert outcome.message.startswith("billing.ticks, partition ")
    assert outcome.result["offset"] == 0


def test_nats(authority: Authority) -> None:
    pair = authority.issue("localhost")
    settings = (
        f'tls {{ cert_file: "{pair}", key_file: "{pair}" }}\nallow_non_tls: true\n'
        'authorization { user: "sched", password: "pw" }\n'
    )
    with NatsServer(settings) as server, server.wire(user="sched", **{"pass": "pw"}) as wire:
        wire.subscribe("jobs.report.daily")
        _, output = done(NATS, {"n1:4222": f"127.0.0.1:{free_port()}", "n2:4222": server.address})
        assert wire.message()[1] == b"go"
    assert output == "Result: Message successfully sent\n"


def test_rabbitmq() -> None:
    with RabbitServer() as broker:
        broker.control("add_vhost", "prod")
        broker.control("add_user", "sched", "pw")
        broker.control("set_permissions", "-p", "prod", "sched", ".*", ".*", ".*")
        done(RABBITMQ, {"mq:5672": broker.address})
        connection = pika.BlockingConnection(pika.URLParameters(broker.url("sched:pw", "prod")))
        channel = connection.channel()
        channel.queue_declare("invoices", durable=True, passive=True)
        _, properties, body = channel.basic_get("invoices", auto_ack=True)
        connection.close()
    assert body == b'{"month":"2026-07"}'
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)


def test_grpc() -> None:
    with GrpcServer(token="abc") as reports:
        _, output = done(GRPC, {"reports:9000": reports.address})
        (call,) = (call for call in reports.calls if call["method"] == "Build")
    assert call["requests"] == [b"\x0a\x05today"]
    assert json.loads(output) == {"textLine": "report of today"}


def test_gcppubsub(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakePubSub() as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
        server.create("cron-ticks")
        _, output = done(PUBSUB, {})
        (message,) = server.pull("cron-ticks")
    assert (message.data, message.attributes["source"]) == (b'{"t":1}', "dkron")
    assert output == message.message_id


def test_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, logs = tmp_path / "app", tmp_path / "logs"
    app.mkdir()
    (app / "run.py").write_text('echo "at $STAGE"; echo done > /logs/log\n')
    with DockerEngine() as engine:
        add_program(engine, "python", '#!/bin/sh\nexec /bin/sh "$@"\n', "python:3.12-slim")
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        _, output = done(DOCKER, {"/srv/app": str(app), "/srv/logs": str(logs)})
        assert engine.containers() == []
    assert (output, (logs / "log").read_text()) == ("at prod\n", "done\n")


def add_program(engine: DockerEngine, name: str, script: str, image: str) -> None:
    """Make an image that has a program more."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.mode, entry.size = 0o755, len(script)
        tar.addfile(entry, io.BytesIO(script.encode()))
    made = engine.api.create_container(IMAGE, ["true"])["Id"]
    engine.api.put_archive(made, "/bin", buffer.getvalue())
    repository, _, tag = image.partition(":")
    engine.api.commit(made, repository, tag)
    engine.api.remove_container(made)


def test_ecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "python", 'echo "ran $@ at $STAGE"', monkeypatch)
    with EcsServer() as aws:
        aws.client("ecs").create_cluster(clusterName="batch")
        aws.register("exit 9", family="reports")
        ec2 = aws.client("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), aws.keys().values(), strict=True):
            monkeypatch.setenv(name, value)
        outcome, output = done(ECS, {"subnet-1": subnet, "sg-1": group})
    assert (outcome.exit_code, output) == (0, "ran run.py --all at prod\n")
