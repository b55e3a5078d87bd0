"""The troubles a user can have, each with a sentence that says what to do.

CfrIclError
├── InputError           what was given cannot be used
│   ├── ImageError       an image that is missing, unreadable or of an unusable shape
│   ├── ClickError       a click that is malformed or outside the image
│   ├── MaskError        a mask that does not fit the image
│   └── SettingsError    an option out of its range
├── ModelError           a network that cannot be had
│   ├── UnknownModelError   a name that is neither in the catalogue nor a file
│   ├── ModelFileError      a file that is not a checkpoint, or is damaged, or does not fit
│   └── DownloadError       a download that failed, or brought something else
├── DeviceError          a device that is missing, or out of memory
└── OutputError          a result that could not be written; nothing half-written stays

Programming mistakes are ordinary ValueError and TypeError and are not listed here.
"""


class CfrIclError(Exception):
    """Base of every error that is meant for the user's eyes: one clear sentence."""


class InputError(CfrIclError):
    """Given input that cannot be used."""


class ImageError(InputError):
    """An image that is missing, unreadable or of an unusable shape."""


class ClickError(InputError):
    """A click that is malformed or outside the image."""


class MaskError(InputError):
    """A mask that does not fit the image."""


class SettingsError(InputError):
    """An option out of its range."""


class ModelError(CfrIclError):
    """A network that cannot be had."""


class UnknownModelError(ModelError):
    """A name that is neither in the catalogue nor a file."""


class ModelFileError(ModelError):
    """A file that is not a checkpoint, or is damaged, or does not fit."""


class DownloadError(ModelError):
    """A download that failed, or brought something else than was asked for."""


class DeviceError(CfrIclError):
    """A device that is missing, or out of memory."""


class OutputError(CfrIclError):
    """A result that could not be written; nothing half-written stays."""
