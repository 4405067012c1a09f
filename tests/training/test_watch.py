"""What is printed about a job while it runs: a scripted cloud, which behaves as any cloud may."""

import pytest

from donkey_sagemaker.cloud.errors import NotAllowed, Unreachable
from donkey_sagemaker.cloud.job import read_job_state
from donkey_sagemaker.cloud.prices import Price
from donkey_sagemaker.contract import PROVING, TRYING, WRITING
from donkey_sagemaker.errors import CloudRefused
from donkey_sagemaker.training.timing import Timing
from donkey_sagemaker.training.watch import Ended, watch
from donkey_sagemaker.ui import EpochDisplay, PlainUi

EPOCH = "[donkey] epoch=1/2 loss=0.5 val_loss=0.4 best_val_loss=0.4 images=128 seconds=10"


class ScriptedCloud:
    """Gives one step after the other, (state, new lines) or an error, and then the last one forever."""

    provider = "AWS"
    bills = True
    poll_s = 5.0
    log_lag_s = 10.0

    def __init__(self, steps):
        self.steps = list(steps)
        self.lines = []
        self.log_reads = 0

    def describe_job(self, name):
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        self.lines = step[1]
        return step[0]

    def open_log(self, name):
        return self

    def read(self):
        self.log_reads += 1
        if isinstance(self.lines, Exception):
            raise self.lines
        return self.lines

    def hourly_price(self, instance_type):
        return Price(3600.0, "of a test")


def state(*transitions, status="InProgress", **more):
    description = dict(
        {
            "TrainingJobName": "job",
            "TrainingJobStatus": status,
            "SecondaryStatus": transitions[-1],
            "SecondaryStatusTransitions": [{"Status": each} for each in transitions],
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        },
        **more,
    )
    return read_job_state(description)


DONE = state("Starting", "Training", "Completed", status="Completed", ModelArtifacts={})


def watched(steps, capsys, *, whole_log=False):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        assert len(naps) < 100, "it watches forever"

    ended = watch(ScriptedCloud(steps), PlainUi(), "job", whole_log=whole_log, sleep=sleep)
    return ended, capsys.readouterr().out.splitlines(), naps


def test_each_state_is_printed_once_and_none_is_missed(capsys):
    """Not even one that came and went between two looks; the end follows the last lines of the log."""
    so_far = ("Starting", "Starting", "Downloading", "Training")  # an entry for each message about Starting
    done = state(*so_far, "Completed", status="Completed", ModelArtifacts={})
    steps = [
        (state("Starting"), []),
        (state(*so_far), []),
        (done, [EPOCH]),
        (done, ["[donkey] late"]),
        (done, []),
    ]
    ended, out, _ = watched(steps, capsys)
    assert ended == Ended(done, [EPOCH, "[donkey] late"])
    assert out[:3] == ["State: Starting", "State: Downloading", "State: Training"]
    assert out[3].startswith("epoch   1/2") and out[4:] == ["late", "State: Completed"]


def test_the_log_is_waited_for(capsys):
    """CloudWatch is some seconds behind: the log is complete after ten quiet seconds."""
    _, _, naps = watched([(DONE, []), (DONE, []), (DONE, [EPOCH]), (DONE, [])], capsys)
    assert len(naps) == 5


def test_a_lack_of_capacity_is_printed(capsys):
    """AWS mentions it in a message only; its other messages about a state are noise."""
    messages = [
        {"Status": "Starting", "StatusMessage": "Preparing the instances for training"},
        {"Status": "Pending", "StatusMessage": "Insufficient capacity error, retrying!"},
    ]
    starting = state("Pending", SecondaryStatusTransitions=messages)
    _, out, _ = watched([(starting, []), (DONE, [])], capsys)
    assert out[:2] == ["State: Starting", "State: Pending: Insufficient capacity error, retrying!"]


def test_the_cost_so_far_is_shown_beside_each_epoch(capsys, monkeypatch):
    """For all its instances, since each of them is billed."""
    monkeypatch.setattr("time.time", lambda: 1060.0)
    _, out, _ = watched([(state("Training", TrainingStartTime=1000.0), [EPOCH]), (DONE, [])], capsys)
    assert out[1].endswith(" left, 120.00 USD so far")


@pytest.mark.parametrize("line", [PROVING + " along the tub", WRITING + " as tflite"])
def test_no_epochs_are_left_once_the_trainer_does_something_else(line):
    """The training may end before all epochs, and nothing but the next line says so."""
    training = state("Training")
    for lines, left in (([EPOCH], "at most 10 s of training left"), ([EPOCH, "[donkey] " + line], "")):
        timing = Timing(started=1000.0, clock=lambda: 1000.0)
        cloud = ScriptedCloud([(training, lines), (DONE, [])])
        watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda _: None, timing=timing)
        assert timing.describe() == left


def test_what_a_tuning_does_before_its_first_epoch(monkeypatch):
    """For minutes, nothing but its trials is to be seen."""
    shown = []
    monkeypatch.setattr(EpochDisplay, "show_activity", lambda self, text, note: shown.append(text))
    lines = ["[donkey] 100 pictures decoded in 1 s", f"[donkey] {TRYING} 3 trials, up to epoch 1"]
    steps = [(state("Training"), lines), (state("Training"), ["[donkey] Trial 1/3: off"]), (DONE, [])]
    watch(ScriptedCloud(steps), PlainUi(), "job", whole_log=False, sleep=lambda _: None)
    assert shown[:2] == ["Trying 3 trials, up to epoch 1"] * 2


def test_a_lost_network_is_reported_once_and_outlasted(capsys):
    """It is asked less and less often, and the return is reported."""
    lost = [Unreachable("AWS cannot be reached [EndpointConnectionError].", "Check the network.")] * 9
    _, out, naps = watched([(state("Training"), []), *lost, (DONE, [])], capsys)
    assert out[1:3] == [
        "Warning: AWS cannot be reached [EndpointConnectionError]. "
        "The job continues; trying again until AWS answers.",
        "AWS answers again, after 0 s.",
    ]
    assert naps[1:10] == [5, 10, 20, 40, 60, 60, 60, 60, 60]


def test_a_job_that_may_not_be_described_for_a_moment_is_watched_on(capsys):
    """Permissions take a while to apply everywhere, and the job runs already."""
    denied = [NotAllowed("You may not see it [AccessDeniedException].", "Add this statement.")] * 3
    ended, out, naps = watched([*denied, (DONE, [])], capsys)
    assert ended.state == DONE and naps[:3] == [5, 10, 20]
    assert out[:2] == [
        "Warning: You may not see it [AccessDeniedException]. The job continues; trying again for two"
        " minutes.",
        "AWS answers again, after 0 s.",
    ]


def test_a_job_that_may_never_be_described_ends_the_watch():
    """After two minutes it is not a matter of a moment."""
    naps = []
    cloud = ScriptedCloud([NotAllowed("You may not see it [AccessDeniedException].", "Add this statement.")])
    with pytest.raises(NotAllowed):
        watch(cloud, PlainUi(), "job", whole_log=False, sleep=naps.append)
    assert 120 <= sum(naps) <= 180


def test_a_log_that_is_out_of_reach_delays_the_end_by_two_minutes(capsys):
    """A firewall or a proxy may block the log alone; what arrives within that time is shown."""
    lost = Unreachable("AWS cannot be reached [ForeignAnswer].", "Check the network.")
    _, out, naps = watched([(state("Training"), lost), (DONE, lost), (DONE, [EPOCH]), (DONE, [])], capsys)
    warning = "Warning: AWS cannot be reached [ForeignAnswer]. The job continues; its log follows later."
    assert out.count(warning) == 1 and any(line.startswith("epoch   1/2") for line in out)
    _, out, naps = watched([(DONE, lost)], capsys)
    assert out == [warning, "State: Starting", "State: Training", "State: Completed"]
    assert 120 <= sum(naps) < 130


def test_a_log_without_an_end_does_not_delay_the_end_for_ever(capsys):
    """Nothing that comes two minutes after the job's end is waited for."""
    ended, _, naps = watched([(DONE, [EPOCH])], capsys)
    assert ended.state == DONE and 120 <= sum(naps) < 130


def test_an_expired_login_ends_the_watch():
    """Only the user can log in again."""
    cloud = ScriptedCloud([CloudRefused("Your AWS login has expired.", "Log in again.")])
    with pytest.raises(CloudRefused):
        watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda seconds: None)


def test_watching_continues_without_permission_to_read_the_log(capsys):
    """The missing permission is reported once; the states and the end are shown all the same."""
    denied = NotAllowed("You may not read it [AccessDeniedException].", "Add this statement:\n{}")
    cloud = ScriptedCloud([(state("Starting"), denied), (state("Starting", "Training"), denied), (DONE, [])])
    ended = watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda seconds: None)
    assert (ended, cloud.log_reads) == (Ended(DONE, []), 1)
    assert capsys.readouterr().out.splitlines() == [
        "Warning: You may not read it [AccessDeniedException]. The job continues without its log. "
        "Add this statement:",
        "{}",
        "State: Starting",
        "State: Training",
        "State: Completed",
    ]


@pytest.mark.parametrize(
    "image, whole_log, shown",
    [
        ({"TrainingImage": "1.dkr.ecr.eu-west-1.amazonaws.com/theirs:1"}, False, True),
        (
            {"TrainingImage": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu"},
            False,
            False,
        ),
        ({"TrainingImage": "aws", "ContainerEntrypoint": ["python3"]}, False, False),
        ({"TrainingImage": "aws", "ContainerEntrypoint": ["python3"]}, True, True),
    ],
)
def test_when_all_lines_of_the_log_are_shown(capsys, image, whole_log, shown):
    """For another author's image, or on request; nothing in them can steer the terminal."""
    step = (state("Training", AlgorithmSpecification=image), ["step \x1b[31m7"])
    _, out, _ = watched([step, (DONE, [])], capsys, whole_log=whole_log)
    assert ("step ?[31m7" in out) is shown


def test_the_type_that_aws_took(capsys):
    """Among several: it is printed once, if it is not the first, and the cost is that of this type."""
    among = {"InstancePreferences": [{"InstanceType": "ml.c5.xlarge"}, {"InstanceType": "ml.m5.xlarge"}]}
    taken = dict(among, SelectedInstanceType="ml.m5.xlarge", SelectedInstanceCount=2)
    cloud = ScriptedCloud(
        [
            (state("Starting", ResourceConfig=dict(among, InstanceCount=2)), []),
            (state("Starting", "Training", ResourceConfig=taken), []),
            (state("Starting", "Training", "Completed", status="Completed", ResourceConfig=taken), []),
        ]
    )
    asked = []
    cloud.hourly_price = lambda instance_type: asked.append(instance_type)
    watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda _: None)
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("Warning: no capacity for ml.c5.xlarge: AWS took ml.m5.xlarge") == 1
    assert asked == ["ml.m5.xlarge"]


def test_the_place_in_a_queue(capsys):
    """Each change of it is printed once, without a time, which starts when the wait has ended."""
    places = [f"{place} of 2 in the queue q" for place in ("2nd", "2nd", "1st")]
    waiting = [
        state("Waiting", SecondaryStatusTransitions=[{"Status": "Waiting", "StatusMessage": each}])
        for each in places
    ]
    _, out, _ = watched([*((each, []) for each in waiting), (DONE, [])], capsys)
    assert out[:3] == [f"State: Waiting: {places[0]}", f"State: Waiting: {places[2]}", "State: Starting"]
    assert not any("left" in line for line in out)
