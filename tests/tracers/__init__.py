"""A shop whose requests are traced: a worker's runs belong to the trace of the request that sent.

Each tracer has an environment of its own (`nox -t tracers`). A test starts a fresh process, as
tracers patch what is imported after them, and some what was imported before.
"""
