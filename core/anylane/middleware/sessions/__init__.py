"""Sessions: what an application keeps about one client, from request to request."""
