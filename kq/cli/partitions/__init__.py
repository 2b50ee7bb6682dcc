"""Topics, partitions and offsets: how they are written on the command line, which are meant, and what they hold."""
