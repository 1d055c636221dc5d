"""What belongs to an app: its state in a server, the apps that are mounted in it, its jobs."""
