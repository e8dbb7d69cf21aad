"""The agent: a Celery worker on one node that claims executions, runs them in killable children and reports."""
