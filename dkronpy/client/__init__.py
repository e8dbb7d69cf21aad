"""The facade over a deployment, and the parts that it consists of."""

from dkronpy.client.client import Client, Event, JobView, Leader, RunView, Status

__all__ = ["Client", "Event", "JobView", "Leader", "RunView", "Status"]
