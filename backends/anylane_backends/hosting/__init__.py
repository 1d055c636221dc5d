"""Running servers: choosing a backend, binding, signals, workers, the command."""
