"""An exchange that comes and goes as messages: no bytes, no framing, no connection of its own."""
