"""Small tools that know nothing of signals."""
