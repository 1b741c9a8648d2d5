"""The machines that are emulated, and what each is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Machine:
    """A Debian on a processor, and the interpreter that has wheels for its Python.

    `cpuinfo` is a file beside this one that stands in the place of /proc/cpuinfo: what the kernel of a Raspberry Pi
    Zero 2 W prints. Its four cores are Cortex-A53 r0p4 (implementer 0x41, part 0xd03, variant 0, revision 4) without
    the extensions for cryptography; the form for 32 bit is the one shown in github.com/pinout-xyz/Pinout.xyz issue 471,
    the form for 64 bit that of the same chip in github.com/fastfetch-cli/fastfetch issue 1529 (Raspberry Pi 3); the
    serial number is zeros. Without it the library cpuinfo, by which XNNPACK chooses its kernels, reads the host's, and
    LiteRT crashes where that is an x86-64.
    """

    architecture: str  # as the command line and `uname -m` call it
    suite: str  # of Debian
    debian: str  # what Debian calls the architecture
    python: str
    interpreter: str  # of TFLite, as kws-listen calls it
    libraries: str  # Debian's folder of libraries in /usr/lib
    emulator: tuple[str, ...] = ()  # none: it runs here, through its own loader
    cpuinfo: str | None = None
    packages: tuple[str, ...] = ("python3-venv", "libstdc++6")
    pip: tuple[str, ...] = ()  # arguments of `pip install` before the wheel; with some, Debian's modules are seen too
    links: tuple[tuple[str, str], ...] = ()  # in /usr/lib/LIBRARIES, which Debian's packages make when they are set up

    @property
    def name(self) -> str:
        return f"{self.architecture}-{self.suite}"


_BOOKWORM_64 = Machine(
    architecture="aarch64",
    suite="bookworm",
    debian="arm64",
    python="python3.11",
    interpreter="tflite-runtime",
    libraries="aarch64-linux-gnu",
    emulator=("qemu-aarch64", "-cpu", "cortex-a53"),
    cpuinfo="cpuinfo-pi-zero-2w-aarch64",
)
_TRIXIE_64 = replace(_BOOKWORM_64, suite="trixie", python="python3.13", interpreter="litert")
# No wheels of numpy<2, cffi and soxr: docs/raspberry-pi.md, section 2. scipy and libsndfile are for the tests.
_BOOKWORM_32 = Machine(
    architecture="armv7",
    suite="bookworm",
    debian="armhf",
    python="python3.11",
    interpreter="tflite-runtime",
    libraries="arm-linux-gnueabihf",
    emulator=("qemu-arm", "-cpu", "cortex-a7"),
    cpuinfo="cpuinfo-pi-zero-2w-armv7",
    packages=("python3-venv", "libstdc++6", "python3-numpy", "python3-cffi", "python3-scipy", "libsndfile1"),
    pip=("--no-deps", "tflite-runtime==2.14.0", "sounddevice"),
    links=(
        ("libblas.so.3", "blas/libblas.so.3"),
        ("liblapack.so.3", "lapack/liblapack.so.3"),
        ("libsndfile.so", "libsndfile.so.1"),  # the name that is tried where ldconfig is the host's
    ),
)
_TRIXIE_X86 = Machine(
    architecture="x86_64",
    suite="trixie",
    debian="amd64",
    python="python3.13",
    interpreter="litert",
    libraries="x86_64-linux-gnu",
)
MACHINES = {machine.name: machine for machine in (_BOOKWORM_64, _TRIXIE_64, _BOOKWORM_32, _TRIXIE_X86)}
