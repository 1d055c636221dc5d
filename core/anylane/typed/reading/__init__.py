"""How the values of a request are read: the lines of a function, and what they call."""
