"""Whether the machine that is going to train has enough memory, asked before anything is sent or billed."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..cloud.cloud import Cloud
from ..cloud.machines import memory_bytes
from ..errors import BadInput
from ..training_memory import batch_size_of, estimate_bytes
from ..ui import format_gigabytes

# The estimate is an upper bound. Trainings of large pictures were measured to take 0.55 and 0.61 of it.
_LEAST_SHARE = 0.5

# Types to suggest, from small to large
_SUGGESTED = (
    "ml.m5.large",
    "ml.m5.xlarge",
    "ml.m5.2xlarge",
    "ml.m5.4xlarge",
    "ml.m5.12xlarge",
    "ml.m5.24xlarge",
)


class TooLittleMemory(BadInput):
    def __init__(self, words: str, *, fixes: Sequence[str]) -> None:
        fix = ", or ".join(fixes)
        super().__init__(f"This training takes {words}.", f"{fix[:1].upper()}{fix[1:]}.")


def choose_types_with_memory(
    cloud: Cloud,
    types: Sequence[str],
    *,
    config: Mapping[str, Any],
    model_type: str,
    are_named: bool,
) -> Tuple[List[str], Optional[str]]:
    """Those of the instance types that can have enough memory for the training, and a warning.

    Args:
        model_type: without a tflite_ or tensorrt_ prefix.
        are_named: the owner chose the types. Otherwise only those that surely have enough are taken, if any.
    Raises:
        TooLittleMemory: none has.
    """
    needed = estimate_bytes(config, model_type)
    sizes = {each: cloud.memory_bytes(each) or needed for each in types}
    large = [each for each in types if sizes[each] >= needed]
    possible = [each for each in types if sizes[each] >= _LEAST_SHARE * needed]
    if len(large) == len(types) or (large and not are_named):
        return large, None
    doubtful = {each: size for each, size in sizes.items() if size < needed}
    smaller = _find_smaller_config(config, model_type, limit=max(doubtful.values()))
    words = f"up to {format_gigabytes(needed)} of memory, but {_describe(cloud, doubtful)}"
    if not possible:
        larger = [each for each in _SUGGESTED if needed <= (memory_bytes(each) or 0)]
        fixes = [smaller] + [f"choose --instance-type={each}" for each in larger[:1] if cloud.bills]
        raise TooLittleMemory(words, fixes=fixes)
    return possible, f"the training takes {words}; if it is killed, {smaller}"


def _describe(cloud: Cloud, sizes: Mapping[str, int]) -> str:
    if not cloud.bills:
        return f"{cloud.provider} has {format_gigabytes(max(sizes.values()))}"
    return ", ".join(f"{each} has {format_gigabytes(size)}" for each, size in sizes.items())


def _find_smaller_config(config: Mapping[str, Any], model_type: str, *, limit: int) -> str:
    batch_size = batch_size_of(config) // 2
    while batch_size and estimate_bytes(config, model_type, batch_size=batch_size) > limit:
        batch_size //= 2
    if batch_size:
        return f"set BATCH_SIZE = {batch_size} in myconfig.py"
    return "set IMAGE_W and IMAGE_H in myconfig.py to smaller pictures"
