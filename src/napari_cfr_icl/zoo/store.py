"""The folder of models on this machine. No torch.

The folder is that of `napari_cfr_icl._paths.models_folder`. Beside each file lies its SHA-256,
written when it came and compared whenever the file is about to be used.
"""

from __future__ import annotations

import re
from pathlib import Path

from napari_cfr_icl._errors import InputError, ModelError, ModelFileError
from napari_cfr_icl._files import atomic_write_text
from napari_cfr_icl._paths import micro_sam_folder, models_folder
from napari_cfr_icl.zoo.catalog import CATALOGUE, require
from napari_cfr_icl.zoo.file_kinds import FileKind, file_sha256, kind_of

__all__ = ["ModelStore", "explain_absence"]

_OWN_SUFFIX = ".safetensors"
_GOOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ModelStore:
    """Models in a folder.

    Parameters
    ----------
    folder : str or Path, optional
        Created with the first model.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder else models_folder()

    def path_of(self, name: str) -> Path | None:
        """Path of the model called `name`: inside the package, here or micro-sam's; or None."""
        entry = CATALOGUE.get(name)
        if entry is not None and entry.embedded_path is not None:
            return entry.embedded_path
        candidates = [self._own_path(name)]
        if entry is not None and entry.file_name is not None:
            candidates.append(self.folder / entry.file_name)
        if entry is not None and entry.in_micro_sam is not None:
            candidates.append(micro_sam_folder() / entry.in_micro_sam)
        return next((path for path in candidates if path.is_file()), None)

    def checked_path(self, name: str) -> Path:
        """Like `path_of`, after verifying the file's checksum.

        Raises
        ------
        ModelError
            When the model is not on this machine.
        ModelFileError
            When the file is no longer what it was.
        """
        path = self.path_of(name)
        if path is None:
            raise ModelError(explain_absence(name))
        expected = self.expected_sha256(name)
        if expected is not None and expected != file_sha256(path):
            raise ModelFileError(
                f"{path} is not the file that was stored as {name!r}: it was changed or damaged. "
                "Remove it and fetch it again."
            )
        return path

    def expected_sha256(self, name: str) -> str | None:
        """The checksum that the file of `checked_path` has; None where none was recorded."""
        path = self.path_of(name)
        if path is None:
            return None
        entry = CATALOGUE.get(name)
        if entry is not None and path == entry.embedded_path:
            return entry.sha256
        record = _record_path(path)
        return record.read_text(encoding="utf-8").split()[0] if record.is_file() else None

    def own_names(self) -> list[str]:
        """Names of the models that were imported, in alphabetical order."""
        return sorted(path.stem for path in self.folder.glob(f"*{_OWN_SUFFIX}"))

    def found(self) -> list[Path]:
        """Models in micro-sam's folder that the catalogue has no name for."""
        known = {micro_sam_folder() / (entry.in_micro_sam or "") for entry in CATALOGUE.values()}
        files = sorted((micro_sam_folder() / "models").glob("*"))
        return [path for path in files if path not in known and _may_be_model(path)]

    def new_path(self, name: str) -> Path:
        """Path for a model imported as `name`.

        Raises
        ------
        InputError
            When the name cannot be a file's name, or is taken.
        """
        if not _GOOD_NAME.fullmatch(name) or name.endswith(_OWN_SUFFIX):
            raise InputError(
                f"{name!r} cannot be the name of a model: use letters, digits, dots, dashes and "
                "underscores, and begin with a letter or a digit."
            )
        if (taken := self.path_of(name)) is not None:
            raise InputError(f"{name!r} is taken already, by {taken}: choose another name.")
        return self._own_path(name)

    def record(self, path: Path, sha256: str) -> None:
        """Record the checksum of `path`, in the format of `sha256sum -c`."""
        atomic_write_text(_record_path(path), f"{sha256}  {path.name}\n")

    def remove(self, name: str) -> None:
        """Delete a model from the folder; one that ships with the package stays.

        Raises
        ------
        ModelError
            When it is not here, or ships with the package.
        """
        path = self.path_of(name)
        if path is None or path.parent != self.folder:
            where = "is not in" if path is None else "ships with the package, it is not in"
            raise ModelError(f"The model {name!r} {where} {self.folder}: nothing was removed.")
        path.unlink()
        _record_path(path).unlink(missing_ok=True)

    def _own_path(self, name: str) -> Path:
        return self.folder / f"{name}{_OWN_SUFFIX}"


def explain_absence(name: str) -> str:
    """One sentence on how to get a model of the catalogue that is not on this machine."""
    entry = require(name)
    if entry.urls:
        return (
            f"The model {name!r} is not on this machine: fetch it with "
            f"`napari-cfr-icl models download {name}`."
        )
    return (
        f"The model {name!r} can only be fetched by hand: get {entry.file_name or 'it'} from "
        f"{entry.page}, then `napari-cfr-icl models import FILE --name {name}`."
    )


def _may_be_model(path: Path) -> bool:
    """True for a checkpoint, except for micro-sam's parts for automatic segmentation."""
    if path.stem.endswith("_decoder"):
        return False
    try:
        return kind_of(path) is FileKind.TORCH_ZIP
    except OSError:
        return False


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
