"""What the client could not do, as a sentence with a way out (the examples of CLI-OUTPUT.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.run.failures import FAILED, NOT_FOUND, Failure, Hint, Usage
from kq.client.errors import (
    CLOSED,
    NOT_TLS,
    REFUSED,
    TIMEOUT,
    WANTS_SASL,
    WANTS_TLS,
    AuthenticationFailed,
    Unreachable,
)
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call

MISSING = {Err.UNKNOWN_TOPIC_OR_PARTITION, Err.UNKNOWN_TOPIC_ID, Err.RESOURCE_NOT_FOUND, Err.GROUP_ID_NOT_FOUND}


def error_json(error: KafkaError | None) -> dict[str, str] | None:
    """An item's error inside the JSON of a command."""
    return None if error is None else {"code": error.code.name, "message": str(error)}


def failure_of(error: KafkaError, call: Call) -> Failure:
    words = str(error).removesuffix(".")
    if isinstance(error, Unreachable):
        return Failure(words, *_ways_to_a_broker(error, call), code="UNREACHABLE")
    if isinstance(error, AuthenticationFailed):
        return Failure(str(error), Hint("see what is used", "kq profile show --sources"), code="AUTHENTICATION_FAILED")
    failure = Failure(words, code=error.code.name)
    failure.exit_code = NOT_FOUND if error.code in MISSING else FAILED
    return failure


def _ways_to_a_broker(error: Unreachable, call: Call) -> list[Hint]:
    if error.reason in (CLOSED, WANTS_TLS):
        return [Hint("try", call.again("-X", "security.protocol=SSL"))]
    if error.reason == NOT_TLS:
        return [Hint("try", call.again("-X", "security.protocol=PLAINTEXT"))]
    if error.reason == WANTS_SASL:
        login = call.again("-X", "security.protocol=SASL_SSL", "-X", "sasl.username=NAME")
        return [Hint("log in", f"KQ_SASL_PASSWORD=… {login}"), Hint("or keep it in", "kq profile edit NAME")]
    hints = []
    if error.reason in (REFUSED, TIMEOUT) and _is_here(error.address):
        hints.append(Hint("start one", "kq broker start"))
    return [*hints, Hint("ask another", f"kq {call.command} -b HOST:PORT, or set KQ_BOOTSTRAP")]


def _is_here(address: str) -> bool:
    return address.startswith(("127.", "localhost:", "[::1]:"))


def check_client_settings(config: dict[str, str], call: Call) -> None:
    """Names the flag or file that gave a setting the client does not take; where it is two together, what they say."""
    from kq.client.settings import parse_settings

    try:
        parse_settings(config)
    except KafkaError as together:
        for name, value in config.items():
            try:
                parse_settings({name: value})
            except KafkaError as error:
                sourced = call.settings.values.get(name)
                source = f"{sourced.source}: " if sourced else ""
                raise Usage(f"{source}{error}") from None
        raise Usage(str(together)) from None
