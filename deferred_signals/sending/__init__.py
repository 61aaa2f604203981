"""Send, encode, and defer to the commit."""
