"""A Django app: its models and signals are those of the examples in these pages."""
