"""The way out: from ``send()`` to the broker."""
