"""Format strings: kcl's verbs with kcat's `%s`, `%S` and `%T`, compiled once into one function over columns.

    %t topic  %p partition  %o offset  %k key  %v %s value  %e leader epoch  %d timestamp  %T timestamp in ms
    %h{…} a format for each header (%k %v inside)  %H headers  %K %V %S lengths (-1: null)  %x producer id
    %y producer epoch  %a{compression|timestamp-type|transactional-bit|control-bit}  %[ log start  %| last stable offset
    %] high watermark  %i how many so far  %% %{ %} themselves        escapes: \\n \\t \\r \\\\ \\0 \\xNN

Numbers take {ascii hex hex4..hex64 big8..big64 little8..little64 byte bool}, text {hex base64 base64raw unpack[…]},
timestamps also {strftime[…]} and {go[…]}, both in UTC. A verb that only kcat or only kcl has is an error naming kq's.

`layout.py` cuts the string; this module turns the pieces into Python source that formats a whole batch in one list
comprehension, so that no function is called per record for the common verbs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from kq.cli.formats import values as convert
from kq.cli.formats.layout import Literal, Piece, Verb, parse_layout
from kq.cli.formats.rows import Rows
from kq.cli.run.failures import Usage

Render = Callable[[Rows], bytes]


class Format(NamedTuple):
    """A compiled format: the columns it needs, and the function from rows to bytes."""

    needs: frozenset[str]
    render: Render


class _Verb(NamedTuple):
    expression: str
    kind: str  # "bytes", "number" or "time"
    column: str | None = None


# Names inside the generated loop: o k v ts h b are one record's; rows, topic, marks are the batch's.
_VERBS = {
    "t": _Verb("topic", "bytes"),
    "p": _Verb("partition", "number"),
    "o": _Verb("o", "number", "offsets"),
    "k": _Verb("(k or b'')", "bytes", "keys"),
    "v": _Verb("(v or b'')", "bytes", "values"),
    "s": _Verb("(v or b'')", "bytes", "values"),
    "K": _Verb("(-1 if k is None else len(k))", "number", "keys"),
    "V": _Verb("(-1 if v is None else len(v))", "number", "values"),
    "S": _Verb("(-1 if v is None else len(v))", "number", "values"),
    "H": _Verb("len(h)", "number", "headers"),
    "d": _Verb("ts", "time", "timestamps"),
    "T": _Verb("ts", "number", "timestamps"),
    "e": _Verb("b.leader_epoch", "number", "batches"),
    "x": _Verb("b.producer_id", "number", "batches"),
    "y": _Verb("b.producer_epoch", "number", "batches"),
    "i": _Verb("next(counter)", "number"),
    "[": _Verb("marks.start", "number"),
    "|": _Verb("marks.stable", "number"),
    "]": _Verb("marks.high", "number"),
}
_ATTRIBUTES = {
    "compression": "b.codec",
    "timestamp-type": "int(b.is_log_append_time)",
    "transactional-bit": "int(b.is_transactional)",
    "control-bit": "int(b.is_control)",
}
_HEADER_VERBS = {
    "k": _Verb("hk", "bytes"),
    "v": _Verb("(hv or b'')", "bytes"),
    "K": _Verb("len(hk)", "number"),
    "V": _Verb("(-1 if hv is None else len(hv))", "number"),
}
_ELSEWHERE = {
    "R": "%R is kcat's; kq writes %V{big32}",
    "D": "%D and %A are kcl's for share groups, which kq does not read",
    "A": "%D and %A are kcl's for share groups, which kq does not read",
}
_LOOP_NAMES = {"offsets": "o", "keys": "k", "values": "v", "timestamps": "ts", "headers": "h", "batches": "b"}


def compile_format(text: str) -> Format:
    """The function for a format string. Raises Usage, a sentence that quotes what it does not understand."""
    source = _Source()
    template, arguments = source.spell(parse_layout(text, flag="-f"), _VERBS, text)
    return source.function(template, arguments)


class _Source:
    """Collects what the generated function needs while its pieces are spelled."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.names: dict[str, Any] = {"counter": itertools.count(1)}

    def spell(self, pieces: list[Piece], verbs: dict[str, _Verb], whole: str) -> tuple[bytes, list[str]]:
        """A bytes template for `%`, and one expression for each of its places."""
        template = b""
        arguments = []
        for piece in pieces:
            if isinstance(piece, Literal):
                template += piece.data.replace(b"%", b"%%")
                continue
            place, expression = self._verb(piece, verbs, whole)
            template += place
            arguments.append(expression)
        return template, arguments

    def _verb(self, piece: Verb, verbs: dict[str, _Verb], whole: str) -> tuple[bytes, str]:
        if piece.letter == "h" and verbs is _VERBS:
            return b"%b", self._headers(piece, whole)
        if piece.letter == "a" and verbs is _VERBS:
            return self._attribute(piece, whole)
        verb = verbs.get(piece.letter)
        if verb is None:
            known = " ".join(f"%{letter}" for letter in (*verbs, *(("h{…}", "a{…}") if verbs is _VERBS else ())))
            raise Usage(
                f"-f {whole}: {_ELSEWHERE.get(piece.letter) or f'there is no %{piece.letter}; known are {known}'}"
            )
        if verb.column:
            self.needs.add(verb.column)
        if verb.kind == "bytes":
            return b"%b", self._text(verb.expression, piece, whole)
        if verb.kind == "time" and piece.modifier and (of_time := convert.time_writer(piece.modifier)):
            return b"%b", f"{self._bind(of_time)}({verb.expression})"
        return self._number(verb.expression, piece.modifier, piece, whole)

    def _number(self, expression: str, modifier: str | None, piece: Verb, whole: str) -> tuple[bytes, str]:
        if modifier in (None, "ascii", "number"):
            return b"%d", expression
        writer = convert.number_writer(modifier or "")
        if writer is None:
            raise Usage(f"-f {whole}: %{piece.letter} has no {{{modifier}}}; {convert.NUMBERS}")
        return b"%b", f"{self._bind(writer)}({expression})"

    def _text(self, expression: str, piece: Verb, whole: str) -> str:
        if piece.modifier is None:
            return expression
        try:
            writer = convert.text_writer(piece.modifier)
        except ValueError as fault:
            raise Usage(f"-f {whole}: {fault}") from None
        if writer is None:
            raise Usage(f"-f {whole}: %{piece.letter} has no {{{piece.modifier}}}; {convert.TEXTS}")
        return f"{self._bind(writer)}({expression})"

    def _attribute(self, piece: Verb, whole: str) -> tuple[bytes, str]:
        name, _, modifier = (piece.modifier or "").partition(";")
        expression = _ATTRIBUTES.get(name)
        if expression is None:
            raise Usage(f"-f {whole}: write %a{{{'|'.join(_ATTRIBUTES)}}}")
        self.needs.add("batches")
        if name == "compression" and not modifier:
            return b"%b", f"{self._bind(convert.codec_name)}({expression})"
        return self._number(expression, modifier or None, piece, whole)

    def _headers(self, piece: Verb, whole: str) -> str:
        self.needs.add("headers")
        if piece.modifier is None:
            raise Usage(f"-f {whole}: a bare %h is kcat's; kq wants the format of a header, as in %h{{%k=%v,}}")
        template, arguments = self.spell(parse_layout(piece.modifier, flag="-f"), _HEADER_VERBS, whole)
        return f"b''.join([{template!r} % ({_tuple(arguments)}) for hk, hv in encoded(h)])"

    def _bind(self, function: Callable[[Any], bytes]) -> str:
        name = f"f{len(self.names)}"
        self.names[name] = function
        return name

    def function(self, template: bytes, arguments: list[str]) -> Format:
        columns = [column for column in _LOOP_NAMES if column in self.needs]
        if columns:
            loop = ", ".join(_LOOP_NAMES[column] for column in columns)
            lists = ", ".join(f"rows.{column}" for column in columns)
            each = f"for ({loop},) in zip({lists})" if len(columns) == 1 else f"for {loop} in zip({lists})"
        else:
            each = "for _ in rows.offsets"
        source = (
            "def render(rows):\n"
            "    topic = rows.topic.encode(); partition = rows.partition; marks = rows.watermarks\n"
            f"    return b''.join([{template!r} % ({_tuple(arguments)}) {each}])\n"
        )
        space: dict[str, Any] = {**self.names, "encoded": convert.encoded_headers}
        exec(compile(source, "<format>", "exec"), space)  # the source is made of our own table and repr() of literals
        return Format(frozenset(self.needs), space["render"])


def _tuple(arguments: list[str]) -> str:
    return ", ".join(arguments) + ("," if arguments else "")


def lines_format(key_delimiter: bytes | None, delimiter: bytes) -> Format:
    """What `-K` and `-D` mean on the way out: key, delimiter, value, delimiter. Without a key column: values alone."""
    if key_delimiter is None:

        def values(rows: Rows) -> bytes:
            column = rows.values
            try:
                return delimiter.join(column) + delimiter if column else b""
            except TypeError:  # a null among them
                return delimiter.join([value or b"" for value in column]) + delimiter

        return Format(frozenset({"values"}), values)

    template = b"%b" + key_delimiter.replace(b"%", b"%%") + b"%b" + delimiter.replace(b"%", b"%%")

    def keyed(rows: Rows) -> bytes:
        return b"".join(
            [template % (key or b"", value or b"") for key, value in zip(rows.keys, rows.values, strict=True)]
        )

    return Format(frozenset({"keys", "values"}), keyed)
