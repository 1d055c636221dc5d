"""What a handler sees of HTTP: the request, the response, and their headers, cookies and forms."""
