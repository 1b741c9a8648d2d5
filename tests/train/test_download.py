"""`kws-data` against a real HTTP server on this machine that ranges, cuts connections and changes its file."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import socket
import sys
import tarfile
import threading
import wave
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import tqdm

from kws_train.download import SOURCES, main

SAMPLE_RATE = 16_000
NAMES = {kind: source.name for kind, source in SOURCES.items()}


def wav(samples: int = SAMPLE_RATE, rate: int = SAMPLE_RATE, channels: int = 1) -> bytes:
    """A recording of noise, which no archive can make smaller."""
    noise = np.random.default_rng(samples + rate).integers(-9000, 9000, samples * channels, dtype=np.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(noise.tobytes())
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def tar_of(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            file.addfile(entry)
    return buffer.getvalue()


MINI = {
    "mini_speech_commands/README.md": b"about",
    "mini_speech_commands/.DS_Store": b"finder",
    "mini_speech_commands/yes/0a_nohash_0.wav": wav(16_000),
    "mini_speech_commands/yes/0b_nohash_0.wav": wav(15_999),
    "mini_speech_commands/no/0a_nohash_0.wav": wav(15_998),
    "mini_speech_commands/go/0c_nohash_1.wav": wav(15_997),
    "__MACOSX/mini_speech_commands/yes/._0a_nohash_0.wav": b"fork",
}
FULL = {
    "./README.md": b"about",
    "./validation_list.txt": b"bed/0a_nohash_0.wav\n",
    "./testing_list.txt": b"yes/0b_nohash_0.wav\n",
    "./_background_noise_/README.md": b"about",
    "./_background_noise_/pink_noise.wav": wav(40_000),
    "./bed/0a_nohash_0.wav": wav(16_000),
    "./yes/0b_nohash_0.wav": wav(15_999),
    "./yes/._0b_nohash_0.wav": b"fork",
}
TEST = {
    "./LICENSE": b"CC BY 4.0",
    "./yes/0a_nohash_0.wav": wav(16_000),
    "./_unknown_/bed_0b_nohash_0.wav.wav": wav(15_999),
    "./_silence_/1024.wav": wav(15_998),
}
LAID_OUT = {
    "mini": {f"words/{place}" for place in ("yes/0a_nohash_0.wav", "yes/0b_nohash_0.wav", "no/0a_nohash_0.wav")}
    | {"words/go/0c_nohash_1.wav"},
    "full": {"words/bed/0a_nohash_0.wav", "words/yes/0b_nohash_0.wav", "validation_list.txt", "testing_list.txt"}
    | {"noise/train/speech_commands/pink_noise.wav"},
    "test": {f"canonical/{place}" for place in ("yes/0a_nohash_0.wav", "_silence_/1024.wav")}
    | {"canonical/_unknown_/bed_0b_nohash_0.wav.wav"},
}
ARCHIVES = {"mini": zip_of(MINI), "full": tar_of(FULL), "test": tar_of(TEST)}


@dataclass
class Served:
    """What the server gives, how, and what it was asked for."""

    body: bytes = ARCHIVES["mini"]
    etag: str = '"one"'
    cut_after: int | None = None  # bytes of the next answer before the connection breaks
    ranges: bool = True
    heeds_if_range: bool = True
    port: int = 0
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)  # Range, If-Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/archive"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted, condition = self.headers["Range"], self.headers["If-Range"]
            state.asked.append((wanted, condition))
            if self.path != "/archive":
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if state.heeds_if_range and condition != state.etag:
                start = 0
            if start >= len(state.body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}")
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            end = None if state.cut_after is None else start + state.cut_after
            state.cut_after = None
            self.wfile.write(state.body[start:end])

        def log_message(self, *_: object) -> None:  # its output would be ours
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # closing waits for them: no socket is left to a later test
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def get(served: Served, dest: Path, kind: str = "mini", sha256: str = "") -> int:
    """Run `kws-data KIND`, demanding what the server has now, or `sha256`."""
    digest = sha256 or hashlib.sha256(served.body).hexdigest()
    return main([kind, "--out", str(dest), "--url", served.url, "--sha256", digest])


def files_in(dest: Path) -> set[str]:
    """What lies in DEST under final names, without downloads and stamp."""
    names = {path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith(("downloads/", ".kws-data-"))}


def downloads_in(dest: Path) -> set[str]:
    return {path.name for path in (dest / "downloads").iterdir()}


@pytest.mark.parametrize("kind", ["mini", "full", "test"])
def test_layout(kind: str, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each archive is laid out as the trainer reads it, whole, without what is not a recording."""
    served.body = ARCHIVES[kind]
    assert get(served, tmp_path, kind) == 0
    assert files_in(tmp_path) == LAID_OUT[kind]
    members = MINI | FULL | TEST if kind == "mini" else {"full": FULL, "test": TEST}[kind]
    for name in LAID_OUT[kind]:
        word_and_file = "/".join(Path(name).parts[-2:]).replace("speech_commands/", "_background_noise_/")
        prefix = "mini_speech_commands/" if kind == "mini" else "./"
        assert (tmp_path / name).read_bytes() == members[prefix + word_and_file]
    assert downloads_in(tmp_path) == {NAMES[kind]}
    assert not list(tmp_path.glob("*.unpacking"))
    output = capsys.readouterr()
    assert hashlib.sha256(served.body).hexdigest() in output.out
    assert output.err == ""


def test_kinds_share_a_folder(served: Served, tmp_path: Path) -> None:
    """All three archives fit into one DEST."""
    for kind in ("mini", "full", "test"):
        served.body = ARCHIVES[kind]
        assert get(served, tmp_path, kind) == 0
    assert files_in(tmp_path) == LAID_OUT["mini"] | LAID_OUT["full"] | LAID_OUT["test"]


def test_progress_on_a_terminal(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows how much of the download has come."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert get(served, tmp_path) == 0
    assert "100%" in terminal.getvalue()
    assert "unpacking" in terminal.getvalue()


def test_interruption_then_resume(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a cut connection the second run asks only for the bytes that are missing, and the result is right."""
    served.cut_after = 90_000
    assert get(served, tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {served.url}: cannot be downloaded (")
    assert error.count("\n") == 1
    assert "same command again" in error
    assert files_in(tmp_path) == set()
    part = tmp_path / "downloads" / f"{NAMES['mini']}.part"
    have = part.stat().st_size
    assert 0 < have <= 90_000
    assert part.read_bytes() == served.body[:have]

    assert get(served, tmp_path) == 0
    assert served.asked == [(None, None), (f"bytes={have}-", '"one"')]
    assert files_in(tmp_path) == LAID_OUT["mini"]
    assert (tmp_path / "downloads" / NAMES["mini"]).read_bytes() == served.body
    assert downloads_in(tmp_path) == {NAMES["mini"]}


def test_interrupted_twice(served: Served, tmp_path: Path) -> None:
    """A resumed download may be interrupted and resumed again."""
    for _ in range(2):
        served.cut_after = 50_000
        assert get(served, tmp_path) == 1
        served.cut_after = None
    assert get(served, tmp_path) == 0
    starts = [int(wanted.removeprefix("bytes=")[:-1]) for wanted, _ in served.asked if wanted]
    assert len(starts) == 2
    assert 0 < starts[0] <= starts[1]
    assert files_in(tmp_path) == LAID_OUT["mini"]


def test_ctrl_c(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130, says nothing, and keeps what has come for the next run."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tqdm.tqdm, "update", interrupt)
        patched.setattr("signal.signal", lambda *_: None)  # the command ends here, this process does not
        assert get(served, tmp_path) == 130
    assert capsys.readouterr().err == ""
    assert downloads_in(tmp_path) == {f"{NAMES['mini']}.part", f"{NAMES['mini']}.etag"}
    assert get(served, tmp_path) == 0
    assert served.asked[1][0] is not None
    assert files_in(tmp_path) == LAID_OUT["mini"]


def test_server_without_ranges(served: Served, tmp_path: Path) -> None:
    """A server that ignores Range sends all again, and the beginning is not kept twice."""
    served.ranges = False
    served.cut_after = 90_000
    assert get(served, tmp_path) == 1
    assert get(served, tmp_path) == 0
    assert served.asked[1][0] is not None
    assert (tmp_path / "downloads" / NAMES["mini"]).read_bytes() == served.body


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_changed_file(heeds_if_range: bool, served: Served, tmp_path: Path) -> None:
    """A file that changed between two runs is fetched from its start, even where the server ignores If-Range."""
    served.heeds_if_range = heeds_if_range
    served.cut_after = 90_000
    assert get(served, tmp_path) == 1
    served.body, served.etag = zip_of(dict(reversed(MINI.items()))), '"two"'
    assert get(served, tmp_path) == 0
    assert served.asked[1][1] == '"one"'
    assert len(served.asked) == (2 if heeds_if_range else 3)
    assert (tmp_path / "downloads" / NAMES["mini"]).read_bytes() == served.body


def test_file_became_shorter(served: Served, tmp_path: Path) -> None:
    """A file that is now shorter than what has come (416) is fetched from its start."""
    served.heeds_if_range = False
    served.cut_after = 90_000
    assert get(served, tmp_path) == 1
    served.body = zip_of({"mini_speech_commands/no/0a_nohash_0.wav": wav(100)})
    assert get(served, tmp_path) == 0
    assert files_in(tmp_path) == {"words/no/0a_nohash_0.wav"}


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_no_strong_etag(etag: str, served: Served, tmp_path: Path) -> None:
    """Without a strong ETag nothing proves that the rest belongs to the beginning, so all is fetched again."""
    served.etag = etag
    served.cut_after = 90_000
    assert get(served, tmp_path) == 1
    assert get(served, tmp_path) == 0
    assert served.asked == [(None, None), (None, None)]


def test_wrong_checksum(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive with another checksum than the published one is refused, named with both, and not kept."""
    assert main(["mini", "--out", str(tmp_path), "--url", served.url]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert SOURCES["mini"].sha256 in error
    assert hashlib.sha256(served.body).hexdigest() in error
    assert "--sha256" in error
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["../evil.wav", "/tmp/evil.wav", "yes/../../evil.wav", "../yes/evil.wav"])
@pytest.mark.parametrize("kind", ["mini", "full"])
def test_traversal(kind: str, name: str, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive with a member that leads out of the folder is refused by that name, and nothing is laid out."""
    served.body = zip_of(MINI | {name: wav(50)}) if kind == "mini" else tar_of(FULL | {name: wav(50)})
    assert get(served, tmp_path / "data", kind) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {name}: ")
    assert error.count("\n") == 1
    assert files_in(tmp_path / "data") == set()
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_links(served: Served, tmp_path: Path) -> None:
    """A link in an archive is neither made nor followed."""
    served.body = tar_of(FULL, links={"./yes/passwd.wav": "/etc/passwd", "./bed": "/tmp"})
    assert get(served, tmp_path, "full") == 0
    assert files_in(tmp_path) == LAID_OUT["full"]


def test_second_run(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run makes no request, not even when the archive was deleted."""
    assert get(served, tmp_path) == 0
    shutil.rmtree(tmp_path / "downloads")
    assert get(served, tmp_path) == 0
    assert main(["mini", "--out", str(tmp_path), "--url", served.url]) == 0
    assert len(served.asked) == 1
    assert capsys.readouterr().out.count("nothing to do") == 2
    served.body = zip_of(dict(reversed(MINI.items())))
    assert get(served, tmp_path) == 0  # another checksum is demanded than the one that lies there
    assert len(served.asked) == 2


def test_interrupted_unpacking(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk while unpacking is one line and lays nothing out; the next run unpacks without a request."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        assert get(served, tmp_path) == 1
    assert capsys.readouterr().err == "error: No space left on device\n"
    assert files_in(tmp_path) == set()
    assert not list(tmp_path.glob(".kws-data-*"))
    assert get(served, tmp_path) == 0
    assert files_in(tmp_path) == LAID_OUT["mini"]
    assert len(served.asked) == 1


def test_replacing_interrupted(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where laying out another archive over the first one fails, the folder is no longer taken for complete."""
    assert get(served, tmp_path) == 0
    served.body = zip_of(dict(reversed(MINI.items())))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        assert get(served, tmp_path) == 1
    assert not (tmp_path / ".kws-data-mini").exists()
    assert get(served, tmp_path) == 0


@pytest.mark.parametrize(("kind", "damaged"), [("mini", ARCHIVES["mini"][:-50]), ("full", ARCHIVES["full"][:-5000])])
def test_damaged_archive(
    kind: str, damaged: bytes, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive that was damaged before its checksum was taken is one line that says so."""
    served.body = damaged
    assert get(served, tmp_path, kind) == 1
    error = capsys.readouterr().err
    assert "damaged archive" in error
    assert error.count("\n") == 1
    assert files_in(tmp_path) == set()


def test_foreign_archive(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive that holds something else is not taken for done."""
    served.body = zip_of({"photos/cat.jpg": b"cat"})
    assert get(served, tmp_path) == 1
    assert "holds no recordings" in capsys.readouterr().err
    assert not (tmp_path / ".kws-data-mini").exists()


def test_connection_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a network the command exits with 1 and one line: what, where, what to do."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/archive"
        assert main(["full", "--out", str(tmp_path), "--url", url]) == 1
    assert capfd.readouterr().err == (
        f"error: {url}: cannot be downloaded (Connection refused); when the network is back, run the same command "
        "again (it goes on where it stopped), or name a mirror with --url\n"
    )


def test_not_found(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address that the server does not know is one line with the server's answer."""
    assert main(["mini", "--out", str(tmp_path), "--url", f"{served.url}s"]) == 1
    error = capsys.readouterr().err
    assert "404" in error
    assert error.count("\n") == 1


def test_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra `train` the command says how to install it."""
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["mini", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == 'error: pooch is not installed; install it with: pip install "kws-edge[train]"\n'


@pytest.mark.parametrize(
    "arguments",
    [[], ["mini"], ["huge", "--out", "data"], ["mini", "--out", "data", "--sha256", "abc"], ["check"]],
    ids=["nothing", "no --out", "unknown kind", "short checksum", "no folder"],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: kws-data" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help gives an example of each command."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  kws-data {command}" in text for command in (*SOURCES, "check"))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Four sound recordings and one of each fault."""
    contents = {
        "yes/2aca1e72_nohash_0.wav": wav(),
        "yes/2aca1e72_nohash_1.wav": wav(),
        "yes/00f0204f_nohash_0.wav": b"RIFF of nothing",
        "no/2aca1e72_nohash_0.wav": wav(),
        "no/00f0204f_nohash_0.wav": wav(rate=44_100),
        "no/00f0204f_nohash_1.wav": wav(channels=2),
        "go/2aca1e72_nohash_0.wav": wav(),
        "go/00f0204f_nohash_0.wav": wav(0),
        "go/00f0204f_nohash_1.wav": b"",
    }
    for name, content in contents.items():
        (tmp_path / "words" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "words" / name).write_bytes(content)
    return tmp_path


def test_check(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every faulty recording is named with its fault, and the others are counted by word and part."""
    assert main(["check", str(recordings)]) == 0
    lines = capsys.readouterr().out.splitlines()
    faulty = {line.split(": ")[1]: line.split(": ", 2)[2] for line in lines if line.startswith("faulty: ")}
    words = recordings / "words"
    assert set(faulty) == {
        str(words / name)
        for name in (
            "yes/00f0204f_nohash_0.wav",
            "no/00f0204f_nohash_0.wav",
            "no/00f0204f_nohash_1.wav",
            "go/00f0204f_nohash_0.wav",
            "go/00f0204f_nohash_1.wav",
        )
    }
    assert faulty[str(words / "no/00f0204f_nohash_0.wav")] == "44100 Hz, expected 16000 Hz"
    assert faulty[str(words / "no/00f0204f_nohash_1.wav")] == "2 channels, expected mono"
    assert faulty[str(words / "go/00f0204f_nohash_0.wav")] == "0 samples, too short to hold sound"
    assert faulty[str(words / "yes/00f0204f_nohash_0.wav")].startswith("unreadable")
    table = {line.split()[0]: line.split()[1:] for line in lines if not line.startswith("faulty")}
    assert table["word"] == ["training", "validation", "testing", "total"]
    assert table["yes"][-1] == "2"
    assert table["all"][-1] == "4"
    assert lines[-1] == "5 faulty of 9 recordings"


def test_check_counts_official_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clip is counted in the part that its speaker's hash gives."""
    names = {"training": "004ae714", "validation": "026290a7", "testing": "022cd682"}
    (tmp_path / "words" / "yes").mkdir(parents=True)
    for count, part in enumerate(names, start=1):
        for number in range(count):
            (tmp_path / "words" / "yes" / f"{names[part]}_nohash_{number}.wav").write_bytes(wav(1000))
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["yes", "1", "2", "3", "6"]


def test_check_strict(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --strict the first faulty recording ends the check: exit code 1, one line."""
    assert main(["check", str(recordings), "--strict"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {recordings / 'words' / 'go' / '00f0204f_nohash_0.wav'}: ")
    assert error.count("\n") == 1


def test_check_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without words is one line that says what was expected."""
    assert main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'words'}: no such folder of words\n"
