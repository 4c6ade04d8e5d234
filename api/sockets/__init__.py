"""The WebSocket: one subscription to the views per process, one encoding per message, and many who read along."""
