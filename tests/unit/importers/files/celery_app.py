"""A Celery application as shops have them."""

from __future__ import annotations

from datetime import timedelta

from celery import Celery
from celery.schedules import BaseSchedule, crontab


class Tides(BaseSchedule):
    """A schedule of their own."""


app = Celery("shop", broker="redis://broker.example.com:6379/3")
app.conf.timezone = "Europe/Berlin"
app.conf.beat_schedule = {
    "close-day": {
        "task": "shop.tasks.close_day",
        "schedule": crontab(minute="30", hour="2", day_of_week="mon-fri"),
        "args": ("today", 3),
        "kwargs": {"full": True},
        "options": {"queue": "night", "priority": 5, "expires": 600, "headers": {"x": 1}},
    },
    "Every Minute": {"task": "shop.tasks.tick", "schedule": 60.0},
    "sweep": {"task": "shop.tasks.sweep", "schedule": timedelta(minutes=5), "relative": True},
    "odd": {"task": "shop.tasks.odd", "schedule": crontab(minute=0, hour={3, 4}, day_of_month="1", day_of_week="1")},
    "ebb": {"task": "shop.tasks.ebb", "schedule": Tides()},
    "no-task": {"schedule": 1.0},
}
