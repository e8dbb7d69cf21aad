from dkronpy.config.declare import defaults, job, moved, template
from dkronpy.executors.celery import CeleryTask
from dkronpy.executors.docker import Docker
from dkronpy.executors.ecs import Ecs
from dkronpy.executors.gcppubsub import PubSub
from dkronpy.executors.grpc import Grpc
from dkronpy.executors.http import Http
from dkronpy.executors.kafka import Kafka
from dkronpy.executors.nats import Nats
from dkronpy.executors.python import Python
from dkronpy.executors.rabbitmq import RabbitMQ
from dkronpy.executors.shell import Shell
from dkronpy.job import Job, Run
from dkronpy.job.notify import Notify
from dkronpy.job.param import Param
from dkronpy.job.retry import Retry
from dkronpy.node import Target, all_nodes, any_node, on_node
from dkronpy.plugins.auth import Basic, Bearer
from dkronpy.plugins.executor import RunContext
from dkronpy.remote.client import Client
from dkronpy.schedule import ScheduleSpec, at, cron, every, manual
from dkronpy.schedule.calendar import Calendar
from dkronpy.secret import Secret, secret

__all__ = [
    "Basic",
    "Bearer",
    "Calendar",
    "CeleryTask",
    "Client",
    "Docker",
    "Ecs",
    "Grpc",
    "Http",
    "Job",
    "Kafka",
    "Nats",
    "Notify",
    "Param",
    "PubSub",
    "Python",
    "RabbitMQ",
    "Retry",
    "Run",
    "RunContext",
    "ScheduleSpec",
    "Secret",
    "Shell",
    "Target",
    "all_nodes",
    "any_node",
    "at",
    "cron",
    "defaults",
    "every",
    "job",
    "manual",
    "moved",
    "on_node",
    "secret",
    "template",
]
