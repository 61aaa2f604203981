"""The app under test: models, signals, and receivers that leave a row when they run."""
