"""`kq consume`: from topics to stdout or a file."""
