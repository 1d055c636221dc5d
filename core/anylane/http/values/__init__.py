"""Values of a request as types: from text to a value, and what is wrong with it."""
