"""What goes to the screen or the pipe: tables, JSON, numbers for people, text that is safe on a terminal, progress."""
