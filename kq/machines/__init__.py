"""Pure state machines: no input or output, no clock, no randomness; `now_ms` and `Random` come in through arguments."""
