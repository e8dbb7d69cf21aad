"""The Celery application of one deployment, made from its settings.

``celery -A dkronpy.app …`` finds ``app`` here; it is made when it is first asked for, from the environment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import Celery

from dkronpy.deployment import Deployment, settings_from_environment
from dkronpy.settings import Settings
from dkronpy.transport import backend_configuration, broker_configuration


def make_app(settings: Settings) -> Celery:
    """The Celery application of a deployment; it connects to nothing yet."""
    app = Celery("dkronpy", set_as_current=False)
    app.conf.update(celery_configuration(settings))
    app.conf.dkronpy_deployment = Deployment(settings)
    app.conf.imports = ("dkronpy.tasks.run",)
    return app


def celery_configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings, each of which was found the hard way; `docs/celery.md` says why."""
    store_url = settings.effective_store_url
    return {
        **broker_configuration(settings.broker_url or store_url, settings.broker_key_prefix),
        **backend_configuration(store_url, settings.key_prefix),
        "result_expires": settings.celery_results or timedelta(hours=1),
        "result_backend_always_retry": True,
        "redbeat_redis_url": store_url,
        "redbeat_redis_options": {"socket_timeout": 5, "socket_connect_timeout": 2},
        "redbeat_key_prefix": settings.redbeat_key_prefix,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": False,
        "task_ignore_result": False,
        "task_track_started": True,
        "task_send_sent_event": True,
        "task_create_missing_queues": True,
        "task_default_queue": "dkronpy.default",
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_send_task_events": True,
        "worker_enable_remote_control": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "control_queue_ttl": 300.0,
        "control_queue_expires": 300.0,
        "event_queue_ttl": 60.0,
        "event_queue_expires": 60.0,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_max_loop_interval": 1,
    }


def __getattr__(name: str) -> Any:
    if name == "app":
        made = make_app(settings_from_environment())
        globals()["app"] = made
        return made
    raise AttributeError(name)
