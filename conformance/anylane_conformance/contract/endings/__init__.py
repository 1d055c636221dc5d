"""Handlers that end in other ways than by returning: what they raise, and what interrupts them."""
