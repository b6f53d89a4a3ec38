"""The LGG brain MRI set: a folder a patient, with ``<patient>_<slice>.tif`` and ``<patient>_<slice>_mask.tif``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch

from .containers import Scans
from .errors import DataError, reading
from .files import read_file
from .pictures import decode

SIDE = 256
_SLICE = re.compile(r"(?P<patient>TCGA_\w+?)_(?P<number>\d{1,6})(?P<mask>_mask)?\.tif")


def slice_paths(folder: Path) -> list[tuple[str, Path, Path]]:
    """Patient, image and mask of every slice, by patient and number.

    Raises:
        DataError: no patients; an image without its mask or the reverse; a number that is left out; a file of another
            patient.
    """
    with reading(folder), os.scandir(folder) as entries:
        patients = sorted(entry.name for entry in entries if entry.is_dir() and entry.name.startswith("TCGA_"))
    if not patients:
        raise DataError(folder, "has no folders TCGA_* of patients")
    found: list[tuple[str, Path, Path]] = []
    for patient in patients:
        files: dict[bool, dict[int, Path]] = {False: {}, True: {}}
        with reading(folder / patient):
            names = sorted(os.listdir(folder / patient))
        for name in names:
            match = _SLICE.fullmatch(name)
            if match:
                if match["patient"] != patient:
                    raise DataError(folder / patient / name, f"lies in the folder of patient {patient}")
                files[match["mask"] is not None][int(match["number"])] = folder / patient / name
        images, masks = files[False], files[True]
        for number in range(1, max([0, *images, *masks]) + 1):
            if number not in images or number not in masks:
                missing = f"{patient}_{number}{'_mask' if number in images else ''}.tif"
                raise DataError(folder / patient, f"lacks {missing}")
        if not images:
            raise DataError(folder / patient, "has no slices *.tif")
        found += [(patient, images[n], masks[n]) for n in sorted(images)]
    return found


def read_brain(folder: Path, name: str = "brain-mri") -> Scans:
    """All slices: images ``(n, 3, 256, 256)``, masks ``(n, 1, 256, 256)`` of 0 and 1, patients.

    Raises:
        DataError: see :func:`slice_paths`; a file that is not TIFF of 256 x 256, RGB for images and grey for masks; a
            mask with values other than 0 and 255.
    """
    slices = slice_paths(folder)
    images = torch.empty((len(slices), 3, SIDE, SIDE), dtype=torch.uint8)
    masks = torch.empty((len(slices), 1, SIDE, SIDE), dtype=torch.uint8)
    for i, (_, image_path, mask_path) in enumerate(slices):
        image = decode(read_file(image_path), "RGB", (SIDE, SIDE), ("TIFF",), image_path)
        mask = decode(read_file(mask_path), "L", (SIDE, SIDE), ("TIFF",), mask_path)
        if not np.isin(mask, (0, 255)).all():
            raise DataError(mask_path, "is no mask: values other than 0 and 255")
        images[i] = torch.from_numpy(image).permute(2, 0, 1)
        masks[i, 0] = torch.from_numpy(mask // 255)
    patients = tuple(dict.fromkeys(patient for patient, _, _ in slices))
    index = {patient: number for number, patient in enumerate(patients)}
    return Scans(images, masks, torch.tensor([index[patient] for patient, _, _ in slices]), patients, name)
