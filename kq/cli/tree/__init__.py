"""The command tree over Typer: nouns that load when they are used, the flags all share, and the tree as data."""
