"""The workers: Celery tasks around the run loop, and the agents that they call."""
