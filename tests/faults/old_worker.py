"""A worker of a version that does not know lanes yet: `celery -A tests.faults.old_worker:celery worker`."""

from __future__ import annotations

from tasks.celery_app import celery

celery.loader.import_default_modules()
celery.tasks.unregister("tasks.walk_lane")
