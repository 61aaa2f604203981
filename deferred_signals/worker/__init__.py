"""What a Celery worker does with the messages that it is given."""
