"""The two sides of each comparison of ``scripts/bench executors``: an executor of ours, and the bare client library."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dkronpy.executors.celery import CeleryExecutor, CeleryTask
from dkronpy.executors.docker import Docker, DockerExecutor
from dkronpy.executors.ecs import Ecs, EcsExecutor
from dkronpy.executors.gcppubsub import PubSub, PubSubExecutor
from dkronpy.executors.grpc import Grpc, GrpcExecutor
from dkronpy.executors.http import Http, HttpExecutor
from dkronpy.executors.kafka import Kafka, KafkaExecutor
from dkronpy.executors.nats import Nats, NatsExecutor
from dkronpy.executors.python import Python, PythonExecutor
from dkronpy.executors.rabbitmq import RabbitMQ, RabbitMQExecutor
from dkronpy.executors.shell import Shell, ShellExecutor
from dkronpy.plugins.executor import Executor
from dkronpy.plugins.options import Options
from tests.executors.servers import HttpServer
from tests.executors.services.dockerd import IMAGE, DockerEngine
from tests.executors.services.ecs import REGION, EcsServer
from tests.executors.services.grpc_server import GrpcServer
from tests.executors.services.kafka import KafkaServer
from tests.executors.services.nats import NatsServer
from tests.executors.services.pubsub import PROJECT, FakePubSub
from tests.executors.services.rabbitmq import RabbitServer
from tests.support import StoreServer


@dataclass(frozen=True, kw_only=True)
class Peer:
    """``bare`` does once what ``executor`` does with ``options``; ``over`` says how. ``slow``: tens of milliseconds."""

    executor: Executor[Any]
    options: Options
    bare: Callable[[], None]
    over: str
    slow: bool = False


def shell(_: ExitStack) -> Peer:
    def bare() -> None:
        subprocess.run(["/bin/sh", "-c", "true"], check=True, capture_output=True)

    return Peer(executor=ShellExecutor(), options=Shell("true"), bare=bare, over="subprocess.run")


def python(_: ExitStack) -> Peer:
    def bare() -> None:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)

    return Peer(executor=PythonExecutor(), options=Python("math:sqrt", 2), bare=bare, over="os.fork and os.waitpid")


def http(stack: ExitStack) -> Peer:
    import requests

    server = stack.enter_context(HttpServer())
    session = stack.enter_context(requests.Session())
    url = f"{server.url}/status/200"

    def bare() -> None:
        session.post(url, data=b"x").raise_for_status()

    return Peer(executor=HttpExecutor(), options=Http(url, "POST", body="x"), bare=bare, over="requests.Session")


def kafka(stack: ExitStack) -> Peer:
    from confluent_kafka import Producer

    server = stack.enter_context(KafkaServer())
    server.create("bench")
    producer = Producer({
        "bootstrap.servers": server.address, "acks": "all", "enable.idempotence": True, "linger.ms": 0, "log_level": 0,
    })  # fmt: skip

    def bare() -> None:
        reports: list[Any] = []
        producer.produce("bench", b"tick", key=b"k", on_delivery=lambda *report: reports.append(report))
        while not reports:
            producer.poll(1)

    options = Kafka(server.address, "bench", "tick", key="k")
    return Peer(executor=KafkaExecutor(), options=options, bare=bare, over="confluent-kafka, produce to report")


def nats(stack: ExitStack) -> Peer:
    import nats as client

    server = stack.enter_context(NatsServer())
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)
    connection = loop.run_until_complete(client.connect(server.url))
    stack.callback(lambda: loop.run_until_complete(connection.close()))

    async def publish() -> None:
        await connection.publish("bench", b"tick")
        await connection.flush()

    def bare() -> None:
        loop.run_until_complete(publish())

    options = Nats(server.url, "bench", "tick")
    return Peer(executor=NatsExecutor(), options=options, bare=bare, over="nats-py, publish and flush")


def _rabbitmq(stack: ExitStack, *, declaring: bool) -> Peer:
    import pika

    server = stack.enter_context(RabbitServer())
    connection = pika.BlockingConnection(pika.URLParameters(server.url()))
    stack.callback(connection.close)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("bench", durable=True, arguments={"x-max-length": 1000})

    def bare() -> None:
        if declaring:
            channel.queue_declare("bench", durable=True, arguments={"x-max-length": 1000})
        channel.basic_publish("", "bench", b"tick", mandatory=True)

    options = RabbitMQ(
        server.url(), "bench", "tick",
        queue_create=declaring, queue_durable=declaring, queue_arguments={"x-max-length": 1000} if declaring else {},
    )  # fmt: skip
    return Peer(executor=RabbitMQExecutor(), options=options, bare=bare, over="pika, publish to confirmation")


def rabbitmq(stack: ExitStack) -> Peer:
    return _rabbitmq(stack, declaring=False)


def rabbitmq_declaring(stack: ExitStack) -> Peer:
    return _rabbitmq(stack, declaring=True)


def grpc(stack: ExitStack) -> Peer:
    import grpc as library

    server = stack.enter_context(GrpcServer())
    channel = stack.enter_context(library.insecure_channel(server.address))
    call = channel.unary_unary("/acme.reports.v1.Reports/Build")

    def bare() -> None:
        call(b"\x0a\x05today", timeout=30)

    options = Grpc(server.url(), json={"day": "today"})
    return Peer(executor=GrpcExecutor(), options=options, bare=bare, over="grpcio, the message as bytes")


def gcppubsub(stack: ExitStack) -> Peer:
    from google.pubsub_v1 import types
    from google.pubsub_v1.services.publisher import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    server = stack.enter_context(FakePubSub())
    server.create("bench")
    client = PublisherClient(transport=PublisherGrpcTransport(channel=stack.enter_context(server.channel())))
    topic = f"projects/{PROJECT}/topics/bench"

    def bare() -> None:
        client.publish(topic=topic, messages=[types.PubsubMessage(data=b"tick")])

    options = PubSub(PROJECT, "bench", text="tick", emulator=server.address)
    return Peer(executor=PubSubExecutor(), options=options, bare=bare, over="google-cloud-pubsub, one call a message")


def celery(stack: ExitStack) -> Peer:
    from celery import Celery

    server = stack.enter_context(StoreServer())
    app = Celery(broker=server.url, set_as_current=False)
    stack.callback(app.close)

    def bare() -> None:
        app.send_task("shop.close", ["today"], ignore_result=True)

    options = CeleryTask(server.url, "shop.close", ["today"])
    return Peer(executor=CeleryExecutor(), options=options, bare=bare, over="Celery's send_task")


def docker(stack: ExitStack) -> Peer:
    engine = stack.enter_context(DockerEngine())
    api = engine.api

    def bare() -> None:
        made = api.create_container(IMAGE, ["true"])["Id"]
        api.start(made)
        api.wait(made)
        api.logs(made)
        api.remove_container(made)

    options = Docker(IMAGE, ["true"], host=engine.host)
    return Peer(executor=DockerExecutor(), options=options, bare=bare, over="docker SDK: create to remove", slow=True)


def ecs(stack: ExitStack) -> Peer:
    server = stack.enter_context(EcsServer())
    server.register("true", family="bench")
    client = server.client("ecs")
    subnet = server.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    network = {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}}

    def bare() -> None:
        (run,) = client.run_task(
            cluster="jobs", taskDefinition="bench", launchType="FARGATE", networkConfiguration=network
        )["tasks"]
        task = run["taskArn"]
        while client.describe_tasks(cluster="jobs", tasks=[task])["tasks"][0]["lastStatus"] != "STOPPED":
            time.sleep(0.05)

    executor = EcsExecutor(timedelta(seconds=0.05), timedelta(seconds=0.05))
    options = Ecs(
        "bench", cluster="jobs", region=REGION, endpoint=server.url, fargate=True, subnets=(subnet,), **server.keys()
    )
    return Peer(executor=executor, options=options, bare=bare, over="boto3, looking every 50 ms, no logs", slow=True)


PEERS: dict[str, Callable[[ExitStack], Peer]] = {
    "shell": shell,
    "python": python,
    "http": http,
    "kafka": kafka,
    "nats": nats,
    "rabbitmq": rabbitmq,
    "rabbitmq, declaring": rabbitmq_declaring,
    "grpc": grpc,
    "gcppubsub": gcppubsub,
    "celery": celery,
    "docker": docker,
    "ecs": ecs,
}
