"""A shop whose requests are traced: what its worker does belongs to the request that asked for it.

Each tracer has an environment of its own (`nox -t tracers`). A test starts a fresh process, as
tracers patch what is imported after them, and some what was imported before.
"""
