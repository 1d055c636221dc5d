"""How the arguments of a handler are read: the lines of a function, and what they call."""
