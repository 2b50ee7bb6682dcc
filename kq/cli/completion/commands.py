"""`kq completion`: the completion script of a shell, and (hidden) the names that it asks for while one types."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.run.failures import Failure, Usage
from kq.cli.tree import flags
from kq.cli.tree.command import PLAIN_TYPER, KqCommand

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

app = typer.Typer(**PLAIN_TYPER)
LONGEST_WAIT_S = 0.3  # somebody is holding the Tab key down


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command(
    "completion",
    cls=KqCommand,
    epilog="source <(kq completion bash)\nkq completion fish > ~/.config/fish/completions/kq.fish",
)
def completion(
    ctx: typer.Context,
    shell: Annotated[Shell | None, flags.argument("bash|zsh|fish", "which shell")] = None,
    topic_names: Annotated[
        bool, flags.own("--topic-names", help="names of topics, for the scripts", hidden=True)
    ] = False,
    group_names: Annotated[
        bool, flags.own("--group-names", help="names of groups, for the scripts", hidden=True)
    ] = False,
) -> None:
    """Print the completion script of a shell. Nothing is installed and no dot file is touched."""
    call: Call = ctx.obj
    if topic_names or group_names:
        with contextlib.suppress(Failure, TimeoutError):
            call.print("".join(f"{name}\n" for name in _names(call, _topics if topic_names else _groups)))
        return
    if shell is None:
        raise Usage("completion: which shell? kq completion bash, zsh or fish")
    from kq.cli.completion.scripts import SCRIPTS

    call.print(SCRIPTS[shell.value]())


def _names(call: Call, ask: Callable[[Cluster], Awaitable[Iterable[str]]]) -> list[str]:
    import asyncio

    from kq.client import KafkaError, connect

    async def connected() -> list[str]:
        async with asyncio.timeout(LONGEST_WAIT_S), connect(call.settings.client()) as cluster:
            return sorted(await ask(cluster))

    try:
        return asyncio.run(connected())
    except KafkaError:
        return []


async def _topics(cluster: Cluster) -> Iterable[str]:
    return (await cluster.metadata(None)).topics


async def _groups(cluster: Cluster) -> Iterable[str]:
    from kq.client import Admin

    return (await Admin(cluster).list_groups()).groups
