"""What every metadata store must do. An implementation's test module subclasses `Conformance` and gives it a `home`.

A home opens the same tree as often as asked, here (`open()`) and in other processes (`source`, the text of a Python
program that leaves `open_store()` defined).
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kq.coordination.layout import PartitionState, state_path, topic_path
from kq.coordination.store import Check, Conflict, Create, Delete, Node, Op, Set, Store, join, parent_of


class Home(ABC):
    """One tree, empty at first."""

    source: str

    @abstractmethod
    def open(self) -> Store:
        """Another store object on this tree."""

    @contextmanager
    def process(self, program: str) -> Iterator[subprocess.Popen[str]]:
        """Runs a program that may call `open_store()`; it is killed at the end at the latest."""
        imports = "from kq.coordination.store import *\nfrom kq.coordination.store import Set\n"
        text = f"{imports}{textwrap.dedent(self.source)}\n{textwrap.dedent(program)}"
        child = subprocess.Popen(
            [sys.executable, "-c", text], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, bufsize=1
        )
        try:
            yield child
        finally:
            child.kill()
            child.communicate()


def refused(store: Store, *ops: Op) -> str:
    """The path of the conflict these operations end in; the tree is as before."""
    before = store.tree("/")
    with pytest.raises(Conflict) as raised:
        store.transact(ops)
    assert store.tree("/") == before
    assert raised.value.path in str(raised.value)
    return raised.value.path


class Conformance:
    @pytest.fixture
    def home(self) -> Home:
        raise NotImplementedError("the implementation's test class gives a home")

    @pytest.fixture
    def store(self, home: Home) -> Iterator[Store]:
        store = home.open()
        yield store
        store.close()

    # nodes and versions

    def test_an_empty_tree(self, store: Store):
        assert store.tree("/") == {}
        assert store.children("/") == []
        assert store.children("/nothing") == []
        assert store.tree("/nothing") == {}
        assert store.get("/nothing") is None
        store.transact([])

    def test_versions_count_the_sets_since_the_creation(self, store: Store):
        store.transact([Create("/a", b"one")])
        assert store.get("/a") == Node(b"one", 0)
        store.transact([Set("/a", b"two")])
        assert store.get("/a") == Node(b"two", 1)
        store.transact([Set("/a", b"three", 1), Set("/a", b"four", 2), Set("/a", b"four")])
        assert store.get("/a") == Node(b"four", 4)
        store.transact([Delete("/a", 4)])
        assert store.get("/a") is None
        store.transact([Create("/a", b"again")])
        assert store.get("/a") == Node(b"again", 0)

    @pytest.mark.parametrize("data", [b"", b"\0\xff" * 50, b"x" * 300_000, '{"é":1}'.encode()])
    def test_data_comes_back_as_it_was(self, store: Store, data: bytes):
        store.transact([Create("/a", data)])
        assert store.get("/a") == Node(data, 0)
        store.transact([Set("/a", data[::-1])])
        assert store.tree("/")["/a"].data == data[::-1]

    def test_missing_parents_are_made_empty(self, store: Store):
        store.transact([Create("/a/b/c", b"x"), Create("/a/b/d", b"y")])
        assert store.tree("/") == {
            "/a": Node(b"", 0),
            "/a/b": Node(b"", 0),
            "/a/b/c": Node(b"x", 0),
            "/a/b/d": Node(b"y", 0),
        }
        store.transact([Set("/a", b"now"), Create("/a/e", b"")])
        assert store.get("/a") == Node(b"now", 1)

    def test_children_are_names_in_order_and_of_one_level(self, store: Store):
        store.transact([Create(path, b"") for path in ("/t/b", "/t/a/x", "/t/10", "/t/9", "/t/é", "/u")])
        assert store.children("/t") == ["10", "9", "a", "b", "é"]
        assert store.children("/") == ["t", "u"]
        assert store.children("/t/b") == []

    def test_a_subtree_ends_where_its_name_does(self, store: Store):
        # The characters around "/" in ASCII, and names that begin like the prefix.
        paths = ["/a", "/a/b", "/a/b/c", "/a.", "/a0", "/a-x/y", "/ab/c", "/A/b", "/b"]
        store.transact([Create(path, path.encode()) for path in paths])
        assert set(store.tree("/a")) == {"/a", "/a/b", "/a/b/c"}
        assert set(store.tree("/a/b")) == {"/a/b", "/a/b/c"}
        assert set(store.tree("/a/b/c")) == {"/a/b/c"}
        assert set(store.tree("/")) == {*paths, "/a-x", "/ab", "/A"}
        assert all(node.data in (path.encode(), b"") for path, node in store.tree("/").items())

    @pytest.mark.parametrize("path", ["", "a", "a/b", "/", "//", "/a/", "/a//b", "/./a", "/a/..", "/a\0b"])
    def test_what_is_no_path_is_the_callers_mistake(self, store: Store, path: str):
        for call in (
            lambda: store.get(path),
            lambda: store.transact([Create("/fine", b""), Create(path, b"")]),
            lambda: store.transact([Delete(path)]),
        ):
            with pytest.raises(ValueError, match="not the path of a node"):
                call()
        assert store.tree("/") == {}

    # transactions

    def test_operations_see_what_the_ones_before_them_did(self, store: Store):
        store.transact([Create("/a", b"1"), Check("/a", 0), Set("/a", b"2", 0), Check("/a", 1), Create("/a/b", b"")])
        store.transact([Delete("/a/b"), Delete("/a", 1), Create("/a", b"3"), Check("/a", 0)])
        assert store.tree("/") == {"/a": Node(b"3", 0)}
        store.transact([Create("/p/q", b""), Delete("/p/q"), Delete("/p"), Create("/p/r", b"")])
        assert set(store.tree("/")) == {"/a", "/p", "/p/r"}

    def test_refusals_name_their_path_and_change_nothing(self, store: Store):
        store.transact([Create("/a", b"1"), Create("/full/child", b""), Create("/b", b"")])
        store.transact([Set("/a", b"2")])
        first = Set("/b", b"changed")
        cases: list[Op] = [
            Create("/a", b""), Create("/full", b""),
            Check("/a", 0), Check("/a", 2), Check("/none", 0),
            Set("/a", b"", 0), Set("/none", b""), Set("/none", b"", 0),
            Delete("/a", 0), Delete("/none"), Delete("/none", 0), Delete("/full"), Delete("/full", 0),
        ]  # fmt: skip
        for op in cases:
            assert refused(store, first, Create("/new/node", b""), op) == op.path, op
            assert refused(store, op, first) == op.path, op

    def test_conflicts_say_why(self, store: Store):
        store.transact([Create("/a/b", b"")])
        reasons = {}
        for op in (Create("/a", b""), Check("/none", 0), Set("/a", b"", 7), Delete("/a")):
            with pytest.raises(Conflict) as raised:
                store.transact([op])
            reasons[op.path, type(op).__name__] = str(raised.value)
        assert reasons == {
            ("/a", "Create"): "/a exists already",
            ("/none", "Check"): "/none does not exist",
            ("/a", "Set"): "/a has version 0, not 7",
            ("/a", "Delete"): "/a has children",
        }

    def test_a_parent_that_only_a_refused_transaction_made_is_not_there(self, store: Store):
        store.transact([Create("/a", b"")])
        refused(store, Create("/x/y/z", b""), Create("/a", b""))
        store.transact([Create("/x/y", b"mine")])
        assert store.get("/x/y") == Node(b"mine", 0)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.lists(st.deferred(lambda: OPS), max_size=6), max_size=8))
    def test_it_does_what_a_dictionary_does(self, store: Store, transactions: list[list[Op]]):
        wipe(store)
        twin: dict[str, Node] = {}
        for ops in transactions:
            after, conflict = twin_transact(twin, ops)
            if conflict is None:
                store.transact(ops)
            else:
                with pytest.raises(Conflict) as raised:
                    store.transact(ops)
                assert raised.value.path == conflict
            twin = after
            assert store.tree("/") == twin
        for path in [*twin, "/a", "/a/b"]:
            assert store.get(path) == twin.get(path)
            assert store.children(path) == sorted(
                other.rpartition("/")[2] for other in twin if parent_of(other) == path
            )

    # several users

    def test_what_one_store_wrote_the_other_reads(self, home: Home, store: Store):
        other = home.open()
        try:
            for number in range(20):
                writer, reader = (store, other) if number % 2 else (other, store)
                writer.transact([Create(f"/n/{number}", b"x")])
                assert len(reader.tree("/n")) == number + 2
        finally:
            other.close()

    def test_everything_is_there_after_opening_again(self, home: Home):
        first = home.open()
        first.transact([Create("/a/b", b"x")])
        first.transact([Set("/a/b", b"y")])
        first.close()
        second = home.open()
        assert second.tree("/") == {"/a": Node(b"", 0), "/a/b": Node(b"y", 1)}
        second.close()

    def test_processes_that_contend_lose_nothing(self, home: Home, store: Store):
        store.transact([Create("/counter", b"0")])
        program = """
            store, done = open_store(), 0
            while done < 100:
                data, version = store.get("/counter")
                try:
                    store.transact([Set("/counter", b"%d" % (int(data) + 1), version)])
                    done += 1
                except Conflict:
                    pass
        """
        with home.process(program) as one, home.process(program) as two:
            assert one.wait(60) == 0
            assert two.wait(60) == 0
        assert store.get("/counter") == Node(b"200", 200)

    def test_threads_may_share_a_store(self, store: Store):
        store.transact([Create("/counter", b"0")])

        def count() -> None:
            done = 0
            while done < 50:
                node = store.get("/counter")
                assert node is not None
                with suppress(Conflict):
                    store.transact([Set("/counter", b"%d" % (int(node.data) + 1), node.version)])
                    done += 1

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert store.get("/counter") == Node(b"200", 200)

    def test_a_tree_is_read_as_of_one_moment_while_another_process_writes(self, home: Home, store: Store):
        count = 300
        store.transact([Create(f"/all/{n}/state", b"0") for n in range(count)])
        program = f"""
            store = open_store()
            for turn in range(1, 10**9):
                store.transact([Set(f"/all/{{n}}/state", b"%d" % turn) for n in range({count})])
                print(turn, flush=True)
        """
        with home.process(program) as writer:
            assert writer.stdout is not None
            seen = 0
            for _ in range(40):
                written = int(writer.stdout.readline())
                states = {node.data for path, node in store.tree("/all").items() if path.endswith("/state")}
                assert len(states) == 1
                (now,) = states
                assert int(now) >= max(written, seen)
                seen = int(now)

    def test_a_process_killed_at_any_moment_leaves_whole_transactions(self, home: Home, store: Store):
        """What was confirmed before the kill is there, what was not is there whole or not at all."""
        count = 100
        store.transact([Create(f"/all/{n}", b"0") for n in range(count)])
        program = f"""
            store = open_store()
            turn = int(store.get("/all/0").data)
            while True:
                turn += 1
                ops = [Set(f"/all/{{n}}", b"%d" % turn) for n in range({count})]
                print("begin", flush=True)
                store.transact(ops)
                print(turn, flush=True)
        """
        random = Random(7)
        for _ in range(6):
            with home.process(program) as writer:
                assert writer.stdout is not None
                confirmed = 0
                for _ in range(random.randrange(1, 20)):
                    assert writer.stdout.readline() == "begin\n"
                    confirmed = int(writer.stdout.readline())
                assert writer.stdout.readline() == "begin\n"
                threading.Event().wait(random.random() * 0.003)
                writer.kill()
                writer.wait()
                for line in writer.stdout:
                    # The last line may have been cut by the kill.
                    if line.endswith("\n") and line != "begin\n":
                        confirmed = int(line)
            (found,) = {int(node.data) for path, node in store.tree("/all").items() if path != "/all"}
            assert found in (confirmed, confirmed + 1)
            store.transact([Set("/all", b"still writable")])

    def test_ten_thousand_partitions_in_one_transaction(self, store: Store):
        count = 10_000
        states = [PartitionState(1, 0, (1, 2, 3), 1).encode() for _ in range(count)]
        store.transact([Create(state_path("t", n), state) for n, state in enumerate(states)])
        tree = store.tree(topic_path("t"))
        assert len(tree) == 2 * count + 2
        moved = PartitionState(2, 1, (2, 3), 1).encode()
        # The last of them has changed meanwhile: none is moved.
        store.transact([Set(state_path("t", count - 1), states[-1])])
        ops: list[Op] = [Set(state_path("t", n), moved, 0) for n in range(count)]
        with pytest.raises(Conflict):
            store.transact(ops)
        assert moved not in {node.data for node in store.tree("/").values()}
        store.transact([*ops[:-1], Set(state_path("t", count - 1), moved, 1)])
        assert sum(node.data == moved for node in store.tree("/").values()) == count


# The twin: the same rules, slow and obvious.

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
VERSIONS = st.none() | st.integers(0, 2)
OPS: st.SearchStrategy[Op] = st.one_of(
    st.builds(Create, PATHS, st.binary(max_size=3)),
    st.builds(Check, PATHS, st.integers(0, 2)),
    st.builds(Set, PATHS, st.binary(max_size=3), VERSIONS),
    st.builds(Delete, PATHS, VERSIONS),
)


def twin_transact(tree: dict[str, Node], ops: list[Op]) -> tuple[dict[str, Node], str | None]:
    """The tree after the operations, or as it was, with the path of the conflict."""
    after = dict(tree)
    for op in ops:
        if not TWIN[type(op)](after, op):
            return tree, op.path
    return after, None


def _create(tree: dict[str, Node], op: Create) -> bool:
    if op.path in tree:
        return False
    path = ""
    for name in op.path[1:].split("/"):
        path = join(path or "/", name)
        tree.setdefault(path, Node(b"", 0))
    tree[op.path] = Node(op.data, 0)
    return True


def _matches(tree: dict[str, Node], path: str, version: int | None) -> bool:
    return path in tree and version in (None, tree[path].version)


def _set(tree: dict[str, Node], op: Set) -> bool:
    if not _matches(tree, op.path, op.version):
        return False
    tree[op.path] = Node(op.data, tree[op.path].version + 1)
    return True


def _delete(tree: dict[str, Node], op: Delete) -> bool:
    if not _matches(tree, op.path, op.version) or any(parent_of(other) == op.path for other in tree):
        return False
    del tree[op.path]
    return True


TWIN: dict[type, Callable[[dict[str, Node], object], bool]] = {
    Create: _create,
    Check: lambda tree, op: _matches(tree, op.path, op.version),
    Set: _set,
    Delete: _delete,
}  # type: ignore[dict-item]


def wipe(store: Store) -> None:
    """Children first."""
    store.transact([Delete(path) for path in sorted(store.tree("/"), key=len, reverse=True)])
