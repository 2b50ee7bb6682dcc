"""Message classes, generated from field tables: slots, a keyword constructor with Kafka's defaults, equality and repr.

They hold values and check nothing; encoding does. Attributes may be set, and a message belongs to whoever decoded it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kq.wire.schema import Structure, parse_table


class MessageType(type):
    """The type of message classes; it lets type checkers read the nested classes (`Request.Topic`) as Any."""

    if TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any: ...


class Message(metaclass=MessageType):
    """A request, a response, or a structure inside one."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # mutable

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__qualname__}({fields})"


FRESH = object()  # the default of lists and of structures that are never absent: each message gets its own


def build_classes(name: str, table: str) -> tuple[Structure, dict[str, type[Message]]]:
    """The parsed table and a class for each of its structures, by name; the nested ones also hang on the message's."""
    root, nested = parse_table(name, table)
    classes: dict[str, type[Message]] = {}
    for structure in nested:
        classes[structure.name] = _build(structure, f"{name}.{structure.name}", classes)
    message = _build(root, name, classes)
    for structure in nested:
        setattr(message, structure.name, classes[structure.name])
    return root, {**classes, name: message}


def _build(structure: Structure, qualname: str, classes: dict[str, type[Message]]) -> type[Message]:
    # The constructor is made as text so that its signature holds the defaults: CPython binds keywords faster than
    # any loop could, and `help()` shows them.
    parameters, body, namespace = [], [], {"FRESH": FRESH, "classes": classes}
    for field in structure.fields:
        default = f"default_{field.name}"
        if field.default == () and isinstance(field.default, tuple):
            namespace[default] = FRESH
            fresh = "[]" if field.array else f"classes[{field.type!r}]()"
            body.append(f"  self.{field.name} = {fresh} if {field.name} is FRESH else {field.name}")
        else:
            namespace[default] = field.default
            body.append(f"  self.{field.name} = {field.name}")
        parameters.append(f"{field.name}={default}")
    star = "*, " if parameters else ""
    source = f"def __init__(self, {star}{', '.join(parameters)}):\n" + ("\n".join(body) or "  return")
    exec(source, namespace)
    attributes = {
        "__slots__": tuple(field.name for field in structure.fields),
        "__init__": namespace["__init__"],
        "__qualname__": qualname,
        "__module__": "kq.wire.message",
    }
    made = MessageType(structure.name, (Message,), attributes)
    return cast("type[Message]", made)
