"""The page on which you watch the shop, and break things."""
