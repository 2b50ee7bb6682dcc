"""The rim of the group coordinator: its facts on disk, its answers when they are committed, its timer, its topic."""
