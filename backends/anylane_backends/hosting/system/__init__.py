"""What the operating system gives to a server process: files that name it, users, CPUs."""
