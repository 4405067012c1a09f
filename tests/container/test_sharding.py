"""Which examples each machine trains on: together they see each one once an epoch."""

import numpy as np
import pytest

from trainer.sharding import Share, make_part


def parts_of_epoch(examples, *, batch_size, machines, here=1, seed=None, epoch=0):
    """For each step of an epoch, the (rows, weights) of all replicas of all machines."""
    replicas = machines * here
    makers = [
        make_part(
            examples,
            batch_size=batch_size,
            share=Share(replicas, first=machine * here, here=here),
            seed=seed,
        )
        for machine in range(machines)
    ]
    steps = -(-examples // batch_size)
    return [
        [
            make((epoch * steps + step) * here + replica)
            for make in makers  # each machine on its own
            for replica in range(here)
        ]
        for step in range(steps)
    ]


SIZES = [(100, 32, 2, 1), (100, 32, 3, 2), (97, 32, 4, 1), (5, 32, 8, 1), (64, 32, 2, 1), (33, 32, 2, 4)]


@pytest.mark.parametrize("examples, batch_size, machines, here", SIZES)
@pytest.mark.parametrize("seed", [None, 7])
def test_each_example_counts_once_an_epoch(examples, batch_size, machines, here, seed):
    """However the numbers divide: what is repeated has no weight."""
    parts = parts_of_epoch(examples, batch_size=batch_size, machines=machines, here=here, seed=seed)
    counted = [row for step in parts for rows, weights in step for row in rows[weights > 0]]
    assert sorted(counted) == list(range(examples))
    sizes = {len(rows) for step in parts for rows, _weights in step}
    assert len(sizes) == 1 and sizes.pop() >= 1


@pytest.mark.parametrize("examples, batch_size, machines, here", SIZES)
def test_mean_loss_is_that_of_one_machine(examples, batch_size, machines, here):
    """In training of each batch, in validation of the whole epoch."""
    losses = np.random.RandomState(1).rand(examples)
    parts = parts_of_epoch(examples, batch_size=batch_size, machines=machines, here=here, seed=3)
    for step in parts:
        counted = np.concatenate([rows[weights > 0] for rows, weights in step])
        mean = np.mean([np.mean(weights * losses[rows]) for rows, weights in step])
        assert mean == pytest.approx(np.mean(losses[counted]), rel=1e-5)
    parts = parts_of_epoch(examples, batch_size=batch_size, machines=machines, here=here)
    mean = np.mean([np.mean(weights * losses[rows]) for step in parts for rows, weights in step])
    assert mean == pytest.approx(np.mean(losses), rel=1e-5)


def test_batches_do_not_depend_on_the_number_of_machines():
    """Four machines take the same steps as one."""
    one, four = (
        parts_of_epoch(100, batch_size=32, machines=machines, seed=5, epoch=2) for machines in (1, 4)
    )
    for step_of_one, step_of_four in zip(one, four):
        batches = [
            sorted(np.concatenate([rows[weights > 0] for rows, weights in step]))
            for step in (step_of_one, step_of_four)
        ]
        assert batches[0] == batches[1]


def test_order():
    """Each epoch and each seed have an order of their own; without a seed there is only one."""
    orders = [
        [int(row) for step in parts for rows, _weights in step for row in rows]
        for parts in (
            parts_of_epoch(64, batch_size=32, machines=1, seed=seed, epoch=epoch)
            for seed, epoch in ((1, 0), (1, 1), (2, 0), (None, 0), (None, 1))
        )
    ]
    assert orders[3] == orders[4] == list(range(64))
    assert len({tuple(order) for order in orders}) == 4
