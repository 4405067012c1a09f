"""Packs a tub into a folder, shard by shard, and does nothing more.

python pack_tub.py TUB FOLDER
"""

import os
import sys

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from donkey_sagemaker.tubs.shards import PackReport, pack


def main() -> None:
    tub, folder = sys.argv[1:]
    for shard in pack(read_tub(FolderFiles(tub), name="tub"), report=PackReport(), size=(160, 120)):
        with open(os.path.join(folder, shard.sha256 + ".zip"), "wb") as file:
            file.write(shard.body)


if __name__ == "__main__":
    main()
