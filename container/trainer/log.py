"""Lines for the user. Their prefix sets them apart from the rest of the log."""

from donkey_sagemaker.contract import LOG_PREFIX


def log(text: str) -> None:
    print(LOG_PREFIX + text, flush=True)
