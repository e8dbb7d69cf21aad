"""A job and what it consists of; the definition itself is in :mod:`dkronpy.job.job`."""

from dkronpy.job.job import CatchUp, Job, Run

__all__ = ["CatchUp", "Job", "Run"]
