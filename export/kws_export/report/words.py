"""What the page says beside its figures: how to read them and how they were measured, never what came out."""

from __future__ import annotations

TITLE = "How does the RNN quantize compared with the CNN, on an endless stream?"
QUESTION = (
    "“RNNs are hard to quantize” is common advice for keyword spotting on small machines. A recurrent network carries "
    "its state from step to step, so an error made once may stay; a convolutional network forgets it with its window. "
    "Here both are turned into integers and run on streams that do not end."
)

READ_SIZE = (
    "Words right on the carried stream against the size of the file, with 95 % intervals. Cool colours are RNNs, warm "
    "ones CNNs; a line joins the files of one network. Marks that would lie over each other are moved sideways. Of "
    "TFLite and ONNX files of the same scheme the TFLite file is shown."
)
READ_TABLE = (
    "Small below a figure: its 95 % interval. A dash: not measured, or float itself. A difference to float is "
    "paired clip by clip (McNemar)."
)
READ_CALIBRATION = (
    "PTQ: quantized after training, with ranges observed on the states named here. QAT: trained on with the rounding "
    "in place. Clips with the state reset may hide a wrong calibration, so both ways of scoring stand here."
)
READ_LAYERS = (
    "The signal-to-noise ratio of what each op puts out, quantized against float, in the graph's order; 6 dB are one "
    "bit. The axis is the same for all; paler bars are 16-bit tensors."
)
READ_DRIFT = (
    "How far the quantized network is from float, minute by minute, its state never reset. Shaded: the ten minutes at "
    "either end, with their means; at the right of each line, the last by the first. The axis is the same for all "
    "networks."
)
READ_STATES = (
    "A state that sits at an end of its range is cut off; an update smaller than half a step of its scale is rounded "
    "away."
)
READ_HISTOGRAMS = (
    "Counts are on a logarithmic axis. Upright lines: the range that the integers can say; pale: beyond it."
)

DEFINITIONS = (
    ("words right, state reset", "test clips of the eight words, everything new before each; right if the word leads"),
    ("words right, carried", "the same clips in one stream with other words and noise, in random order, never reset"),
    ("interval", "95 %: Wilson for shares, exact Poisson for false accepts an hour, paired for differences"),
    ("points", "int8 minus its own float, carried; lost and won: clips that only float or only int8 has right"),
    ("agrees, all steps", "share of the steps of a carried stream at which int8 and float have the same top label"),
    ("agrees, word steps", "the same over the steps at which either names a word"),
    ("error growth", "distance of the logits from float's in the last ten minutes of an hour by that in the first ten"),
    (
        "missed",
        "words of a scene without an event of their label up to a second after their end, at the operating point",
    ),
    ("FA/h", "events an hour that hit no word; few of them are a Poisson figure, so look at the interval"),
    ("a step", "40 ms of sound: set inputs, invoke, get outputs, one thread; p50 and p99 of many"),
    ("SQNR", "power of an op's float output by the power of its error, in decibels"),
    ("kB", "1,000 bytes"),
    (
        "the verdict",
        "made from these figures: of the first RNN and the first CNN of the report, the int8 file that agrees best "
        "with float on words; two losses differ if their difference is outside its interval, an error grows if by more "
        "than a tenth, and words are kept if the interval holds zero and leaves no room to lose over half a point",
    ),
)
