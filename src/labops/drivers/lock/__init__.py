"""Locks that labops and dvc both respect: the repository's, and the paths that a pipeline uses."""

from labops.drivers.lock.pipelines import check_pipelines
from labops.drivers.lock.repository import FOREVER, WAIT_SECONDS, Holder, RepositoryLock, is_alive

__all__ = ["FOREVER", "WAIT_SECONDS", "Holder", "RepositoryLock", "check_pipelines", "is_alive"]
