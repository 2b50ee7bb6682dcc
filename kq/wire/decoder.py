"""Compiles a field table at one version into a Python function that decodes it in a straight line.

Neighbouring fixed-size fields, together with the length or tag count that follows them, are one `unpack_from` into the
slots of the message; arrays are loops; nothing is looked up by field at run time. The function for

    name: string
    partitions: [Partition]
      index: int32
      leader_id: int32

reads (without its error messages)

    n, = S1(buf, pos); pos += 2
    end = pos + n
    m.name = str(buf[pos:end], "utf-8", "replace"); pos = end
    n1, = S2(buf, pos); pos += 4
    if n1 * 8 > size - pos: raise ...
    m.partitions = items1 = []
    for _ in range(n1):
        m1 = new(Partition); m1.index, m1.leader_id = S3(buf, pos); pos += 8
        items1.append(m1)

Rules: a count is refused unless its items, at their smallest, fit into the bytes that remain; the function returns a
message or raises ProtocolError, whatever the bytes; bytes after the message are ignored, as Kafka ignores them.
A request may hold so many array items and tags in all (MOST_ITEMS); responses, which come from a server one chose to
ask, may hold any number.
Messages with records are read through a memoryview, so that records stay slices of the frame; others from `bytes`,
which CPython slices and decodes faster.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from kq.wire.errors import ProtocolError
from kq.wire.message import Message
from kq.wire.primitives import FIXED_CODES, array_unpackers, fixed, skip_tag, skip_tags, uvarint
from kq.wire.schema import Field, Structure

Decoder = Callable[[Any, int], Message]


# An item can be two bytes on the wire and a hundred in memory, and takes up to a microsecond and a half to decode: a
# frame of 100 MiB would be gigabytes and most of a minute. Kafka sets no limit. A reassignment of 10,000 partitions to
# three replicas each has 40,000 items.
MOST_ITEMS = 1 << 18


def compile_decoder(
    root: Structure,
    classes: dict[str, type[Message]],
    version: int,
    flexible: bool,
    label: str,
    most_items: int | None = None,
) -> Decoder:
    return _DecoderSource(version, flexible, label, most_items).compile(root, classes)


def least_size(structure: Structure, version: int, flexible: bool) -> int:
    """The fewest bytes a structure can take at this version."""
    return sum(_least_field_size(f, version, flexible) for f in structure.untagged(version)) + flexible


def _least_field_size(field: Field, version: int, flexible: bool) -> int:
    if field.array:
        return 1 if flexible else 4
    if field.struct is not None:
        return 1 if version in field.nullable else least_size(field.struct, version, flexible)
    if field.type in FIXED_CODES:
        return fixed(FIXED_CODES[field.type]).size
    return 1 if flexible else 2 if field.type == "string" else 4


class _DecoderSource:
    def __init__(self, version: int, flexible: bool, label: str, most_items: int | None) -> None:
        self.version = version
        self.flexible = flexible
        self.label = label
        self.most_items = most_items
        self.lines: list[str] = []
        self.indent = 2
        self.run: list[tuple[str, str]] = []  # struct codes and targets that wait for one unpack_from
        self.depth = 0
        self.in_memoryview = False
        self.names: dict[str, Any] = {
            "ProtocolError": ProtocolError,
            "array_unpackers": array_unpackers,
            "new": object.__new__,
            "skip_tag": skip_tag,
            "skip_tags": skip_tags,
            "unpack_from": struct.unpack_from,
            "uvarint": uvarint,
        }

    def compile(self, root: Structure, classes: dict[str, type[Message]]) -> Decoder:
        self.in_memoryview = root.has_records
        wanted, view = ("memoryview", "memoryview(buf)") if self.in_memoryview else ("bytes", "bytes(buf)")
        self.names.update({f"new_{name}": cls for name, cls in classes.items()})
        self.lines = [
            "def decode(buf, pos):",
            f" if type(buf) is not {wanted}: buf = {view}",
            " size = len(buf)",
            f" left = {self.most_items}",
            " try:",
            f"  m = new(new_{root.name})",
        ]
        self.structure(root, "m", root.name)
        self.lines += [
            " except (IndexError, StructError):",
            f"  raise ProtocolError('{self.label} ends early: {{}} bytes are too few'.format(size)) from None",
            " return m",
        ]
        self.names["StructError"] = struct.error
        exec(compile("\n".join(self.lines), f"<decoder of {self.label}>", "exec"), self.names)
        decoder: Decoder = self.names["decode"]
        return decoder

    def emit(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    def refuse(self, condition: str, sentence: str) -> None:
        self.emit(f"if {condition}: raise ProtocolError({f'{self.label}: {sentence}'!r})")

    def count_items(self, count: str) -> None:
        """Takes `count` from what the message may still hold; it is not negative."""
        if self.most_items is not None:
            self.emit(f"left -= {count}")
            self.refuse("left < 0", f"more than {self.most_items} items")

    # Fixed-size runs

    def read(self, code: str, target: str) -> None:
        self.run.append((code, target))

    def flush(self) -> None:
        if not self.run:
            return
        codes, targets = "".join(code for code, _ in self.run), [target for _, target in self.run]
        self.run = []
        if codes == "B":
            self.emit(f"{targets[0]} = buf[pos]; pos += 1")
            return
        layout = fixed(codes)
        name = f"S_{codes}".replace("?", "o")
        self.names[name] = layout.unpack_from
        comma = "," if len(targets) == 1 else ""
        self.emit(f"{', '.join(targets)}{comma} = {name}(buf, pos); pos += {layout.size}")

    def length(self, target: str, code: str) -> None:
        """Reads a length into `target`; negative means null. `code` is its type where the version is not flexible."""
        if self.flexible:
            self.read("B", target)
            self.flush()
            self.emit(f"if {target} > 127: {target}, pos = uvarint(buf, pos - 1)")
            self.emit(f"{target} -= 1")
        else:
            self.read(code, target)
            self.flush()

    # Structures and fields

    def structure(self, structure: Structure, target: str, path: str) -> None:
        for field in structure.absent(self.version):
            self.absent(field, f"{target}.{field.name}")
        tagged = structure.tagged(self.version)
        for field in tagged:
            self.absent(field, f"{target}.{field.name}")
        for field in structure.untagged(self.version):
            self.field(field, f"{target}.{field.name}", f"{path}.{field.name}")
        if self.flexible:
            self.tags(tagged, target, path)
        self.flush()

    def absent(self, field: Field, target: str) -> None:
        default = repr(field.default)
        if field.fresh:
            default = "[]" if field.array else f"new_{field.type}()"
        self.emit(f"{target} = {default}")

    def tags(self, tagged: list[Field], target: str, path: str) -> None:
        count = f"tags{self.depth}"
        self.read("B", count)
        self.flush()
        self.emit(f"if {count}:")
        self.indent += 1
        self.emit(f"if {count} > 127: {count}, pos = uvarint(buf, pos - 1)")
        self.count_items(f"max({count}, 0)")
        if not tagged:
            self.emit(f"pos = skip_tags(buf, pos, {count})")
            self.indent -= 1
            return
        self.emit(f"for _ in range({count}):")
        self.indent += 1
        self.emit("tag, pos = uvarint(buf, pos)")
        branch = "if"
        for field in tagged:
            self.emit(f"{branch} tag == {field.tag}:")
            self.indent += 1
            # As in Kafka the announced size of a known tag does not matter: its own encoding says where it ends.
            self.emit("_, pos = uvarint(buf, pos)")
            self.depth += 1
            self.field(field, f"{target}.{field.name}", f"{path}.{field.name}")
            self.flush()
            self.depth -= 1
            self.indent -= 1
            branch = "elif"
        self.emit("else: pos = skip_tag(buf, pos, tag)")
        self.indent -= 2

    def field(self, field: Field, target: str, path: str) -> None:
        nullable = self.version in field.nullable
        if field.array:
            self.array(field, target, path, nullable)
        elif field.struct is not None:
            self.nested(field.struct, target, path, nullable, null=0 if field.tag is not None else -1)
        elif field.type in FIXED_CODES:
            self.read(FIXED_CODES[field.type], target)
        else:
            self.variable(field.type, target, path, nullable)

    def nested(self, structure: Structure, target: str, path: str, nullable: bool, null: int) -> None:
        self.depth += 1
        inner = f"m{self.depth}"
        if nullable:
            # A nullable structure is preceded by a byte: negative when it is null; zero then, where it is tagged.
            self.read("b", "n")
            self.flush()
            self.emit(f"if n <= {null}: {target} = None")
            self.emit("else:")
            self.indent += 1
        else:
            self.flush()
        self.emit(f"{target} = {inner} = new(new_{structure.name})")
        self.structure(structure, inner, path)
        self.indent -= nullable
        self.depth -= 1

    def variable(self, kind: str, target: str, path: str, nullable: bool) -> None:
        self.length("n", "h" if kind == "string" else "i")
        if nullable:
            self.emit(f"if n < 0: {target} = None")
            self.emit("else:")
            self.indent += 1
        else:
            self.refuse("n < 0", f"{path} is null")
        self.emit("end = pos + n")
        self.refuse("end > size", f"{path} is longer than the bytes that remain")
        if kind == "string":
            if self.in_memoryview:
                value = "str(buf[pos:end], 'utf-8', 'replace')"
            else:
                value = "buf[pos:end].decode('utf-8', 'replace')"
        elif kind == "bytes" and self.in_memoryview:
            value = "bytes(buf[pos:end])"
        else:
            value = "buf[pos:end]"
        self.emit(f"{target} = {value}; pos = end")
        self.indent -= nullable

    def array(self, field: Field, target: str, path: str, nullable: bool) -> None:
        self.depth += 1
        count, items, item = f"n{self.depth}", f"items{self.depth}", f"m{self.depth}"
        self.length(count, "i")
        if nullable:
            self.emit(f"if {count} < 0: {target} = None")
            self.emit("else:")
            self.indent += 1
        else:
            self.refuse(f"{count} < 0", f"{path} is null")
        if field.struct is not None:
            least = least_size(field.struct, self.version, self.flexible)
        else:
            least = _least_field_size(field._replace(array=False), self.version, self.flexible)
        # Items of no size at all are bounded like items of one byte.
        factor = f" * {least}" if least > 1 else ""
        self.refuse(f"{count}{factor} > size - pos", f"{path} has more items than the bytes that remain can hold")
        self.count_items(count)

        if field.struct is None and field.type in FIXED_CODES:
            self.fixed_items(FIXED_CODES[field.type], least, count, target)
        else:
            self.emit(f"{target} = {items} = []")
            self.emit(f"for _ in range({count}):")
            self.indent += 1
            if field.struct is not None:
                self.emit(f"{item} = new(new_{field.struct.name})")
                self.structure(field.struct, item, path)
            else:
                self.variable(field.type, item, path, nullable=False)
            self.emit(f"{items}.append({item})")
            self.indent -= 1
        self.indent -= nullable
        self.depth -= 1

    def fixed_items(self, code: str, item_size: int, count: str, target: str) -> None:
        """An array of fixed-size items in one unpack, through a prepared Struct when it is short."""
        if code == "16s":
            self.emit(f"{target} = [bytes(buf[at:at + 16]) for at in range(pos, pos + {count} * 16, 16)]")
        else:
            name = f"A_{code}".replace("?", "o")
            unpackers = array_unpackers(code)
            self.names[name] = unpackers
            self.emit(f"if {count} < {len(unpackers)}: {target} = [*{name}[{count}](buf, pos)]")
            self.emit(f"else: {target} = [*unpack_from(f'>{{{count}}}{code}', buf, pos)]")
        self.emit(f"pos += {count} * {item_size}")
