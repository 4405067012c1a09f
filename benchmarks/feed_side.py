"""One side's input pipeline, driven line by line: both sides take turns, and each loads its libraries once.

    python feed_side.py ours|theirs TYPE AUGMENTATIONS RECIPE FOLDER

FOLDER holds `tub` and `ml`, the job made from it. Each line on standard input runs one epoch of batches:
"first" starts from the JPEGs, "again" from what the last epoch left in memory. The reply is the number of
examples per second.
"""

import os
import sys
import time
from typing import Any, Callable, Tuple

BATCH_SIZE = 128
RESULT = "EXAMPLES PER SECOND: "


def main() -> None:
    side, model_type, augmentations, recipe, folder = sys.argv[1:]
    names = [name for name in augmentations.split(",") if name]
    if side == "ours":
        start, count = make_ours(model_type, names, recipe, folder)
    else:
        start, count = make_theirs(model_type, names, folder)
    run: Callable[[], Any] = lambda: None  # noqa: E731
    for line in sys.stdin:
        started = time.perf_counter()
        if line.strip() == "first":
            run = start()
        run()
        print(RESULT + str(count / (time.perf_counter() - started)), flush=True)


def read_template() -> Any:
    """The configuration of a new car."""
    from donkeycar.config import Config
    from donkeycar.templates import cfg_complete

    config = Config()
    config.from_object(cfg_complete)
    config.BATCH_SIZE = BATCH_SIZE
    return config


def make_theirs(model_type: str, augmentations: Any, folder: str) -> Tuple[Callable[[], Any], int]:
    import tensorflow as tf
    from donkeycar.pipeline.training import BatchSequence
    from donkeycar.pipeline.types import TubDataset
    from donkeycar.utils import get_model_by_type

    config = read_template()
    config.AUGMENTATIONS = augmentations
    pilot = get_model_by_type(model_type, config)

    def read_records() -> Any:
        tub = os.path.join(folder, "tub")
        return TubDataset(config, [tub], seq_size=pilot.seq_size()).get_records()

    def start() -> Callable[[], Any]:
        """As in donkeycar's train(). The records are read beforehand, their pictures are not."""
        pipe = BatchSequence(pilot, config, records.pop() if records else read_records(), is_train=True)
        batches = iter(pipe.create_tf_data().prefetch(tf.data.experimental.AUTOTUNE))

        def run() -> None:
            for _ in range(len(pipe)):
                next(batches)

        return run

    records = [read_records()]
    return start, len(records[0])


def make_ours(model_type: str, augmentations: Any, recipe: str, folder: str) -> Tuple[Callable[[], Any], int]:
    import tensorflow as tf

    from donkey_sagemaker.tubs.files import tubs_in_shards
    from donkey_sagemaker.tubs.reader import read_tub
    from trainer.dataset import make_dataset
    from trainer.job import read_job
    from trainer.opt_ml import OptMl
    from trainer.pilots import make_pilot
    from trainer.reading import load_inputs

    opt_ml = OptMl({"SAGEMAKER_BASE_DIR": os.path.join(folder, "ml")})
    template = vars(read_template())
    job = read_job(opt_ml)._replace(
        model_type=model_type,
        recipe=recipe,
        config=dict(template, AUGMENTATIONS=augmentations, BATCH_SIZE=BATCH_SIZE),
    )
    pilot = make_pilot(model_type, job.config)
    shards = tubs_in_shards(opt_ml.zips("train"))
    running: Any = []

    def start() -> Callable[[], Any]:
        """As in our trainer, from the records on: pictures, examples and batches, ready for the net."""
        for feed in running:
            feed.stop_workers()
        tubs = {name: read_tub(files, name=name) for name, files in shards.items()}
        dataset = make_dataset(pilot, load_inputs(job, tubs))
        feed = dataset.feed(dataset.examples, seed=1)
        feed.start_workers()
        running[:] = [feed]
        batches = feed.dataset(tf)

        def run() -> None:
            for _ in batches:
                pass

        return run

    start()  # counts the examples
    return start, len(running[0].examples)


if __name__ == "__main__":
    main()
