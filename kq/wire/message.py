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
    # Constructors are made as text so that each has its fields as parameters: CPython binds keywords faster than any
    # loop could set attributes, and an unknown one is a TypeError.
    namespace: dict[str, Any] = {"FRESH": FRESH, "classes": classes}
    exec("\n".join(_constructor(structure, namespace) for structure in [root, *nested]), namespace)
    for structure in [root, *nested]:
        attributes = {
            "__slots__": tuple(field.name for field in structure.fields),
            "__init__": namespace[f"init_{structure.name}"],
            "__qualname__": name if structure is root else f"{name}.{structure.name}",
            "__module__": __name__,
        }
        classes[structure.name] = cast("type[Message]", MessageType(structure.name, (Message,), attributes))
    for structure in nested:
        setattr(classes[name], structure.name, classes[structure.name])
    return root, classes


def _constructor(structure: Structure, namespace: dict[str, Any]) -> str:
    """The source of a structure's `__init__`; its defaults go into the namespace."""
    parameters, body = [], []
    for field in structure.fields:
        default = f"default_{structure.name}_{field.name}"
        namespace[default] = field.default
        value = field.name
        if field.fresh:
            namespace[default] = FRESH
            fresh = "[]" if field.array else f"classes[{field.type!r}]()"
            value = f"{fresh} if {field.name} is FRESH else {field.name}"
        body.append(f" self.{field.name} = {value}")
        parameters.append(f", {field.name}={default}")
    star = ", *" if parameters else ""
    return f"def init_{structure.name}(self{star}{''.join(parameters)}):\n" + ("\n".join(body) or " return")
