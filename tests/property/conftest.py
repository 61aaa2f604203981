"""How Hypothesis runs here: without a deadline, since a loaded machine is no failure."""

from hypothesis import HealthCheck, settings

# On top of Hypothesis' own profile, which in CI draws the same examples each time.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
