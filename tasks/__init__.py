"""The Celery tasks, thin: each hands its message to the core."""
