"""The command line: `app` and the table of nouns here, a package for each noun, and packages for what they share.

A noun's package holds `commands.py` (arguments, flags, help; it imports nothing heavy) and beside it what the commands
do, loaded when one is called. Shared are `tree` (how commands and flags behave), `run` (a run from call to exit code),
`output`, `formats`, `partitions` and `changes`. A new command needs its package and one line in `root.NOUNS`.

Only `kq.client` and `kq.errors` are used to reach a cluster: every command works the same against Apache Kafka. Nothing
here imports rich, asyncio or textual at module level; a one-shot command costs little more than Python's own start.
"""
