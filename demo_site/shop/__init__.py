"""The shop: read ``signals.py``, ``receivers.py`` and ``views.py``."""
