"""Telling people: what happened to jobs, found in the ledger's events, becomes messages to channels."""
