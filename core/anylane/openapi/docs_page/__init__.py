"""The routes of a description: the document, and the page of Swagger UI that shows it."""
