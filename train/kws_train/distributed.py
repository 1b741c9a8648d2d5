"""Training on more than one machine: who takes part, and how their gradients become one.

TF_CONFIG names the workers, as for all programs that use TensorFlow's MultiWorkerMirroredStrategy. Every worker holds
the whole model and learns from its share of the streams. The gradients are summed over the workers, and each worker
takes the same step with the sum: so clipping by the norm acts on the sum, as it does on one machine. The first worker
is the chief. Only the chief writes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kws_runtime.errors import ClusterError
from kws_train.quiet import import_tensorflow

PATIENCE_S = 5.0  # until we say for whom we wait
WAIT_S = 600.0  # until we give up: workers start and read their recordings at their own pace
HEALTH_S = 2.0  # between two looks at the other workers


@dataclass(frozen=True)
class Cluster:
    """The workers' addresses (host:port), the chief's first, and which of them we are."""

    addresses: tuple[str, ...] = ("this machine",)
    rank: int = 0

    @property
    def is_chief(self) -> bool:
        return self.rank == 0

    @property
    def others(self) -> str:
        """The addresses of the others, for people."""
        return ", ".join(address for rank, address in enumerate(self.addresses) if rank != self.rank)

    def share(self, streams: int) -> range:
        """Our part of the indices of all streams."""
        count = len(self.addresses)
        return range(streams * self.rank // count, streams * (self.rank + 1) // count)

    def join(self, streams: int) -> Team:
        """Import TensorFlow, find the other workers and share `streams` with them.

        Raises ClusterError where they do not come, or too many have come for so few streams.
        """
        if len(self.addresses) == 1:
            import_tensorflow()
            return Team()
        if len(self.addresses) > streams:
            raise ClusterError(f"TF_CONFIG: {len(self.addresses)} workers cannot share {streams} streams; name fewer")
        return Workers(self, len(self.share(streams)) / streams)


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """The cluster that TF_CONFIG describes; without it, this machine alone. Raises ClusterError where it is faulty."""
    text = environment.get("TF_CONFIG")
    if not text:
        return Cluster()
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        names = [(job, index) for job in ("chief", "worker") for index in range(len(jobs.get(job, ())))]
        addresses = tuple(jobs[job][index] for job, index in names)
        place = task["type"], int(task["index"])
        wrong = [address for address in addresses if not re.fullmatch(r".+:\d+", address)]
    except ValueError as error:
        raise ClusterError(f"TF_CONFIG: not JSON: {error}") from None
    except (KeyError, TypeError, AttributeError, IndexError):
        raise ClusterError(
            'TF_CONFIG: must be {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
        ) from None
    if unknown := sorted(set(jobs) - {"chief", "worker"}):
        raise ClusterError(f"TF_CONFIG: {unknown[0]}: only chief and worker can take part")
    if wrong:
        raise ClusterError(f"TF_CONFIG: {wrong[0]!r} is not host:port")
    if len(set(addresses)) < len(addresses):
        raise ClusterError("TF_CONFIG: two workers have the same address")
    if place not in names:
        raise ClusterError(f"TF_CONFIG: there is no {place[0]} {place[1]} among the {len(names)} of its cluster")
    return Cluster(addresses, names.index(place))


class Team:
    """What the training loop asks of those who learn together. Here: one machine, so there is nothing to do."""

    is_chief = True

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn the loss of a worker into a ClusterError."""

    def mean(self, tensors: list[Any]) -> list[Any]:
        """Means over all streams of tensors that are means over ours."""
        return tensors

    def average(self, variables: list[Any]) -> None:
        """Set variables that each worker has moved by itself to their mean."""

    def follow_chief(self, variables: list[Any]) -> None:
        """Set variables to the chief's."""

    def check_same(self, facts: Mapping[str, object]) -> None:
        """Raise ClusterError on every worker, where one has other `facts` than the chief."""

    def wait_for_all(self) -> None:
        """Return when every worker has come here."""


class Workers(Team):
    """Several machines, one replica of the model on each."""

    def __init__(self, cluster: Cluster, weight: float) -> None:
        """`weight`: our share of all streams."""
        self._cluster, self._weight = cluster, weight
        self.is_chief = cluster.is_chief
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what matters of a lost worker reaches us as an exception
        import_tensorflow(look_for_devices=False)
        import tensorflow as tf
        from tensorflow.python.distribute import collective_all_reduce_strategy
        from tensorflow.python.eager import context

        tf.get_logger().setLevel(logging.CRITICAL)
        # Several GPUs here would be several replicas; a process has one. A second process can have the second GPU.
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
        # TensorFlow's coordination service would wait for the others for an hour, deaf to Ctrl-C, and keep SIGTERM
        # from us ever after. Without it the strategy looks after the others itself.
        context.context().configure_coordination_service(service_type="")
        collective_all_reduce_strategy.CollectiveAllReduceExtended._check_health_interval = HEALTH_S
        # Not in this thread: it must hear Ctrl-C while the strategy waits for the others.
        self._strategy = self._in_time(_begun(tf.distribute.MultiWorkerMirroredStrategy))
        self._sum = tf.function(self._sum_eagerly)

    def _in_time(self, strategy: Future[Any]) -> Any:
        try:
            try:
                return strategy.result(PATIENCE_S)
            except TimeoutError:
                print(f"waiting for {self._cluster.others}", file=sys.stderr)
                return strategy.result(WAIT_S)
        except TimeoutError:
            raise ClusterError(
                f"{self._cluster.others}: not all have come within {WAIT_S / 60:.0f} minutes; start all workers"
            ) from None
        except _lost() as error:
            raise self._loss() from error
        except _tensorflow().errors.OpError as error:
            own = self._cluster.addresses[self._cluster.rank]
            raise ClusterError(f"{own}: cannot work there ({error.message}); is another program on it?") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _lost()):
            raise self._loss() from error

    def _loss(self) -> ClusterError:
        one = "one of " if len(self._cluster.addresses) > 2 else ""
        return ClusterError(
            f"{one}{self._cluster.others}: no longer there; start all workers again with --resume "
            "(it goes on from the last finished epoch)"
        )

    def _sum_eagerly(self, tensors: list[Any]) -> list[Any]:
        tf = _tensorflow()

        def on_replica(tensors: list[Any]) -> list[Any]:
            here = [tf.identity(tensor) for tensor in tensors]  # the strategy wants to know on which device
            summed: list[Any] = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)
            return summed

        summed: list[Any] = self._strategy.run(on_replica, args=(tensors,))
        return summed

    def mean(self, tensors: list[Any]) -> list[Any]:
        summed: list[Any] = self._sum([self._weight * tensor for tensor in tensors])
        return summed

    def average(self, variables: list[Any]) -> None:
        if not variables:
            return
        tf = _tensorflow()
        # In double precision, so that what is equal everywhere (the normalization) stays what it is.
        values = self.mean([tf.cast(tf.convert_to_tensor(variable), tf.float64) for variable in variables])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(tf.cast(value, variable.dtype))

    def follow_chief(self, variables: list[Any]) -> None:
        tf = _tensorflow()
        for dtype in sorted({str(variable.dtype) for variable in variables}):  # a collective takes one type
            alike = [variable for variable in variables if str(variable.dtype) == dtype]
            values = [tf.convert_to_tensor(variable) for variable in alike]
            if not self.is_chief:
                values = [tf.zeros_like(value) for value in values]
            for variable, value in zip(alike, self._sum(values), strict=True):
                variable.assign(value)

    def check_same(self, facts: Mapping[str, object]) -> None:
        tf = _tensorflow()
        count = len(self._cluster.addresses)
        with self:
            rows = tf.one_hot(self._cluster.rank, count, dtype=tf.int64)[:, None] * _fingerprints(facts.values())
            (table,) = self._sum([rows])  # (workers, facts)
        for rank, row in enumerate(table.numpy()):
            for name, theirs, chiefs in zip(facts, row, table.numpy()[0], strict=True):
                if theirs != chiefs:
                    raise ClusterError(
                        f"{self._cluster.addresses[rank]}: its {name} are not those of the chief, "
                        f"{self._cluster.addresses[0]}; all workers must have the same"
                    )

    def wait_for_all(self) -> None:
        # Not in this thread either: the chief may take a minute to finish its files.
        _begun(lambda: self._sum([_tensorflow().zeros(())])).result()


def _tensorflow() -> Any:
    import tensorflow

    return tensorflow


def _lost() -> tuple[type[Exception], ...]:
    """What TensorFlow raises when a worker has gone."""
    errors = _tensorflow().errors
    return errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.FailedPreconditionError


def _begun(start: Callable[[], Any]) -> Future[Any]:
    """The result to come of `start`, in a thread that does not keep the process alive."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(start())
        except (_tensorflow().errors.OpError, RuntimeError, ValueError) as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _fingerprints(facts: Iterable[object]) -> list[int]:
    """63 bits of each fact."""
    digests = [hashlib.sha256(json.dumps(fact, sort_keys=True).encode()).digest() for fact in facts]
    return [int.from_bytes(digest[:8], "big") >> 1 for digest in digests]
