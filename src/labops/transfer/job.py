"""What is to be done: the same words for every kind of hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from labops.model import Event, OnEvent

Item = TypeVar("Item")
Value = TypeVar("Value")


class Job(NamedTuple, Generic[Item, Value]):
    """The arguments of `each`."""

    items: Sequence[Item]
    work: Callable[[Item], Value]
    keep: Callable[[Item, Value], object] | None
    expect: Callable[[Item], object] | None
    phase: str
    jobs: int
    size_of: Callable[[Item], int]
    on_event: OnEvent

    def kept(self, item: Item, value: Value) -> Value:
        """What stands for `value` in the list of results."""
        if self.keep is None:
            return value
        self.keep(item, value)
        return None  # type: ignore[return-value]  # the caller has taken it: a million need not lie about twice

    def begin(self) -> None:
        """Work on all items starts now."""
        total_size = sum(map(self.size_of, self.items))
        self.on_event(Event("started", self.phase, total=len(self.items), total_size=total_size))

    def tell(self, items: Sequence[Item]) -> None:
        """These are done."""
        size = sum(map(self.size_of, items))
        self.on_event(Event("advanced", self.phase, count=len(items), size=size))
