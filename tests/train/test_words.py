"""`kws-words` with synthesizers faked by small scripts, and with the real flite and espeak-ng."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from kws_runtime.corpus import WORDS
from kws_train.data import load_material
from kws_train.synthesis import EspeakNg, Flite
from kws_train.words import HOMOPHONES, main, plan, read_words
from tests.train.test_synthesis import installed

# A synthesizer whose tone follows from all of its arguments. It keeps a list of the words it was asked for.
FAKE = """\
#!{python} -IS
import math, struct, sys, time, wave, zlib
words, out = [a for a in sys.argv[1:] if a.isalpha()], sys.argv[-1]
word = words[-1]
open({log!r}, "a").write(word + "\\n")
if word == "crash":
    sys.exit("cannot say it")
if word == "slow":
    time.sleep(0.5)
hz = 200 + zlib.crc32(" ".join(sys.argv[1:-1]).encode()) % 2000
loud = 0 if word == "mute" else 9000
count = 40000 if word == "endless" else 8000
tone = [round(loud * math.sin(2 * math.pi * hz * n / {rate})) for n in range(count)]
with wave.open(out, "wb") as file:
    file.setparams((1, 2, {rate}, 0, "NONE", ""))
    file.writeframes(struct.pack(f"<{{count}}h", *tone))
"""

Speak = Callable[..., tuple[int, str, str]]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a fake flite and a fake espeak-ng alone; both write down what they were asked in said.txt."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, rate in (("flite", 16_000), ("espeak-ng", 22_050)):
        script = FAKE.format(python=sys.executable, log=str(tmp_path / "said.txt"), rate=rate)
        (folder / name).write_text(script)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def speak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Speak:
    """Runs kws-words on a list of words; gives its exit code and what it printed on both streams."""

    def run(words: str, *arguments: str) -> tuple[int, str, str]:
        (tmp_path / "list.txt").write_text("\n".join(words.split()))
        code = main([str(tmp_path / "out"), "--words", str(tmp_path / "list.txt"), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bundled_list_has_what_sounds_alike_and_none_of_the_words() -> None:
    """One word a line, sorted."""
    words = read_words()
    assert len(words) >= 600
    assert not {*WORDS, "on", "off", *HOMOPHONES} & set(words)
    assert {"gold", "dawn", "cup", "step", "guess", "light", "lift", "nope", "upper", "yesterday"} <= set(words)
    file = Path(sys.modules["kws_train.words"].__file__ or "").with_name("words.txt")
    assert file.read_text().split("\n") == [*words, ""]


def test_no_bundled_word_is_pronounced_as_one_of_the_words_to_be_heard() -> None:
    """espeak-ng's phonemes, American, British and Scottish."""
    installed("espeak-ng")

    def phonemes(words: list[str], accent: str) -> list[str]:
        command = ["espeak-ng", "-q", "-x", "-v", accent, "--stdin"]
        done = subprocess.run(command, input="\n\n".join(words) + "\n", capture_output=True, text=True, check=True)
        return [line.strip().translate({ord("'"): None, ord(","): None}) for line in done.stdout.splitlines() if line]

    words = read_words()
    for accent in ("en-us", "en-gb", "en-gb-scotland"):
        forbidden = phonemes([*WORDS, "on", "off"], accent)
        assert len(forbidden) == len(WORDS) + 2
        assert set(phonemes(["know", "write"], accent)) <= set(forbidden), "the check sees a homophone"
        said = phonemes(words, accent)
        assert len(said) == len(words)
        assert not [word for word, sound in zip(words, said, strict=True) if sound in forbidden]


@pytest.mark.parametrize(
    ("words", "fault"),
    [("cat know", "'know' sounds like"), ("cat don't", "not a word"), ("../x", "not a word"), ("", "an empty list")],
)
def test_a_list_with_what_must_not_be_said_is_an_error(engines: Path, speak: Speak, words: str, fault: str) -> None:
    """In one line; nothing is written."""
    code, _, err = speak(words)
    assert code == 1
    assert err.startswith("error: ")
    assert fault in err
    assert len(err.splitlines()) == 1
    assert not (engines.parent / "said.txt").exists()


def test_clips_are_laid_out_by_engine_and_word(engines: Path, speak: Speak, tmp_path: Path) -> None:
    """16 kHz, mono, int16, one level, at most 1.5 s, several voices."""
    code, out, err = speak("cat dog endless", "--count", "5")
    assert (code, err) == (0, "")
    assert "30 clips of 3 words by flite, espeak-ng: 30 new, 0 were there" in out
    paths = sorted((tmp_path / "out").rglob("*.*"))
    assert {path.relative_to(tmp_path / "out").parts[:2] for path in paths} == {
        (engine, word) for engine in ("flite", "espeak-ng") for word in ("cat", "dog", "endless")
    }
    assert sorted(path.name for path in paths if path.parts[-3:-1] == ("flite", "cat"))[0].startswith("awb-0")
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert info.duration == 1.5 if path.parent.name == "endless" else 0.3 < info.duration < 0.8
        assert np.abs(soundfile.read(path)[0]).max() == pytest.approx(0.5, abs=1e-3)


def test_a_second_run_does_nothing_and_a_lost_clip_comes_back_the_same(
    engines: Path, speak: Speak, tmp_path: Path
) -> None:
    """What a clip holds follows from its name and the seed alone."""
    speak("cat dog", "--count", "3")
    first, said = written(tmp_path / "out"), (tmp_path / "said.txt").read_text()
    assert len(set(first.values())) == 12, "no two clips are the same"
    assert "0 new, 12 were there" in speak("cat dog", "--count", "3")[1]
    assert (tmp_path / "said.txt").read_text() == said
    (tmp_path / "out" / sorted(first)[4]).unlink()
    assert "1 new, 11 were there" in speak("dog cat", "--count", "3")[1]
    assert written(tmp_path / "out") == first
    speak("cat dog", "--count", "6")
    assert first.items() <= written(tmp_path / "out").items()
    shutil.rmtree(tmp_path / "out")
    speak("cat dog", "--count", "3", "--seed", "1")
    other = written(tmp_path / "out")
    assert other.keys() == first.keys()
    assert not any(other[name] == first[name] for name in first)


def test_the_eight_words_are_said_when_asked_for(engines: Path, speak: Speak, tmp_path: Path) -> None:
    """So many of each, whatever the count of the others."""
    speak("cat", "--count", "1", "--engine", "flite")
    assert {path.name for path in (tmp_path / "out/flite").iterdir()} == {"cat"}
    speak("cat", "--count", "1", "--positives", "2", "--engine", "flite")
    assert {path.name: len(list(path.iterdir())) for path in (tmp_path / "out/flite").iterdir()} == {
        "cat": 1,
        **dict.fromkeys(WORDS, 2),
    }


def test_a_voice_that_cannot_say_a_word_is_passed_over(engines: Path, tmp_path: Path) -> None:
    """All voices say what is not one of the eight."""
    assert {order.voice for order in plan(tmp_path, Flite(), "up", 50)} == {"awb", "rms"}
    assert {order.voice for order in plan(tmp_path, Flite(), "cup", 50)} == {"awb", "kal16", "rms", "slt"}
    scots = {voice for word in ("go", "gold") for voice in EspeakNg().voices(word) if "scotland" in voice}
    assert len(scots) == 12
    assert not scots & set(EspeakNg().voices("go"))
    names = [order.path for order in plan(tmp_path, EspeakNg(), "go", 200)]
    assert len(set(names)) == 200


def test_a_missing_engine_is_a_warning_where_there_is_another(engines: Path, speak: Speak) -> None:
    """It names the package; none at all is an error."""
    (engines / "espeak-ng").unlink()
    code, _, err = speak("cat", "--count", "1")
    assert code == 0
    assert err == "warning: espeak-ng is not installed; install it with: apt-get install espeak-ng\n"
    (engines / "flite").unlink()
    code, _, err = speak("cat", "--count", "1")
    assert code == 1
    assert err.startswith("error: no synthesizer: ")
    assert "apt-get install flite;" in err
    assert "apt-get install espeak-ng" in err
    assert len(err.splitlines()) == 1


def test_what_gives_no_sound_is_named_and_the_rest_goes_on(engines: Path, speak: Speak, tmp_path: Path) -> None:
    """Nothing of it lies in the folder; where all fails it is an error."""
    code, out, err = speak("cat mute crash", "--count", "1", "--engine", "flite")
    assert code == 0
    assert "1 clips of 3 words by flite: 1 new, 0 were there, 2 skipped" in out
    assert [line.rpartition("/")[2].partition(": ")[2] for line in err.splitlines()] == [
        "flite failed (1): cannot say it",
        "silence",
    ]
    assert len(written(tmp_path / "out")) == 1
    code, _, err = speak("mute", "--count", "2", "--engine", "flite")
    assert code == 1
    assert "none of 2 clips could be made; the first: " in err


def test_ctrl_c_leaves_whole_clips_only(engines: Path, tmp_path: Path) -> None:
    """Exit code 130, at once, without a traceback."""
    (tmp_path / "list.txt").write_text("slow")
    program = "import sys; from kws_runtime.commands import words; sys.exit(words())"
    command = [sys.executable, "-c", program, str(tmp_path / "out"), "--words", str(tmp_path / "list.txt")]
    process = subprocess.Popen([*command, "--count", "300"], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not list((tmp_path / "out").rglob("*.wav")) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    clips = list((tmp_path / "out").rglob("*"))
    assert not [path for path in clips if ".part" in path.name]
    assert 0 < len(clips) < 100


@pytest.mark.parametrize(
    "arguments", [["--count", "0"], ["--positives", "-1"], ["--engine", "piper"], ["--engine", "x"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says which argument."""
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


class FakeVoice:
    """What `Piper` uses of piper.PiperVoice: two speakers at 22.05 kHz, who say bursts of another length."""

    config = SimpleNamespace(num_speakers=2, sample_rate=22_050)

    @classmethod
    def load(cls, path: Path) -> FakeVoice:
        if not path.exists():
            raise FileNotFoundError(2, "No such file", str(path))
        return cls()

    def synthesize(self, text: str, how: SimpleNamespace) -> list[SimpleNamespace]:
        assert text == "again: cat, again."
        tone = np.sin(np.arange(22_050 * 4) / 5).astype(np.float32)
        bounds = (0.3, 0.5, 0.5 + how.length_scale * (0.3 + 0.1 * how.speaker_id))
        for start, end in ((bounds[0], bounds[1]), (bounds[2], bounds[2] + 0.2)):
            tone[int(start * 22_050) : int(end * 22_050)] = 0
        return [SimpleNamespace(audio_float_array=tone[: int((bounds[2] + 0.5) * 22_050)])]


def test_piper_says_a_word_with_each_speaker(speak: Speak, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its voice file is named by the user; faults of it and a missing package are one line."""
    monkeypatch.setitem(sys.modules, "piper", SimpleNamespace(PiperVoice=FakeVoice, SynthesisConfig=SimpleNamespace))  # type: ignore[arg-type]
    arguments = ["--engine", "piper", "--piper-voice", str(tmp_path / "joe.onnx"), "--count", "4"]
    assert f"error: {tmp_path}/joe.onnx: not a voice of Piper" in speak("cat", *arguments)[2]
    (tmp_path / "joe.onnx").touch()
    assert speak("cat", *arguments)[0] == 0
    lengths = {path.stem: soundfile.info(path).duration for path in (tmp_path / "out/piper/cat").iterdir()}
    assert sorted(lengths) == ["joe+0-0", "joe+0-1", "joe+1-0", "joe+1-1"]
    assert len(set(lengths.values())) == 4
    assert all(0.3 < seconds < 0.9 for seconds in lengths.values())
    monkeypatch.setitem(sys.modules, "piper", None)  # type: ignore[arg-type]
    code, _, err = speak("cat", *arguments)
    assert (code, err) == (1, "error: no synthesizer: piper is not installed; install it with: pip install piper-tts\n")


def test_the_training_part_takes_them_and_no_other(engines: Path, speak: Speak, corpus: Path, tmp_path: Path) -> None:
    """The eight words as words, the others as background; nothing synthetic is validated on."""
    for name in ("words", "speech", "noise"):
        (tmp_path / name).symlink_to(corpus / name)
    speak("cat dog", "--count", "2", "--positives", "3", "--engine", "flite")
    (tmp_path / "out").rename(tmp_path / "synthetic")
    material = load_material(tmp_path, "training")
    assert {word: len(clips) for word, clips in material.synthetic_words.items()} == dict.fromkeys(WORDS, 3)
    assert len(material.synthetic_others) == 4
    assert len(material.words["go"]) == 6
    assert sum(name.startswith("synthetic/flite/dog/") for name in material.names) == 2
    validation = load_material(tmp_path, "validation")
    assert not validation.synthetic_words
    assert not validation.synthetic_others
