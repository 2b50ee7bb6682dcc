"""Record batches: the bytes that disk and wire share, and everything that may be said about them without I/O."""
