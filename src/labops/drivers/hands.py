"""Threads that may be left behind: a blocked request must not keep Ctrl-C from ending the process.

`concurrent.futures` waits for its threads when the interpreter ends, and a thread inside a foreign library
cannot be interrupted. These are daemons: whoever waits for them may stop waiting.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_T = TypeVar("_T")
_R = TypeVar("_R")
_ALONE_BYTES = 4 << 20
_BEHIND = 32
"""Pieces that may wait for the thread that follows."""
_left: list[threading.Thread] = []


def leave_behind(threads: Iterable[threading.Thread]) -> None:
    """Whoever waited for these threads was interrupted and waits no more."""
    _left[:] = [thread for thread in (*_left, *threads) if thread.is_alive()]


def is_anyone_left() -> bool:
    """True while a thread that was left behind still works.

    The interpreter's own end may crash when a foreign library wakes up during it, so the process should end
    by `os._exit` then.
    """
    return any(thread.is_alive() for thread in _left)


class Hands:
    """Up to `most` daemon threads that do what is submitted, in order; they start as they are needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._todo: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self.threads: list[threading.Thread] = []
        self._is_closed = False

    def submit(self, call: Callable[..., _R], *arguments: Any) -> Future[_R]:
        """The future of `call(*arguments)`. After `close` nothing more may be submitted."""
        from concurrent.futures import Future  # 10 ms (it logs) that commands without a network need not pay

        future: Future[_R] = Future()
        with self._changed:
            assert not self._is_closed
            self._todo.append((future, call, arguments))
            if self._idle < len(self._todo) and len(self.threads) < self._most:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self.threads)}", daemon=True)
                self.threads.append(thread)
                thread.start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the threads once they are idle; what still waits is cancelled. Waits for nobody."""
        with self._changed:
            self._is_closed = True
            while self._todo:
                self._todo.popleft()[0].cancel()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._todo and not self._is_closed:
                    self._changed.wait()
                self._idle -= 1
                if not self._todo:
                    return
                future, call, arguments = self._todo.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call(*arguments))
                except BaseException as error:  # noqa: BLE001 - whoever holds the future gets it
                    future.set_exception(error)
            del future, call, arguments


def each_ready(call: Callable[[_T], _R], items: Iterable[_T], *, most: int, name: str) -> Iterator[_R]:
    """`call` of each item on up to `most` threads; results come as they are ready, the first error ends it.

    Whoever is interrupted while waiting leaves at once: calls under way end on their own.
    """
    from concurrent.futures import as_completed

    todo = list(items)
    if not todo:
        return
    hands = Hands(min(most, len(todo)), name)
    try:
        for future in as_completed([hands.submit(call, item) for item in todo]):
            yield future.result()
    except KeyboardInterrupt:
        leave_behind(hands.threads)
        raise
    finally:
        hands.close()


@contextlib.contextmanager
def behind(call: Callable[[bytes | memoryview], object]) -> Iterator[Callable[[bytes | memoryview], None]]:
    """A function that has `call` made with each piece of a long stream, in order, by a thread that follows.

    The first few MiB are not worth a thread. What `call` raises is raised by a later piece, or by the end of the block,
    after which nothing is called any more.
    """
    futures: deque[Future[object]] = deque()
    hands = Hands(1, "labops-behind")
    passed = 0

    def take(data: bytes | memoryview) -> None:
        nonlocal passed
        passed += len(data)
        if passed < _ALONE_BYTES:
            call(data)
            return
        futures.append(hands.submit(call, data))
        if len(futures) > _BEHIND:
            futures.popleft().result()

    try:
        yield take
        for future in futures:
            future.result()
    finally:
        settle(futures)
        hands.close()


def settle(futures: Collection[Future[Any]]) -> None:
    """Leave no thread that still works on a file of ours: cancel what waits, await what runs."""
    for future in futures:
        future.cancel()
    for future in futures:
        if not future.cancelled():
            future.exception()
