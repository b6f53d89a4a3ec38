"""Images of the experiments: readers, cache, augmentation and batches."""

from .augment import CropFlip
from .batches import Batches, channel_statistics, images_per_second
from .catalogue import LAYOUTS, data_folder, load
from .containers import Images, Scans
from .errors import DataError
from .published import PUBLISHED
from .status import FileRow, Row, describe, status

__all__ = [
    "LAYOUTS",
    "PUBLISHED",
    "Batches",
    "CropFlip",
    "DataError",
    "FileRow",
    "Images",
    "Row",
    "Scans",
    "channel_statistics",
    "data_folder",
    "describe",
    "images_per_second",
    "load",
    "status",
]
