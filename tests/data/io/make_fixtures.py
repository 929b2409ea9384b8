#!/usr/bin/env python3
"""Writes the arrays that src/io's tests read, with NumPy. Needs numpy; run in this folder."""
import numpy as np

ramp = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 11.5
np.save("f4.npy", ramp)
np.save("fortran.npy", np.asfortranarray(ramp))
np.save("big_endian.npy", ramp.astype(">f4"))
np.save("scalar.npy", np.array(7, np.int64))
arrays = {"a": ramp, "dir/b:0": np.array([True, False]), "empty": np.zeros((1, 0, 4), np.float16), "i": np.arange(1000)}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
