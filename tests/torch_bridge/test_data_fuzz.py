"""Whatever the bytes, a reader returns data or raises DataError, and its memory stays near the size of the file."""

from __future__ import annotations

import tracemalloc
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.torch_bridge.test_data_formats import CASES, make, own_folders
from torch_bridge.data import DataError, Images, Scans, load
from torch_bridge.data.pickles import load_pickle

__all__ = ["own_folders"]

MEMORY = 40e6
"""The largest small set is 10 MB of MRI."""

EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("head"), st.integers(0, 200), st.integers(0, 255)),
        st.tuples(st.just("tail"), st.integers(1, 200), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=9)),
        st.tuples(st.just("word"), st.integers(0, 60), st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000])),
    ),
    min_size=1,
    max_size=6,
)


def edited(data, edits):
    data = bytearray(data)
    for kind, where, what in edits:
        at = int(where * (len(data) - 1)) if isinstance(where, float) else where
        if not data:
            break
        if kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = what
        elif kind == "word":
            data[4 * where : 4 * where + 4] = what.to_bytes(4, "big" if where % 2 else "little")
        elif kind == "tail":
            data[-min(where, len(data))] = what
        else:
            data[min(at, len(data) - 1)] = what
    return bytes(data)


@pytest.fixture(scope="module")
def masters(tmp_path_factory):
    """One folder for each case, and its largest files."""
    made = {}
    for name, kind in CASES:
        folder = tmp_path_factory.mktemp("fuzz") / name
        make(folder, name, kind)
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".csv")[:2]
        made[name, kind] = folder, {path: path.read_bytes() for path in files}
    return made


@pytest.mark.parametrize("case", CASES, ids="-".join)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, which=st.integers(0, 1))
def test_edited_files_are_read_or_refused(case, masters, edits, which):
    folder, files = masters[case]
    path: Path = list(files)[which % len(files)]
    path.write_bytes(edited(files[path], edits))
    tracemalloc.start()
    try:
        data = load(case[0], folder, partial=True, cache=False)
        assert isinstance(data, (Images, Scans))
    except DataError as error:
        assert error.reason
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        path.write_bytes(files[path])
    assert most < MEMORY


OPCODES = [bytes([code]) for code in b"(.}])\x85\x86\x87RbsueatN0dl"]
GLOBALS = ("numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct", "_codecs\nencode", "os\nsystem",
           "builtins\nbytes", "numpy._core.numeric\n_frombuffer")  # fmt: skip
VALUES = [
    b"\x80\x02",
    b"K\x01",
    b"K\x00",
    b"J\xff\xff\xff\x7f",
    b"U\x01b",
    b"U\x02u1",
    b"U\x01|",
    b"X\x01\x00\x00\x00a",
]
MEMO = [b"q\x00", b"h\x00", b"r\x00\x00\x00\x01"]
PIECES = st.sampled_from(OPCODES + VALUES + MEMO + [f"c{name}\n".encode() for name in GLOBALS])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=25).map(b"".join)))
def test_pickles_of_any_bytes_are_read_or_refused(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load_pickle(data, "batch")
        except DataError as error:
            assert error.file == "batch"
