"""Lines for the user, told from the rest of the log by how they begin."""

from donkey_sagemaker.contract import TOLD


def say(text: str) -> None:
    print(TOLD + text, flush=True)
