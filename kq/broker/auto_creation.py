"""Topics that are created unasked, because a client named them: in the background, with the broker's defaults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from kq.broker.topic_plans import plan_topic
from kq.errors import KafkaError

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

MOST_WANTED = 1000  # names that wait; who asks for very many at once has to ask again


class AutoCreation:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wanted: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, names: Sequence[str]) -> None:
        """They will be there soon; a name that cannot be is passed over."""
        fresh = (name for name in names if name not in self._wanted)
        self._wanted |= dict.fromkeys(islice(fresh, max(0, MOST_WANTED - len(self._wanted))))
        if self._wanted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._create_wanted())

    async def _create_wanted(self) -> None:
        while names := list(self._wanted):
            planned = []
            for name in names:
                try:
                    planned.append(plan_topic(self._broker, name))
                except KafkaError as error:
                    log.warning("topic %r is not created: %s", name, error)
            try:
                await self._broker.topics.create(planned)
            except KafkaError as error:
                log.error("%d topics are not created: %s", len(planned), error)
            for name in names:
                del self._wanted[name]

    async def close(self) -> None:
        """No topic is created unasked any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
