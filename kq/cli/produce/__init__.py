"""`kq produce`: from lines, files or JSON lines to a topic."""
