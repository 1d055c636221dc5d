"""Model input: what goes into models, from JSON and forms, and what is wrong with it."""
