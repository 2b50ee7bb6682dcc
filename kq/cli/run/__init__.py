"""One run of one command: what it finds in its hands, how it reaches the cluster, and how it ends."""
