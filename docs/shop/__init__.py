"""The Django app of the pages' examples."""
