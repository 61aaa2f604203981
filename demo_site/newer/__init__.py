"""A release of the shop that is newer: it has one receiver more.

A process has it if it starts after ``python -m demo_site.drill deploy-site``: see `demo_site.settings`.
"""
