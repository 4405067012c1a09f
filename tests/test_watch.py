"""What is told of a job while it goes: a scripted cloud, as any cloud may behave."""

import pytest

from donkey_sagemaker.aws.error_table import make_error
from donkey_sagemaker.aws.errors import FailedRequest
from donkey_sagemaker.cloud.prices import Price
from donkey_sagemaker.errors import CloudRefused
from donkey_sagemaker.training.watch import Ended, watch
from donkey_sagemaker.ui import PlainUi

EPOCH = "[donkey] epoch=1/2 loss=0.5 val_loss=0.4 best_val_loss=0.4 images=128 seconds=10"


class ScriptedCloud:
    """Answers with one step after the other, (state, new lines) or an error; the last one for ever."""

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

    def read_log(self, name, position):
        self.log_reads += 1
        if isinstance(self.lines, Exception):
            raise self.lines
        return self.lines, position

    def hourly_price(self, instance_type):
        return Price(3600.0, "of a test")


def state(*transitions, status="InProgress", **more):
    return dict(
        {
            "TrainingJobStatus": status,
            "SecondaryStatus": transitions[-1],
            "SecondaryStatusTransitions": [{"Status": each} for each in transitions],
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        },
        **more,
    )


DONE = state("Starting", "Training", "Completed", status="Completed", ModelArtifacts={})


def watched(steps, capsys, *, whole_log=False):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        assert len(naps) < 100, "it watches for ever"

    ended = watch(ScriptedCloud(steps), PlainUi(), "job", whole_log=whole_log, sleep=sleep)
    return ended, capsys.readouterr().out.splitlines(), naps


def test_each_state_is_told_once_and_none_is_missed(capsys):
    """Also one that came and went between two looks; the end after the last lines of the log."""
    done = state("Starting", "Downloading", "Training", "Completed", status="Completed", ModelArtifacts={})
    steps = [
        (state("Starting"), []),
        (state("Starting", "Downloading", "Training"), []),
        (done, [EPOCH]),
        (done, ["[donkey] late"]),
        (done, []),
    ]
    ended, out, _ = watched(steps, capsys)
    assert ended == Ended(done, [EPOCH, "[donkey] late"])
    assert out[:3] == ["State: Starting", "State: Downloading", "State: Training"]
    assert out[3].startswith("epoch   1/2") and out[4:] == ["late", "State: Completed"]


def test_the_log_is_waited_for(capsys):
    """CloudWatch is some seconds behind: ten quiet ones after the end are the end."""
    _, _, naps = watched([(DONE, []), (DONE, []), (DONE, [EPOCH]), (DONE, [])], capsys)
    assert len(naps) == 5


def test_missing_machines_are_told(capsys):
    """AWS says so in passing only; what else it says of a state is noise."""
    starting = state("Starting", "Pending")
    starting["SecondaryStatusTransitions"][0]["StatusMessage"] = "Preparing the instances for training"
    starting["SecondaryStatusTransitions"][1]["StatusMessage"] = "Insufficient capacity error, retrying!"
    _, out, _ = watched([(starting, []), (DONE, [])], capsys)
    assert out[:2] == ["State: Starting", "State: Pending: Insufficient capacity error, retrying!"]


def test_what_a_job_has_cost_so_far_stands_beside_each_epoch(capsys, monkeypatch):
    """Of all its machines, since they are billed."""
    monkeypatch.setattr("time.time", lambda: 1060.0)
    _, out, _ = watched([(state("Training", TrainingStartTime=1000.0), [EPOCH]), (DONE, [])], capsys)
    assert out[1].endswith(" left, 120.00 USD so far")


def test_a_lost_network_is_told_once_and_outlasted(capsys):
    """Asking ever more seldom, and saying when it is back."""
    answer = FailedRequest("DescribeTrainingJob", "EndpointConnectionError", "Could not connect.")
    lost = [make_error(answer)] * 9
    _, out, naps = watched([(state("Training"), []), *lost, (DONE, [])], capsys)
    assert out[1:3] == [
        "Warning: AWS cannot be reached [EndpointConnectionError]: Could not connect. "
        "The job goes on; trying again until AWS answers.",
        "AWS answers again, after 0 s.",
    ]
    assert naps[1:10] == [5, 10, 20, 40, 60, 60, 60, 60, 60]


def test_an_expired_login_ends_the_watch():
    """Only the user can mend it."""
    with pytest.raises(CloudRefused):
        expired = make_error(FailedRequest("DescribeTrainingJob", "ExpiredToken", "It is expired."))
        cloud = ScriptedCloud([expired])
        watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda seconds: None)


def test_a_log_that_may_not_be_read_ends_no_watch(capsys):
    """It is told once, with the permission that is missing; states and the end are shown all the same."""
    denied = make_error(
        FailedRequest("DescribeLogStreams", "AccessDeniedException", "", action="logs:DescribeLogStreams")
    )
    cloud = ScriptedCloud([(state("Starting"), denied), (state("Starting", "Training"), denied), (DONE, [])])
    ended = watch(cloud, PlainUi(), "job", whole_log=False, sleep=lambda seconds: None)
    assert (ended, cloud.log_reads) == (Ended(DONE, []), 1)
    assert capsys.readouterr().out.splitlines() == [
        "Warning: Your AWS user may not logs:DescribeLogStreams on * [AccessDeniedException]. The job "
        "goes on without its log. Add this statement to the policy of that user or role:",
        "{",
        '  "Effect": "Allow",',
        '  "Action": "logs:DescribeLogStreams",',
        '  "Resource": "*"',
        "}",
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
def test_other_lines_are_shown_where_they_are_all_there_is(capsys, image, whole_log, shown):
    """Of another author's image, or when they are asked for; nothing in them steers the terminal."""
    step = (state("Training", AlgorithmSpecification=image), ["step \x1b[31m7"])
    _, out, _ = watched([step, (DONE, [])], capsys, whole_log=whole_log)
    assert ("step ?[31m7" in out) is shown
