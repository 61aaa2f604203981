"""The way in: how a message becomes a call of its receiver, and what follows from how that ends."""
