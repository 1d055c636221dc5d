"""Between a request and its response: routing it, running hooks and handler, answering."""
