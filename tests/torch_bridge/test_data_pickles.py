"""Pickles: arrays of every protocol are read, anything that could run or allocate is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.torch_bridge.test_data_formats import peak
from torch_bridge.data import DataError
from torch_bridge.data.pickles import load_pickle


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(path):
    Path(path).write_text("was run")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_not_run(protocol, tmp_path):
    target = tmp_path / "touched"
    for function, argument in ((os.system, f"touch {target}"), (touch, str(target)), (eval, "1"), (bytearray, 10**12)):
        data = pickle.dumps({b"data": Malicious(function, argument), b"labels": [1]}, protocol=protocol)
        with pytest.raises(DataError, match="only numpy arrays"):
            load_pickle(data, "batch")
    assert not target.exists()


RECONSTRUCT = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\n"
HOSTILE = {
    "memo index that allocates": b"\x80\x02Nr\xff\xff\xff\x00.",
    "text memo index": b"\x80\x02Np16777215\n.",
    "bytes of a false length": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
    "string of a false length": b"\x80\x02T\xff\xff\xff\x7fx.",
    "frame of a false length": b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N.",
    "array made large": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
    "reconstruct made large": RECONSTRUCT + b"ndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87RJ.",
    "reconstruct of another class": RECONSTRUCT + b"dtype\nK\x00\x85U\x01b\x87R.",
    "object dtype": b"\x80\x02cnumpy\ndtype\nU\x02O8\x85R.",
    "bytes of a size": b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "a codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent name": b"\x80\x02Pname\n.",
    "an instance": b"(ios\nsystem\n.",
    "nested tuples": b"\x80\x02}N" + b"\x85" * 100_000 + b"Ns.",
    "nothing": b"",
    "a stop alone": b".",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_pickles_are_refused_without_allocating(what):
    assert peak(lambda: load_pickle(HOSTILE[what], "batch")) < 5e6


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">f4"])
def test_arrays_of_all_protocols_are_read(protocol, order, dtype):
    array = np.asarray(np.arange(12).reshape(3, 4), dtype=dtype, order=order)
    value = {"data": array, "labels": [1, 2, 3], b"empty": b"", "text": ("a", 1.5, None, True)}
    found = load_pickle(pickle.dumps(value, protocol=protocol), "batch")
    assert found["data"].dtype == array.dtype and np.array_equal(found["data"], array)
    assert {k: v for k, v in found.items() if k != "data"} == {k: v for k, v in value.items() if k != "data"}
