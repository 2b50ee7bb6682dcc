"""Compiles a field table at one version into a Python function that encodes it in a straight line.

The mirror of `decoder`: neighbouring fixed-size fields, with the length that follows them, are one `pack`; the chunks
are joined at the end. Records are never copied: they stay parts of their own between joined ones, so a region of a
file passes through untouched. The result is a list of parts whose first is always `bytes`.

A field that the version lacks is left out when it holds its default or is ignorable, and refused otherwise, as Kafka
does. Whatever cannot be written (null where none is allowed, a number too large) is a ProtocolError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from kq.wire.errors import ProtocolError
from kq.wire.message import Message
from kq.wire.primitives import FIXED_CODES, array_packers, fixed, uvarint_bytes
from kq.wire.schema import Field, Structure

Part = Any  # bytes-like, or an object with __len__ that the transport knows how to send
Encoder = Callable[[Message], list[Part]]


def compile_encoder(
    root: Structure, classes: dict[str, type[Message]], version: int, flexible: bool, label: str
) -> Encoder:
    return _EncoderSource(version, flexible, label).compile(root, classes)


def absent_field(label: str, path: str, value: object) -> ProtocolError:
    return ProtocolError(f"{label} has no field {path}, which is set to {value!r}")


def checked_uuid(value: bytes) -> bytes:
    """`pack` would pad or cut an id of another length without a word."""
    if len(value) != 16:
        raise ValueError(f"an id has 16 bytes, not {len(value)}")
    return value


class _EncoderSource:
    def __init__(self, version: int, flexible: bool, label: str) -> None:
        self.version = version
        self.flexible = flexible
        self.label = label
        self.lines: list[str] = []
        self.indent = 2
        self.run: list[tuple[str, str]] = []  # struct codes and expressions that wait for one pack; "x" is a zero byte
        self.depth = 0
        self.names: dict[str, Any] = {
            "ProtocolError": ProtocolError,
            "absent_field": absent_field,
            "checked_uuid": checked_uuid,
            "join": b"".join,
            "pack": struct.pack,
            "uvarint_bytes": uvarint_bytes,
        }

    def compile(self, root: Structure, classes: dict[str, type[Message]]) -> Encoder:
        self.names.update({f"new_{name}": cls for name, cls in classes.items()})
        records = root.has_records
        self.lines = [
            "def encode(m):",
            " out = []; w = out.append",
            " parts = []" if records else "",
            " try:",
            "  n = -1",
        ]
        self.structure(root, "m", root.name)
        self.flush()
        self.lines += [
            " except (AttributeError, KeyError, TypeError, ValueError, StructError) as e:",
            f"  raise ProtocolError(f'{self.label} cannot be encoded: {{e}}') from e",
        ]
        if records:
            self.lines += [" if out: parts.append(join(out))", " return parts"]
        else:
            self.lines += [" return [join(out)]"]
        self.names["StructError"] = struct.error
        exec(compile("\n".join(self.lines), f"<encoder of {self.label}>", "exec"), self.names)
        encoder: Encoder = self.names["encode"]
        return encoder

    def emit(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    # Fixed-size runs

    def write(self, code: str, expression: str) -> None:
        self.run.append((code, expression))

    def packed(self) -> str:
        """An expression for the bytes of the run that waits."""
        run, self.run = self.run, []
        codes = "".join(code for code, _ in run)
        values = [expression for code, expression in run if code != "x"]
        if not values:
            return repr(bytes(len(codes)))
        name = f"P_{codes}".replace("?", "o")
        self.names[name] = fixed(codes).pack
        return f"{name}({', '.join(values)})"

    def flush(self) -> None:
        if self.run:
            self.emit(f"w({self.packed()})")

    def length(self, count: str, code: str) -> None:
        """Writes the length in the variable `count`, -1 for null."""
        if not self.flexible:
            self.write(code, count)
            self.flush()
            return
        before = list(self.run)
        self.write("B", f"{count} + 1")
        short = self.packed()
        self.run = before
        long = f"{self.packed()} + uvarint_bytes({count} + 1)" if before else f"uvarint_bytes({count} + 1)"
        self.emit(f"w({short} if {count} < 127 else {long})")

    # Structures and fields

    def structure(self, structure: Structure, source: str, path: str) -> None:
        for field in structure.absent(self.version):
            if not field.ignorable:
                value = f"{source}.{field.name}"
                self.emit(f"if {self.differs(field, value)}:")
                self.emit(f" raise absent_field({self.label!r}, {f'{path}.{field.name}'!r}, {value})")
        for field in structure.untagged(self.version):
            self.field(field, f"{source}.{field.name}")
        if self.flexible:
            self.tags(structure.tagged(self.version), source)

    def differs(self, field: Field, value: str) -> str:
        """An expression: does the value differ from the default, so that leaving it out would lose something?"""
        if field.tag is not None and field.struct and not field.array and self.version in field.nullable:
            return "True"  # what Kafka reads where it is absent is an empty structure, not null
        if field.default is None:
            unset = f"{value} is not None"
            return f"({unset} and {value} != new_{field.type}())" if field.struct and not field.array else unset
        if field.array or field.default in ("", b""):
            return f"{value}"
        if field.struct is not None:
            return f"{value} != new_{field.type}()"
        return f"{value} != {field.default!r}"

    def tags(self, tagged: list[Field], source: str) -> None:
        if not tagged:
            self.write("x", "")
            return
        self.flush()
        present = " or ".join(self.differs(field, f"{source}.{field.name}") for field in tagged)
        self.emit(f"if {present}:")
        self.indent += 1
        self.emit("tags = []; outer = w")
        for field in tagged:
            value = f"{source}.{field.name}"
            self.emit(f"if {self.differs(field, value)}:")
            self.indent += 1
            self.emit("tag = []; w = tag.append")
            self.depth += 1
            self.field(field, value)
            self.flush()
            self.depth -= 1
            self.emit("tag = join(tag)")
            self.emit(f"tags.append({uvarint_bytes(field.tag or 0)!r} + uvarint_bytes(len(tag)) + tag)")
            self.indent -= 1
        self.emit("w = outer; w(uvarint_bytes(len(tags)) + join(tags))")
        self.indent -= 1
        self.emit("else: w(b'\\0')")

    def field(self, field: Field, value: str) -> None:
        nullable = self.version in field.nullable
        if field.array:
            self.array(field, value, nullable)
        elif field.struct is not None:
            self.nested(field.struct, value, nullable, null=0 if field.tag is not None else -1)
        elif field.type == "uuid":
            self.write("16s", f"checked_uuid({value})")
        elif field.type in FIXED_CODES:
            self.write(FIXED_CODES[field.type], value)
        else:
            self.variable(field.type, value, nullable)

    def nested(self, structure: Structure, value: str, nullable: bool, null: int) -> None:
        self.flush()
        self.depth += 1
        inner = f"m{self.depth}"
        self.emit(f"{inner} = {value}")
        if nullable:
            self.emit(f"if {inner} is None: w({null.to_bytes(1, 'big', signed=True)!r})")
            self.emit("else:")
            self.indent += 1
            self.write("b", "1")
        self.structure(structure, inner, structure.name)
        self.flush()
        self.indent -= nullable
        self.depth -= 1

    def variable(self, kind: str, value: str, nullable: bool) -> None:
        self.emit(f"s = {value}")
        as_bytes = "s = s.encode(); " if kind == "string" else ""
        if nullable:
            self.emit("if s is None: s = b''; n = -1")
            self.emit(f"else: {as_bytes}n = len(s)")
        else:
            self.emit(f"{as_bytes}n = len(s)")
        self.length("n", "h" if kind == "string" else "i")
        if kind == "records":
            self.emit("parts.append(join(out)); out.clear()")
            self.emit("if n > 0: parts.append(s)")
        else:
            self.emit("w(s)")

    def array(self, field: Field, value: str, nullable: bool) -> None:
        self.depth += 1
        count, items, item = f"n{self.depth}", f"items{self.depth}", f"m{self.depth}"
        self.emit(f"{items} = {value}")
        if nullable:
            self.emit(f"if {items} is None: {items} = (); {count} = -1")
            self.emit(f"else: {count} = len({items})")
        else:
            self.emit(f"{count} = len({items})")
        self.length(count, "i")
        code = FIXED_CODES.get(field.type)
        if field.struct is not None:
            self.emit(f"for {item} in {items}:")
            self.indent += 1
            self.structure(field.struct, item, field.struct.name)
            self.flush()
            self.indent -= 1
        elif field.type == "uuid":
            self.emit(f"for {item} in {items}: w(checked_uuid({item}))")
        elif code is not None:
            packers = array_packers(code)
            name = f"A_{code}".replace("?", "o")
            self.names[name] = packers
            self.emit(f"w({name}[{count}](*{items}) if 0 <= {count} < {len(packers)} else b'' if {count} < 0")
            self.emit(f"  else pack(f'>{{{count}}}{code}', *{items}))")
        else:
            self.emit(f"for {item} in {items}:")
            self.indent += 1
            self.variable(field.type, item, nullable=False)
            self.indent -= 1
        self.depth -= 1
