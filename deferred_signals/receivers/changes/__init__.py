"""What changed in a row since it was last read or saved, for ``changed()``."""
