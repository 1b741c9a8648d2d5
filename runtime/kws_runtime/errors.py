"""Errors that a user can mend. Each message says what is wrong, where, and what to do.

KwsError
├── AudioError     a recording or a microphone cannot be read
├── ModelError     a model file is damaged, foreign or of another version
├── DataError      a folder of recordings, a scene or a run directory is not as it must be
├── ClusterError   the machines that train together do not find or do not fit each other
├── BudgetError    a model does not keep the budget of time that was given (bench)
├── AddressError   an address cannot be listened at (wyoming_server)
├── ProtocolError  a client sent what the protocol or a limit forbids (wyoming_message)
└── MissingError   a library or an extra is not installed
"""

from __future__ import annotations


class KwsError(Exception):
    """Base of all errors that commands print as one line, exit code 1."""


class AudioError(KwsError):
    """A recording, a raw stream or a microphone cannot be read."""


class ModelError(KwsError):
    """A model file is truncated, not one of ours, or of a newer format."""


class DataError(KwsError):
    """A folder of recordings, a scene or a run directory is not as it must be."""


class ClusterError(KwsError):
    """The machines that train together are named wrongly, do not find or do not fit each other, or one is lost."""


class MissingError(KwsError):
    """A library that this command needs is not installed."""
