"""Routes and routers that say more than a path: bounds, exception handlers, addresses."""
