"""New connections: who of them gets a place, and what a driver drives for each."""
