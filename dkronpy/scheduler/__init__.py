"""Beat: reads what is due, decides, and fires it in one atomic step."""

from dkronpy.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
