"""The HTTP API: Dkron's v1 routes for Dkron's clients, our own beside them, and who may call which."""
