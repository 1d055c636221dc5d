"""The harness: what plays a case against a lane and compares what came back."""
