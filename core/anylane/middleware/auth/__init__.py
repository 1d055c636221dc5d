"""Who asks: bearer tokens, JSON Web Tokens, and names with passwords."""
