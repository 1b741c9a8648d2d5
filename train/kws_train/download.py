"""`kws-data`: Speech Commands downloaded, verified and laid out for `kws-train`; recordings checked.

DEST/words/<word>/*.wav, DEST/noise/train/speech_commands/*.wav and DEST/canonical/<word>/*.wav are what the
trainer and the evaluation read. Archives stay in DEST/downloads; an unfinished one is NAME.part there,
beside NAME.etag, which says of what file it is the beginning: the next run asks for the missing bytes only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO

from kws_runtime.cli import command_parser, need_extra, run_command
from kws_runtime.corpus import clips_in, part_of
from kws_runtime.errors import DataError

EXAMPLES = """\
  kws-data mini --out DATA          the eight words of TensorFlow's tutorial: enough to try kws-train
  kws-data full --out DATA          all of v0.02 and its noises: what to train on
  kws-data test --out DATA          the canonical test set of v0.02: only to report
  kws-data check DATA               name every faulty recording, count the others

An interrupted download goes on where it stopped when the same command is run again; a finished one is not
repeated. DATA/downloads keeps the archives and may be deleted. Speech Commands: Pete Warden, CC BY 4.0."""

PARTS = ("training", "validation", "testing")
CHUNK_BYTES = 1 << 15
TIMEOUT_S = 60.0  # to connect, and between two pieces of an answer


@dataclass(frozen=True)
class Source:
    """A published archive."""

    what: str
    url: str
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


# Checksums of full and test: TensorFlow Datasets,
# https://github.com/tensorflow/datasets/blob/333639b/tensorflow_datasets/url_checksums/speech_commands.txt
# Of mini TensorFlow publishes none; this is the one that Microsoft Learn's course demands, and others with it:
# https://github.com/MicrosoftDocs/learn/blob/2faedec/learn-pr/tensorflow/intro-audio-classification-tensorflow/includes/2-understand-audio-data.md
SOURCES = {
    "mini": Source(
        what="mini_speech_commands: 8 words, 1000 clips each (182 MB)",
        url="http://storage.googleapis.com/download.tensorflow.org/data/mini_speech_commands.zip",
        sha256="49650f2341b26d886b46b3f4fb8fed59e30300b17550f1ee4a768b3106cf93a0",
    ),
    "full": Source(
        what="Speech Commands v0.02: 35 words, 105,829 clips, and its noises (2.4 GB)",
        url="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
    "test": Source(
        what="the canonical test set of v0.02: 12 labels, 4,890 clips (113 MB)",
        url="http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
        sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
    ),
}


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256: 64 hexadecimal digits")
    return text.lower()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("kws-data", "Download Speech Commands for kws-train, and check recordings.", EXAMPLES)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for kind, source in SOURCES.items():
        what = f"download {source.what}"
        get = commands.add_parser(kind, help=what, description=what)
        get.add_argument("--out", type=Path, required=True, metavar="DEST", help="folder to lay the recordings out in")
        get.add_argument("--url", default=source.url, help="a mirror of the same archive (default: %(default)s)")
        get.add_argument("--sha256", type=_sha256, metavar="HEX", help="demand this checksum, not the published one")
    what = "read every DIR/words/<word>/*.wav, name the faulty ones, count the others by word and part"
    check = commands.add_parser("check", help=what, description=what)
    check.add_argument("folder", type=Path, metavar="DIR")
    check.add_argument("--strict", action="store_true", help="stop at the first faulty recording")
    return parser.parse_args(arguments)


def _transfer(url: str, part: Path) -> None:
    """Complete `part`: by the bytes it lacks if the server still has the same file, from the start otherwise.

    Raises requests.RequestException; what has come by then stays in `part`.
    """
    import requests
    from tqdm import tqdm

    etag_file = part.with_suffix(".etag")
    etag = etag_file.read_text(encoding="utf-8") if part.exists() and etag_file.exists() else ""
    have = part.stat().st_size if etag else 0
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes of the file, not of a compressed form
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": etag}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        same = response.headers.get("ETag") == etag  # not every server heeds If-Range
        fits = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and response.status_code in (206, 416) and not (same and fits):
            part.unlink()
            _transfer(url, part)
            return
        response.raise_for_status()
        if response.status_code != 206:
            have = 0
            part.unlink(missing_ok=True)  # first, so that an old beginning never lies beside a new ETag
            etag = response.headers.get("ETag", "")
            # A weak ETag does not promise the same bytes: nothing to go on from.
            etag_file.write_text("" if etag.startswith("W/") else etag, encoding="utf-8")
        total = have + int(length) if (length := response.headers.get("Content-Length")) else None
        progress = tqdm(total=total, initial=have, unit="B", unit_scale=True, disable=None)  # on a terminal only
        with part.open("ab") as file, progress:
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                progress.update(len(chunk))
    if total is not None and part.stat().st_size != total:  # urllib3 1 takes a cut connection for the end
        raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def _reason(error: BaseException) -> str:
    """What the network said, without the layers of libraries around it."""
    while error.__context__:
        error = error.__context__
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _fetch(name: str, url: str, sha256: str, folder: Path) -> Path:
    """The archive in `folder`, downloaded unless it is there. Raises DataError, without the file, where it differs."""
    import pooch
    import requests

    part = folder / f"{name}.part"

    def download(url: str, output_file: str, _pooch: object) -> None:
        _transfer(url, part)
        os.replace(part, output_file)
        part.with_suffix(".etag").unlink()

    pooch.get_logger().setLevel("WARNING")  # it would say again what we say
    try:
        return Path(pooch.retrieve(url, known_hash=sha256, fname=name, path=folder, downloader=download))
    except requests.RequestException as error:
        raise DataError(
            f"{url}: cannot be downloaded ({_reason(error)}); when the network is back, run the same command again "
            "(it goes on where it stopped), or name a mirror with --url"
        ) from error
    except ValueError as error:  # pooch's word for a checksum that differs
        raise DataError(f"{url}: {error} If the new file is to be trusted, demand it with --sha256") from error


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Name and content of each plain file of a .zip or .tar.gz; folders, links and devices are passed over."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    with zipped.open(entry) as content:
                        yield PurePosixPath(entry.filename), content
    else:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isreg() and (plain := tar.extractfile(member)):
                    yield PurePosixPath(member.name), plain


def _place(kind: str, member: PurePosixPath) -> Path | None:
    """Where a member belongs below DEST; None for what is neither a recording nor a list of them.

    The archive chooses a word and a file name, never a path, and links are not followed: as strict as tarfile's
    filter "data", which Python has from 3.11.4 only, and the same for both formats. Raises DataError for a name
    that leads outside.
    """
    if member.is_absolute() or ".." in member.parts:
        raise DataError(f"{member}: this member leads out of the folder; the archive is not to be trusted")
    if member.name.startswith("."):  # macOS leaves a "._x.wav" for each x.wav, most in __MACOSX
        return None
    match kind, member.parts, member.suffix:
        case "mini", ("mini_speech_commands", word, name), ".wav":
            return Path("words", word, name)
        case "full", ("_background_noise_", name), ".wav":
            return Path("noise", "train", "speech_commands", name)
        case "full", (word, name), ".wav":
            return Path("words", word, name)
        case "full", ("validation_list.txt" | "testing_list.txt" as name,), _:
            return Path(name)
        case "test", (word, name), ".wav":
            return Path("canonical", word, name)
    return None


def _unpack(kind: str, archive: Path, dest: Path) -> int:
    """Lay the archive out; returns the number of files. They are moved to their names when all are whole."""
    from tqdm import tqdm

    staging = dest / f".kws-data-{kind}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    try:
        for member, content in tqdm(_members(archive), desc="unpacking", unit=" files", disable=None):
            if place := _place(kind, member):
                (staging / place).parent.mkdir(parents=True, exist_ok=True)
                with (staging / place).open("wb") as file:
                    shutil.copyfileobj(content, file)
        places = [path.relative_to(staging) for path in staging.rglob("*") if path.is_file()]
        for place in places:
            (dest / place).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / place, dest / place)
    except (tarfile.TarError, zipfile.BadZipFile, BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: a damaged archive ({error}); delete it and run the same command again") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if not places:
        raise DataError(f"{archive}: holds no recordings where {SOURCES[kind].name} has them; is it another archive?")
    return len(places)


def _get(kind: str, dest: Path, url: str, sha256: str | None) -> None:
    """Download and lay out one archive, unless DEST's stamp says that it was done."""
    wanted, name, stamp = sha256 or SOURCES[kind].sha256, SOURCES[kind].name, dest / f".kws-data-{kind}"
    if stamp.exists() and sha256 in (None, stamp.read_text(encoding="utf-8")):
        print(f"{dest}: {kind} is complete; nothing to do (delete {stamp} to lay it out again)")
        return
    downloads = dest / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    print(f"{kind}: {url} -> {downloads / name}", flush=True)
    archive = _fetch(name, url, wanted, downloads)
    print(f"{kind}: SHA-256 {wanted}, as expected; unpacking", flush=True)
    stamp.unlink(missing_ok=True)  # of an earlier archive: from here on DEST may hold a mixture
    count = _unpack(kind, archive, dest)
    stamp.write_text(wanted, encoding="utf-8")
    print(f"{kind}: {count} files in {dest} (Speech Commands, Pete Warden, CC BY 4.0)")


def _check(folder: Path, strict: bool) -> None:
    """Name every faulty recording and count the others. Raises AudioError for the first one if `strict`."""
    from kws_train.data import read_all

    counts: dict[str, Counter[str]] = {}
    faulty = 0
    for word, clips in groupby(clips_in(folder / "words"), key=lambda clip: clip.word):
        paths = [clip.path for clip in clips]
        # Word by word: all of v0.02 at once would take 3 GB of memory.
        sound = read_all(paths, strict, lambda fault: print(f"faulty: {fault}"))
        counts[word] = Counter(map(part_of, sound))
        faulty += len(paths) - len(sound)
    counts["all"] = sum(counts.values(), Counter())
    print(f"{'word':<12}" + "".join(f"{part:>12}" for part in PARTS) + f"{'total':>12}")
    for word, count in counts.items():
        print(f"{word:<12}" + "".join(f"{count[part]:>12}" for part in PARTS) + f"{count.total():>12}")
    print(f"{faulty} faulty of {counts['all'].total() + faulty} recordings")


def _run(args: argparse.Namespace) -> None:
    try:
        if args.command == "check":
            _check(args.folder, args.strict)
        else:
            _get(args.command, args.out, args.url, args.sha256)
    except ModuleNotFoundError as error:
        raise need_extra(str(error.name), "train") from error


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-data`; returns the exit code."""
    args = _parse(arguments)
    return run_command(lambda: _run(args))
