"""Runs the scheduler's own code under a virtual clock: what becomes of a deployment in a week, in seconds."""

from dkronpy.simulation.simulation import Outage, Simulated, simulate

__all__ = ["Outage", "Simulated", "simulate"]
