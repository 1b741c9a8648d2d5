"""What `kws-bench` found, as figures for programs and as tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kws_runtime.footprint import Footprint
from kws_runtime.machine import Condition, Machine
from kws_runtime.timing import HOP_MS, HOP_NS, HOP_US, PERCENTILES, Nanoseconds, StageTimings, Timings, percentiles_us

LABEL, FIGURE = 18, 9  # widths: with six figures a line has 72 columns
COLUMNS = 80
LEGEND = f"""\
Microseconds of a hop: {HOP_MS:g} ms of audio, pushed into the whole listener.
  flat out      each hop as soon as the one before it is done
  in real time  each hop when its audio would be there, idle between them
  with a step   hops that complete a step: the model runs in these alone. Below:
                its stages in such a hop, and the rest (checks, posteriors)
  woken late    how late the operating system let the work begin
  done after    from a hop's last sample to its decisions; to be under {HOP_US:.0f}
  s/h           CPU seconds for an hour of audio; of the stages: by the clock"""


@dataclass(frozen=True)
class Measurement:
    """A model on an interpreter."""

    model: str
    model_bytes: int
    interpreter: str
    threads: int
    flat: Timings
    stages: dict[str, StageTimings]  # flat out too
    paced: Timings
    footprint: Footprint | None  # with one thread alone: kws-listen takes no more

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return name_of(self.model, self.interpreter, self.threads)

    @property
    def paced_p99_us(self) -> float:
        """99 of 100 hops in real time take at most that, from the push to the decisions."""
        return percentiles_us(self.paced.work_ns)["p99"]

    def to_json(self) -> dict[str, Any]:
        """All figures; times in microseconds where the name says `us`, else in seconds."""
        ran = self.stages["step"].calls > 0
        return {
            "model": self.model,
            "model_bytes": self.model_bytes,
            "interpreter": self.interpreter,
            "threads": self.threads,
            "flat": _chain_json(self.flat),
            "stages": {
                name: {
                    "calls": int(stage.calls.sum()),
                    "us_a_call": round(float(stage.ns.sum()) / 1000 / max(1, int(stage.calls.sum())), 2),
                    "us_with_step": _rounded(stage.ns[ran]),
                    "s_an_hour": round(stage.s_an_hour, 3),
                }
                for name, stage in self.stages.items()
            },
            "paced": {
                **_chain_json(self.paced),
                "late_us": _rounded(self.paced.late_ns),
                "done_us": _rounded(self.paced.done_ns),
                "over_deadline": self.paced.missed,
                "work_over_deadline": _too_long(self.paced),
            },
            **(asdict(self.footprint) if self.footprint else {}),
        }


def name_of(model: str, interpreter: str, threads: int) -> str:
    """What people call a measurement."""
    return f"{model} on {interpreter}" + (f", {threads} threads" if threads > 1 else "")


def _rounded(ns: Nanoseconds | None) -> dict[str, float] | None:
    """Percentiles in microseconds; None where there is nothing."""
    if ns is None or not len(ns):
        return None
    return {name: round(us, 2) for name, us in percentiles_us(ns).items()}


def _too_long(timings: Timings) -> int:
    """Hops whose work alone took longer than a hop."""
    return int((timings.work_ns > HOP_NS).sum())


def _chain_json(timings: Timings) -> dict[str, Any]:
    return {
        "hops": len(timings.work_ns),
        "hops_with_step": int((timings.steps > 0).sum()),
        "us": _rounded(timings.work_ns),
        "us_with_step": _rounded(timings.with_step_ns),
        "us_without_step": _rounded(timings.without_step_ns),
        "p99_share_of_hop": round(percentiles_us(timings.work_ns)["p99"] / HOP_US, 5),
        "cpu_s_an_hour": round(timings.cpu_s_an_hour, 3),
    }


def table(measurement: Measurement) -> list[str]:
    """A measurement, without its name, in lines of at most 80 columns."""
    paced, ran = measurement.paced, measurement.stages["step"].calls > 0
    lines = [f"  {'µs':{LABEL - 2}}" + "".join(f"{name:>{FIGURE}}" for name in (*PERCENTILES, "s/h"))]
    lines += _chain_rows("flat out", measurement.flat)
    for name, stage in measurement.stages.items():
        lines += _row(f"      {name.replace('_', ' ')}", stage.ns[ran], stage.s_an_hour)
    lines += _chain_rows("in real time", paced)
    lines += [*_row("    woken late", paced.late_ns), *_row("    done after", paced.done_ns)]
    share = 100 * measurement.paced_p99_us / HOP_US
    lines.append(f"  p99 in real time is {share:.2g} % of a hop's {HOP_MS:g} ms")
    own = f", {_too_long(paced)} of them by their own work" if paced.missed else ""
    lines.append(f"  {paced.missed} of {len(paced.work_ns)} hops were done too late{own}")
    return lines + _footprint_lines(measurement)


def _chain_rows(name: str, timings: Timings) -> list[str]:
    rows = _row(f"  {name}", timings.work_ns, timings.cpu_s_an_hour)
    return [*rows, *_row("    without a step", timings.without_step_ns), *_row("    with a step", timings.with_step_ns)]


def _row(label: str, ns: Nanoseconds | None, s_an_hour: float | None = None) -> list[str]:
    """A line, or none where there is nothing to tell."""
    if ns is None or not len(ns):
        return []
    figures = [f"{us:{FIGURE}.1f}" for us in percentiles_us(ns).values()]
    return [f"{label:{LABEL}}" + "".join(figures) + (f"{s_an_hour:{FIGURE}.2f}" if s_an_hour is not None else "")]


def _footprint_lines(measurement: Measurement) -> list[str]:
    cost = measurement.footprint
    if cost is None:
        return []
    start = f"{cost.startup_cpu_s:.2f} s of CPU, {cost.startup_wall_s:.2f} s by the clock"
    disk = f"installed {cost.installed_bytes / 1e6:.0f} MB, model {measurement.model_bytes / 1e6:.2f} MB"
    return [f"  start-up to the first posterior {start}", f"  peak RSS {_mib(cost.peak_rss_bytes)} MiB; {disk}"]


def _mib(size: int | None) -> str:
    return "?" if size is None else f"{size / (1 << 20):.1f}"


def summary(measurements: Sequence[Measurement]) -> list[str]:
    """All measurements beside each other, a line each."""
    width = max(len(one.name) for one in measurements)
    lines = [
        f"{'':{width}}  {'flat out':>14}  {'in real time':>14}  {'start':>6}  {'RSS':>6}",
        f"{'':{width}}  {'p99 µs':>7}{'s/h':>7}  {'p99 µs':>7}{'s/h':>7}  {'CPU s':>6}  {'MiB':>6}",
    ]
    for one in measurements:
        chains = [
            f"{percentiles_us(timings.work_ns)['p99']:7.0f}{timings.cpu_s_an_hour:7.1f}"
            for timings in (one.flat, one.paced)
        ]
        cost = one.footprint
        start, peak = (f"{cost.startup_cpu_s:.2f}", _mib(cost.peak_rss_bytes)) if cost else ("", "")
        lines.append(f"{one.name:{width}}  {'  '.join(chains)}  {start:>6}  {peak:>6}".rstrip())
    return lines


def machine_lines(machine: Machine) -> list[str]:
    """What the machine is, in lines of at most 80 columns."""
    memory = f"{machine.memory_mib} MiB" if machine.memory_mib else None
    hardware = [machine.board, f"{machine.cores} x {machine.cpu or machine.architecture}", memory, machine.architecture]
    system = [machine.system, f"Linux {machine.kernel}", f"{machine.bits}-bit Python"]
    versions = [f"{name} {version}" for name, version in machine.versions.items()]
    return [line for parts in (hardware, system, versions) for line in _wrapped(parts)]


def condition_lines(machine: Machine, before: Condition, after: Condition) -> list[str]:
    """How the machine was, in lines of at most 80 columns."""
    lines = []
    for when, condition in (("before", before), ("after", after)):
        limit = f" of {machine.max_mhz}" if machine.max_mhz else ""
        throttling = condition.throttling
        parts = [
            f"{condition.mhz}{limit} MHz" if condition.mhz else None,
            f"governor {machine.governor}" if machine.governor else None,
            f"{condition.celsius:.0f} °C" if condition.celsius is not None else None,
            f"load {condition.load:g}",
            None if throttling is None else ", ".join(throttling) or "not throttled",
        ]
        lines += _wrapped(parts, f"{when}: ")
    return lines


def _wrapped(parts: Sequence[str | None], begin: str = "") -> list[str]:
    """What is known, with commas."""
    return textwrap.wrap(begin + ", ".join(part for part in parts if part), COLUMNS, subsequent_indent="  ")
