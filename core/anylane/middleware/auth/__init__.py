"""Authentication: bearer tokens, JSON Web Tokens, and names with passwords."""
