"""The loss curve, as donkeycar leaves it beside a model."""

from typing import Dict, List


def plot_loss(history: Dict[str, List[float]], *, best_epoch: int, title: str, path: str) -> bool:
    """Training and validation loss by epoch, the best epoch marked, as a PNG of 800 x 500 pixels.

    Returns:
        False where this Python has no matplotlib, for which donkeycar 2 does not ask.
    """
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")  # there is no screen
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(history["loss"]) + 1)
    figure, axes = pyplot.subplots(figsize=(8, 5), dpi=100)
    axes.plot(epochs, history["loss"], label="training")
    axes.plot(epochs, history["val_loss"], label="validation")
    best = history["val_loss"][best_epoch - 1]
    axes.plot(
        [best_epoch], [best], "o", color="black", label="best: {:.4f} in epoch {}".format(best, best_epoch)
    )
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
    pyplot.close(figure)
    return True
