"""Routes: patterns, the table that finds one for a path, and the routers that register them."""
