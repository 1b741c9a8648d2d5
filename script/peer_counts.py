"""The instructions that the peers of script/bench-peers execute for 10 ms of audio on an emulated Raspberry Pi."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from device.build import Fault, build, build_wheel, install
from device.counting import STEADY, count, make_counter
from device.machines import MACHINES
from peer_venvs import BARE, CACHE, NEEDS, ROOT, Peer

MACHINE = MACHINES["aarch64-bookworm"]
WORK = ROOT / "script" / "peers" / "work.py"
FEW, MANY = 2, 12  # blocks
SCENE = 41  # blocks: of those whose work depends on what is said, the whole scene is counted
DEPENDS = ("sphinx",)
TEN_MS_A_BLOCK = 96


def count_peers(peers: list[Peer], stream: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Instructions per 10 ms of those that run there, and why the others do not. Raises Fault without a machine."""
    folder = CACHE.parent / "peers-emulated"
    python = build(MACHINE, folder)
    counter, wheel = make_counter(folder), build_wheel(folder)
    counts: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for peer in peers:
        print(f"counting {peer.name}", file=sys.stderr)
        site = folder / "sites" / peer.venv
        try:
            if not site.exists():
                _install(peer.venv, python, site, wheel)
            counts[peer.name] = _per_10ms(peer, python, counter, site, stream)
        except Fault as fault:
            left_out[peer.name] = str(fault).splitlines()[-1]
    shutil.rmtree(folder)
    return counts, left_out


def _install(name: str, python: Path, site: Path, wheel: Path) -> None:
    """What pip puts into a venv, in a folder alone."""
    needs = [str(wheel) if need == str(ROOT) else need for need in NEEDS[name]]
    install(python, "--no-compile", "--target", site, *needs)
    bare = BARE.get(name)
    if bare and bare not in NEEDS[name]:
        last = wheel if bare == str(ROOT) else bare
        install(python, "--no-compile", "--target", site, "--no-deps", last)


def _per_10ms(peer: Peer, python: Path, counter: Path, site: Path, stream: Path) -> int:
    many = FEW + SCENE if peer.adapter in DEPENDS else MANY
    arguments = (WORK, site, peer.adapter, peer.argument, stream)
    counts = [  # the first one also compiles what Python imports
        count(python, counter, *arguments, str(blocks), **STEADY) for blocks in (FEW, FEW, many)
    ]
    return round((counts[2] - counts[1]) / (many - FEW) / TEN_MS_A_BLOCK)
