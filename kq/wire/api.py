"""One API of the protocol: its key, the versions it is served at, its two messages and their codecs.

Parsing a table takes about a millisecond and compiling a version another, so both wait for their first use: a command
that sends three kinds of request pays for three.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kq.wire.decoder import MOST_ITEMS, Decoder, compile_decoder
from kq.wire.encoder import Encoder, Part, compile_encoder
from kq.wire.errors import UnsupportedVersion
from kq.wire.message import Message, build_classes
from kq.wire.schema import NEVER, Structure, Versions


class Side:
    """The request or the response of an API: its classes and one compiled codec a version."""

    def __init__(
        self, name: str, table: str, versions: Versions, flexible_from: int, most_items: int | None = None
    ) -> None:
        self.name = name
        self.table = table
        self.versions = versions
        self.flexible_from = flexible_from
        self.most_items = most_items
        self.decoders: dict[int, Decoder] = {}
        self.encoders: dict[int, Encoder] = {}

    @cached_property
    def built(self) -> tuple[Structure, dict[str, type[Message]]]:
        return build_classes(self.name, self.table)

    def compile_decoder(self, version: int) -> Decoder:
        self.check(version)
        root, classes = self.built
        flexible = version >= self.flexible_from
        decoder = compile_decoder(root, classes, version, flexible, f"{self.name} v{version}", self.most_items)
        self.decoders[version] = decoder
        return decoder

    def compile_encoder(self, version: int) -> Encoder:
        self.check(version)
        root, classes = self.built
        encoder = compile_encoder(root, classes, version, version >= self.flexible_from, f"{self.name} v{version}")
        self.encoders[version] = encoder
        return encoder

    def check(self, version: int) -> None:
        if version not in self.versions:
            first, last = self.versions
            raise UnsupportedVersion(f"{self.name} has the versions {first} to {last}, not {version}")


class Api:
    """`versions` are those of the tables; `advertised` is what a broker claims where that differs (Produce)."""

    def __init__(
        self,
        key: int,
        name: str,
        *,
        versions: str,
        flexible: str,
        request: str,
        response: str,
        advertised: str | None = None,
    ) -> None:
        self.key = key
        self.name = name
        self.versions = Versions.parse(versions)
        self.min_version, self.max_version = Versions.parse(advertised) if advertised else self.versions
        self.flexible_from = NEVER if flexible == "none" else Versions.parse(flexible).first
        self.request_side = Side(f"{name}Request", request, self.versions, self.flexible_from, MOST_ITEMS)
        self.response_side = Side(f"{name}Response", response, self.versions, self.flexible_from)

    def __repr__(self) -> str:
        return f"<Api {self.name} ({self.key})>"

    @cached_property
    def Request(self) -> type[Message]:
        return self.request_side.built[1][self.request_side.name]

    @cached_property
    def Response(self) -> type[Message]:
        return self.response_side.built[1][self.response_side.name]

    def decode_request(self, version: int, buf: Any, pos: int = 0) -> Message:
        decode = self.request_side.decoders.get(version) or self.request_side.compile_decoder(version)
        return decode(buf, pos)

    def encode_request(self, version: int, message: Message) -> list[Part]:
        encode = self.request_side.encoders.get(version) or self.request_side.compile_encoder(version)
        return encode(message)

    def decode_response(self, version: int, buf: Any, pos: int = 0) -> Message:
        decode = self.response_side.decoders.get(version) or self.response_side.compile_decoder(version)
        return decode(buf, pos)

    def encode_response(self, version: int, message: Message) -> list[Part]:
        encode = self.response_side.encoders.get(version) or self.response_side.compile_encoder(version)
        return encode(message)
