"""Publish: from a flush to the broker, by Celery and kombu."""
