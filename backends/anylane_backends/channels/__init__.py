"""Exchanges whose carrier is a channel of messages, on a lane that runs in another's loop."""
