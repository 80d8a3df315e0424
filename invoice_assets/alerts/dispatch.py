"""One look for all channels: read, decide, deliver, and only then remember.

What is worth telling is decided in `incidents.py`, what a channel is in `channels.py`. Where observations come from
and where memories are kept is the caller's business. Delivery is at least once (docs/adr/0010-alerts.md).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import tzinfo
from enum import StrEnum
from threading import Lock
from typing import Protocol

from invoice_assets.alerts.channels import AlertDeliveryError, Channel
from invoice_assets.alerts.incidents import AlertPolicy, advance, forget, start_memory
from invoice_assets.alerts.memory import OVERLAP_S, AlertMemoryError, Memory
from invoice_assets.alerts.messages import compose, compose_test
from invoice_assets.alerts.observations import Observation, ObservationReader

FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 3600.0
"""Seconds until a failed delivery is tried again: doubled with every failure, up to the longest."""

MAX_PARALLEL_DELIVERIES = 8


class MemoryStore(Protocol):
    """Keeps a text for each channel. It is never called by two threads at once."""

    def load(self, channel_id: str) -> str | None:
        """The text that was saved last; None where there never was one."""

    def save(self, channel_id: str, text: str) -> None:
        """Keep the text in place of the one before."""


class Outcome(StrEnum):
    """What became of one channel at one look."""

    STARTED = "started"
    """The channel is new: what fails is remembered, and nothing is sent."""
    NOTHING = "nothing to tell"
    SENT = "sent"
    FAILED = "failed"
    """Nothing is lost: it is sent again at `until`."""
    WAITING = "waiting"
    """An earlier delivery failed, and the next is not due before `until`."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What one channel was told at one look. It holds no secret."""

    channel: str
    """The channel's name, masked."""
    outcome: Outcome
    notices: int = 0
    """How many were sent, or would have been."""
    reason: str = ""
    """Why it failed."""
    until: float | None = None
    """When it is tried again (epoch seconds), where a time is set."""


def dispatch(
    reader: ObservationReader,
    channels: Sequence[Channel],
    *,
    store: MemoryStore,
    now: float,
    policy: AlertPolicy,
    time_zone: tzinfo,
) -> tuple[Delivery, ...]:
    """Tell every channel what is new to it at `now` (epoch seconds); one delivery each, in the channels' order.

    A channel that cannot be reached is no exception but a delivery that failed. What reading or saving raises is
    raised, after every other channel has been served.
    """
    memories = {channel.id: _load(store, channel) for channel in channels}
    look = _Look(reader, store, memories, now=now, policy=policy, time_zone=time_zone)
    look.read()
    return _for_each(channels, look.serve)


def send_test(channels: Sequence[Channel], *, now: float) -> tuple[Delivery, ...]:
    """Send one test message to every channel at `now` (epoch seconds); what became of it, in the channels' order."""
    return _for_each(channels, lambda channel: _test_one(channel, now=now))


def _test_one(channel: Channel, *, now: float) -> Delivery:
    try:
        channel.deliver(compose_test(channel.name, now=now))
    except AlertDeliveryError as error:
        return Delivery(channel=channel.name, outcome=Outcome.FAILED, reason=error.reason)
    return Delivery(channel=channel.name, outcome=Outcome.SENT)


def _for_each(channels: Sequence[Channel], serve: Callable[[Channel], Delivery]) -> tuple[Delivery, ...]:
    with ThreadPoolExecutor(max_workers=MAX_PARALLEL_DELIVERIES, thread_name_prefix="alerts") as pool:
        served = [pool.submit(serve, channel) for channel in channels]
    return tuple(future.result() for future in served)


def _load(store: MemoryStore, channel: Channel) -> Memory | AlertMemoryError | None:
    text = store.load(channel.id)
    try:
        return None if text is None else Memory.from_json(text)
    except AlertMemoryError as error:
        return error


class _Look:
    """What the channels share at one look."""

    def __init__(
        self,
        reader: ObservationReader,
        store: MemoryStore,
        memories: Mapping[str, Memory | AlertMemoryError | None],
        *,
        now: float,
        policy: AlertPolicy,
        time_zone: tzinfo,
    ) -> None:
        self._reader, self._store, self._memories = reader, store, memories
        self._now, self._policy, self._time_zone = now, policy, time_zone
        self._saving = Lock()
        self._current: tuple[Observation, ...] = ()
        self._observations: tuple[Observation, ...] = ()

    def read(self) -> None:
        """Read once what all of the channels need together."""
        memories = [memory for memory in self._memories.values() if isinstance(memory, Memory)]
        due = [memory.read_from for memory in memories if memory.next_attempt_at <= self._now]
        if due:
            self._observations = tuple(self._reader.read_since(min(due)))
        if any(memory is None for memory in self._memories.values()):
            self._current = tuple(self._reader.read_current())

    def serve(self, channel: Channel) -> Delivery:
        """Tell one channel what is new to it; any thread may, each for a channel of its own."""
        memory = self._memories[channel.id]
        if memory is None:
            self._save(channel, start_memory(channel.route(self._current), now=self._now))
            return Delivery(channel=channel.name, outcome=Outcome.STARTED)
        if isinstance(memory, AlertMemoryError):
            reason = (
                f"the memory of channel {channel.id} cannot be read: {memory}. Delete it, and the channel starts anew"
            )
            return Delivery(channel=channel.name, outcome=Outcome.FAILED, reason=reason)
        if memory.next_attempt_at > self._now:
            return Delivery(channel=channel.name, outcome=Outcome.WAITING, until=memory.next_attempt_at)
        return self._tell(channel, memory)

    def _tell(self, channel: Channel, memory: Memory) -> Delivery:
        observations = channel.route(self._observations)
        known = forget(memory, knows=self._reader.knows)
        notices, after = advance(known, observations, now=self._now, policy=self._policy)
        if not notices:
            if _is_worth_saving(memory, after):
                self._save(channel, after)
            return Delivery(channel=channel.name, outcome=Outcome.NOTHING)
        message = compose(notices, now=self._now, time_zone=self._time_zone, limit=channel.body_limit)
        try:
            channel.deliver(message)
        except AlertDeliveryError as error:
            return self._put_off(channel, memory, notices=len(notices), reason=error.reason)
        self._save(channel, after)
        return Delivery(channel=channel.name, outcome=Outcome.SENT, notices=len(notices))

    def _put_off(self, channel: Channel, memory: Memory, *, notices: int, reason: str) -> Delivery:
        until = self._now + min(FIRST_RETRY_S * 2 ** min(memory.attempts, 30), LONGEST_RETRY_S)
        self._save(channel, replace(memory, attempts=memory.attempts + 1, next_attempt_at=until))
        return Delivery(channel=channel.name, outcome=Outcome.FAILED, notices=notices, reason=reason, until=until)

    def _save(self, channel: Channel, memory: Memory) -> None:
        with self._saving:
            self._store.save(channel.id, memory.to_json())


def _is_worth_saving(before: Memory, after: Memory) -> bool:
    """Whether anything but the reading has moved on, or that by half of what is read again anyway.

    Where nothing was told, the next look comes from the older memory to the same result: it reads a little more.
    """
    moved_s = abs(after.read_until - before.read_until)
    return moved_s >= OVERLAP_S / 2 or replace(after, read_until=before.read_until, recent=before.recent) != before
