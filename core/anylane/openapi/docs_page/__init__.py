"""The docs page: HTML, script and style of ours around Swagger UI, all from the app's own paths."""
