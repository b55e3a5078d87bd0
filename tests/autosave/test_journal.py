"""The journal holds every step that was made, whatever happens to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl.autosave import journal as journals
from napari_cfr_icl.autosave.event_log import EventLog, StartLabels, log_from
from napari_cfr_icl.autosave.file_thread import FileThread
from napari_cfr_icl.autosave.fingerprint import ImageFingerprint, fingerprint_image
from napari_cfr_icl.autosave.journal import Journal, read_journal, unfinished
from napari_cfr_icl.autosave.journal_writer import JournalWriter
from napari_cfr_icl.autosave.label_diff import LabelDiff
from sample_event_log import (
    SHAPE,
    events,
    expected_labels,
    final_labels,
    image,
    same_work,
    some_work,
    square,
    start_labels,
)


@pytest.fixture
def files():
    with FileThread() as thread:
        yield thread


@pytest.fixture
def writer(tmp_path, files):
    troubles = []
    writer = JournalWriter(
        EventLog(fingerprint_image(image(), "cells.tif", None)), files, troubles.append, tmp_path
    )
    yield writer
    writer.close(keep=True)
    assert troubles == []


def settle(files):
    files.submit(lambda: None).result()


def kept(folder):
    (path,) = folder.glob("*.jsonl")
    return path


def test_what_was_noted_is_read_back(writer, files, tmp_path):
    for event in events():
        writer.record(event)
    settle(files)
    read = read_journal(kept(tmp_path))
    assert same_work(read, writer.log)
    assert read.object_count == 2
    assert [(c.row, c.col) for c in read.current.clicks] == [(5, 5)]
    assert np.array_equal(final_labels(read, 0), expected_labels())


def test_a_commit_is_in_the_file_when_the_call_returns(writer, tmp_path):
    for event in events()[:5]:
        writer.record(event, wait=event["event"] == "edit")
    assert read_journal(kept(tmp_path)).object_count == 1


def test_nothing_done_nothing_kept(writer, files, tmp_path):
    for event in events()[:3]:
        writer.record(event)
    settle(files)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [True, False])
def test_the_end_keeps_or_discards(writer, files, tmp_path, keep):
    for event in events():
        writer.record(event)
    writer.close(keep=keep)
    settle(files)
    # The lock stays with its journal: it is never removed while others may wait for it.
    assert {p.suffix for p in tmp_path.iterdir()} == ({".jsonl", ".lock"} if keep else set())


def test_a_torn_end_loses_only_what_was_torn(writer, files, tmp_path):
    steps = events()
    for event in steps:
        writer.record(event)
    settle(files)
    whole = kept(tmp_path).read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    torn = tmp_path / "torn.jsonl"
    for cut in [*range(ends[3], len(whole), 97), *ends[3:], *(end - 1 for end in ends[4:])]:
        torn.write_bytes(whole[:cut])
        read = read_journal(torn)
        # The last line is the first complete work: start, engine, picture, labels, object.
        lines = sum(end <= cut for end in ends)
        expected = EventLog(read.image, read.began)
        for event in steps[: max(3, lines - 1)] if lines > 4 else steps[:3]:
            expected.apply(event)
        assert same_work(read, expected), cut


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"[]\n", b"{}\n", b'{"event":"start"}\n', b"\xff\xfe\n", b'{"event":"edit"}\n'],
)
def test_what_is_no_journal_is_refused_in_a_sentence(content, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no journal of this program"):
        read_journal(path)


def test_lines_that_do_not_fit_are_refused(tmp_path, writer, files):
    for event in events():
        writer.record(event)
    settle(files)
    path = tmp_path / "x.jsonl"
    lines = kept(tmp_path).read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"event":"undone","index":7}\n')
    with pytest.raises(InputError, match="damaged"):
        read_journal(path)
    beyond = json.loads(lines[5])
    beyond["change"]["start"] = [38, 3]
    path.write_bytes(b"".join(lines[:4]) + json.dumps(beyond).encode() + b"\n")
    with pytest.raises(InputError, match="reaches beyond"):
        read_journal(path)


def test_a_journal_in_use_is_nobody_elses(tmp_path):
    mine = Journal.new(tmp_path)
    mine.append({"event": "x"})
    assert journals.claim(mine.path) is None
    assert unfinished(tmp_path) == []
    mine.close()
    assert unfinished(tmp_path) == [mine.path]


def test_the_lock_goes_with_a_killed_process(tmp_path):
    code = """
        import os, signal, sys
        from pathlib import Path
        from napari_cfr_icl.autosave.journal import Journal
        Journal.new(Path(sys.argv[1])).append({"event": "x"})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], check=False)
    assert len(unfinished(tmp_path)) == 1


def test_old_and_empty_journals_are_thrown_away(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "MOST_JOURNALS", 3)
    made = []
    for number in range(6):
        journal = Journal.new(tmp_path)
        if number != 5:
            journal.append({"event": "x"})
        journal.close()
        made.append(journal.path)
    os.utime(made[4], (0, 0))
    # 5 is empty, 4 is old, 0 to 2 are too many: the newest three are looked at.
    assert unfinished(tmp_path) == [made[3]]
    assert list(tmp_path.glob("*.jsonl")) == [made[3]]


def test_a_grown_journal_is_written_anew_and_says_the_same(writer, files, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cfr_icl.autosave.journal_writer.COMPACT_BYTES", 2000)
    steps = events()
    for event in steps:
        writer.record(event)
        settle(files)
    for _ in range(200):
        writer.record(steps[3])
    settle(files)
    writer.record(steps[-1])
    settle(files)
    assert kept(tmp_path).stat().st_size < 6000
    assert same_work(read_journal(kept(tmp_path)), writer.log)


def test_work_that_was_restored_has_a_journal_again(files, tmp_path):
    writer = JournalWriter(some_work(), files, [].append, tmp_path)
    writer.begin_anew()
    writer.record({"event": "object", "object": None})
    writer.close(keep=True)
    settle(files)
    assert same_work(read_journal(kept(tmp_path)), writer.log)


@pytest.fixture
def gate(files):
    """The thread for files waits here until it is set."""
    gate = threading.Event()
    files.submit(gate.wait)
    yield gate
    gate.set()


def test_work_that_began_before_its_image_was_read_knows_it_again(gate, files, tmp_path):
    known = fingerprint_image(image(), "cells.tif", None)
    work = EventLog(ImageFingerprint(known.name, None, known.shape, "", ""))
    files.submit(setattr, work, "image", known)
    writer = JournalWriter(work, files, [].append, tmp_path)
    for event in events():
        writer.record(event)
    gate.set()
    writer.close(keep=True)
    settle(files)
    assert read_journal(kept(tmp_path)).image == known


def test_only_the_steps_that_were_saved_count_as_saved(writer):
    steps = events()
    assert writer.is_saved
    for event in steps[:5]:
        writer.record(event)
    saved = writer.steps
    writer.record(steps[6])
    writer.mark_saved(saved)
    assert not writer.is_saved
    writer.mark_saved(writer.steps)
    writer.mark_saved(saved)
    assert writer.is_saved


def test_work_that_cannot_be_written_anew_leaves_no_part_and_what_it_replaces(
    files, tmp_path, monkeypatch
):
    before = JournalWriter(some_work(), files, [].append, tmp_path)
    before.begin_anew()
    settle(files)
    left = tmp_path / "left.jsonl"
    left.write_bytes(kept(tmp_path).read_bytes())
    whole = {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    real, asked = Journal.append, []

    def full(journal, event):
        asked.append(event)
        if len(asked) > 3:
            raise OutputError("The disk is full.")
        real(journal, event)

    monkeypatch.setattr(Journal, "append", full)
    writer = JournalWriter(some_work(), files, [].append, tmp_path)
    writer.take_over(before)
    writer.replace(left)
    writer.begin_anew()
    settle(files)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")} == whole


def test_a_journal_goes_once_its_work_is_kept_anew(files, tmp_path):
    before = JournalWriter(some_work(), files, [].append, tmp_path)
    before.begin_anew()
    settle(files)
    first = kept(tmp_path)
    writer = JournalWriter(some_work(), files, [].append, tmp_path)
    writer.take_over(before)
    writer.begin_anew()
    settle(files)
    assert kept(tmp_path) == writer.path != first
    writer.close(keep=True)
    settle(files)


def test_ids_of_any_number_are_written(writer, files, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cfr_icl.autosave.serialization.MOST_PACKED", 100)
    steps = events()
    for event in steps[:4]:
        writer.record(event)
    ids = np.random.default_rng(0).integers(1, 60000, SHAPE, np.uint16)
    change = LabelDiff.of((0, 0), np.ones(SHAPE, bool), 0, ids)
    writer.record({"event": "edit", "number": 0, "change": change, "object": None})
    writer.record(steps[4])
    settle(files)
    work = read_journal(kept(tmp_path))
    assert [op.change.pixels.sum() for op in work.operations] == [ids.size, 36]
    assert np.array_equal(work.operations[0].change.after, ids.ravel())


def test_labels_that_are_far_too_much_are_kept_elsewhere(monkeypatch):
    monkeypatch.setattr("napari_cfr_icl.autosave.event_log.MOST_PACKED", 10)
    assert StartLabels(image()).to_data() is None


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
def test_a_journal_that_vanishes_while_it_is_looked_at_is_no_trouble(tmp_path, monkeypatch):
    mine = Journal.new(tmp_path)
    mine.append({"event": "x"})
    mine.close()

    def claim(path, real=journals.claim):
        claimed = real(path)
        path.unlink()
        return claimed

    monkeypatch.setattr(journals, "claim", claim)
    unfinished(tmp_path)
    assert not mine.path.exists()


def test_a_folder_that_cannot_be_written_is_said_once_and_work_goes_on(files, tmp_path):
    (tmp_path / "file").write_text("")
    troubles = []
    writer = JournalWriter(some_work(), files, troubles.append, tmp_path / "file")
    for _ in range(3):
        writer.record({"event": "object", "object": None})
    settle(files)
    assert [type(trouble) for trouble in troubles] == [OutputError]
    assert writer.log.current is None


def test_the_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_DATA", str(tmp_path))
    assert journals.journals_folder() == tmp_path / "journals"


def test_big_images_are_known_by_samples(monkeypatch):
    small = fingerprint_image(image(), "a", None)
    assert small.is_same_image(fingerprint_image(image(), "b", "elsewhere"))
    other = image()
    other[7, 7] ^= 1
    assert not small.is_same_image(fingerprint_image(other, "a", None))
    monkeypatch.setattr("napari_cfr_icl.autosave.fingerprint.FULL_READ_BYTES", 10)
    big = np.random.default_rng(0).integers(0, 99, (3, 700, 900), np.uint16)
    assert fingerprint_image(big, "a", None).is_same_image(fingerprint_image(big.copy(), "b", None))
    assert not fingerprint_image(big, "a", None).is_same_image(
        fingerprint_image(big + 1, "a", None)
    )
    assert not fingerprint_image(big, "a", None).is_same_image(
        fingerprint_image(big.astype("i4"), "a", None)
    )
    assert fingerprint_image(np.zeros(SHAPE), "a", None).shape == SHAPE


def test_images_that_could_not_be_read_are_not_the_same():
    unread = ImageFingerprint("a", None, SHAPE, "", "")
    assert not unread.is_same_image(ImageFingerprint("b", None, SHAPE, "", ""))


def test_a_lock_that_somebody_waits_for_is_not_removed(tmp_path):
    """Otherwise the next one makes another file, and both have the journal."""
    first = Journal.new(tmp_path)
    first.append({"event": "x"})
    # As of a window that has opened the lock, and gets it a moment later.
    lock = first.path.with_suffix(journals.LOCK_SUFFIX)
    with lock.open() as opened:
        first.close()
        second = journals.claim(first.path)
        assert os.path.samestat(os.fstat(opened.fileno()), lock.stat())
    second.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_to_be_replaced_is_nobody_elses_until_then(gate, files, tmp_path):
    writer = JournalWriter(some_work(), files, [].append, tmp_path)
    left = Journal.new(tmp_path)
    left.append({"event": "x"})
    writer.replace(left)
    assert unfinished(tmp_path) == []
    gate.set()
    writer.begin_anew()
    settle(files)
    assert not left.path.exists()
    writer.close(keep=True)


@pytest.mark.parametrize("strip_bytes", [1 << 24, 200])
@pytest.mark.parametrize("packed_after", [0, 1, 2])
def test_labels_that_changed_before_they_were_packed_begin_as_they_were(
    packed_after, strip_bytes, monkeypatch
):
    monkeypatch.setattr("napari_cfr_icl.autosave.serialization.STRIP_BYTES", strip_bytes)
    labels = start_labels()
    start = StartLabels(labels)
    for number, row in enumerate((1, 27)):
        if number == packed_after:
            start.pack()
        change = LabelDiff.at(square(row, 38), labels[square(row, 38)], np.uint16(7))
        change.apply(labels)
        start.exclude([change])
    assert np.array_equal(start.labels, start_labels())
    start.exclude([change])
    assert np.array_equal(start.labels, start_labels())


def test_an_object_deleted_after_a_restore_was_not_undone():
    """What was there before it is not in the journal: it may have been another object."""
    relabelled = LabelDiff.at(square(2, 3), 3, 9)
    deleted = LabelDiff.at(square(2, 3), 9, 0)
    assert not deleted.takes_back(LabelDiff.from_data(relabelled.to_data()))


def test_nothing_follows_an_event_that_cannot_be_written(files, tmp_path, monkeypatch):
    troubles = []
    writer = JournalWriter(some_work(), files, troubles.append, tmp_path)
    writer.begin_anew()
    settle(files)
    whole = kept(tmp_path).read_bytes()

    def odd(journal, event, real=Journal.append):
        monkeypatch.setattr(Journal, "append", real)
        raise ValueError("odd")

    monkeypatch.setattr(Journal, "append", odd)
    for event in events()[4:6]:
        writer.record(event)
    settle(files)
    assert kept(tmp_path).read_bytes() == whole
    (trouble,) = troubles
    assert isinstance(trouble, OutputError)
    assert "odd" in str(trouble)
    writer.close(keep=True)


def test_labels_with_objects_that_were_replaced_are_work(writer, files, tmp_path):
    steps = events()
    for event in [*steps[:6], steps[2]]:
        writer.record(event)
    settle(files)
    read = read_journal(kept(tmp_path))
    for log in (writer.log, read, log_from(read.events())):
        assert not log.operations
        assert not log.is_empty
        assert log.changed == {0}
