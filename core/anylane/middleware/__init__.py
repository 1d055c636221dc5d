"""Ready-made parts, for `app.use`, `router.use` and the `middleware=` of a route.

A part does no I/O, and its clock is the core's. What needs a library imports it when it is made.
"""

__all__: list[str] = []
