"""Members in processes of their own that are killed: every record is seen at least once, each partition has one owner
a generation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kq.client import connect
from tests.client.group.members import Ownership, expected, fill, more
from tests.client.support import asynchronous, settings, until

PROGRAM = Path(__file__).with_name("member_process.py")


class Member:
    """One process, writing into a file."""

    def __init__(self, room: Path, *arguments: str) -> None:
        self.output = room / f"member-{len(list(room.iterdir()))}"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, str(PROGRAM), *arguments], stdout=file)

    @property
    def lines(self) -> list[str]:
        """Those that are whole: a process that is killed may leave half of one."""
        return [line for line in self.output.read_text().split("\n")[:-1] if line]

    @property
    def values(self) -> set[bytes]:
        return {line.encode() for line in self.lines if not line.startswith("=")}

    @property
    def assignment(self) -> list[str]:
        rounds = [line for line in self.lines if line.startswith("=")]
        return rounds[-1].split()[3:] if rounds else []


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
@asynchronous
async def test_members_are_killed_and_nothing_is_missed(
    bootstrap: str, name: str, tmp_path: Path, strategy: str
) -> None:
    members: list[Member] = []

    def join(count: int) -> None:
        members.extend(Member(tmp_path, bootstrap, name, name, strategy) for _ in range(count))

    async def settled(among: list[Member]) -> None:
        async def shared() -> bool:
            shared = sorted(int(number) for member in among for number in member.assignment)
            return shared == list(range(12)) and all(member.assignment for member in among)

        await until(shared, f"{len(among)} processes share twelve partitions")

    async with connect(settings(bootstrap)) as cluster:
        try:
            await fill(cluster, name, 100)
            join(3)
            await settled(members)
            await more(cluster, name, 100, 200)
            members[0].process.kill()
            join(1)
            await more(cluster, name, 200, 300)
            await settled(members[1:])
            members[1].process.terminate()
            members[2].process.kill()
            await more(cluster, name, 300, 400)

            async def all_seen() -> bool:
                return set().union(*(member.values for member in members)) == expected(0, 400)

            await until(all_seen, "every record is seen")
            await settled(members[3:])
            members[1].process.wait(10)
            members[3].process.terminate()
            assert members[3].process.wait(10) == members[1].process.returncode == 0
        finally:
            for member in members:
                member.process.kill()
                member.process.wait()

    ownership = Ownership()
    for member in members:
        for line in member.lines:
            if line.startswith("="):
                _, generation, who, *partitions = line.split()
                ownership.note(int(generation), who, [(name, int(number)) for number in partitions])
    assert ownership.rounds >= 6
