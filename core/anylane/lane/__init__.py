"""What a backend author reads: the driver of a connection, the Link, and what a lane shares.

Nothing here knows of apps, handlers or hooks: a lane serves an `Application`, which answers
exchanges.
"""
