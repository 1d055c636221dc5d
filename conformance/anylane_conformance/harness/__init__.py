"""The harness: what holds a case with a lane and compares what came back."""
