"""The command line: one module a noun, and a few that all of them share.

Only `kq.client` and `kq.errors` are used to reach a cluster: every command works the same against Apache Kafka. Nothing
here imports rich, asyncio or textual at module level; a one-shot command costs little more than Python's own start.
"""
