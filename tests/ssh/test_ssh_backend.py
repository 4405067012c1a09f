"""Jobs and objects on a host: a real sshd, a real queue, and connections that break."""

import os
import signal
import statistics
import threading
import time

import pytest

from donkey_sagemaker.cloud.cloud import CarId
from donkey_sagemaker.cloud.errors import NoSuchJob, NoSuchObject, Unreachable
from donkey_sagemaker.ssh import errors
from donkey_sagemaker.ssh.address import parse_host
from donkey_sagemaker.ssh.backend import SshCloud
from donkey_sagemaker.ssh.connection import Connection
from donkey_sagemaker.ssh.messages import BLOCK_BYTES
from donkey_sagemaker.ssh.session import Answer
from small_trainers import JOB, RESUMES, TRAINS, WAITS, make_request, start, wait_for, wait_for_end
from ssh_host import NAME, QUICK


def download(cloud, key, path):
    cloud.download(key, str(path), advance=lambda count: None)
    return path.read_bytes()


def test_a_job_from_its_start_to_its_model(open_ssh_car, ssh_host, tmp_path):
    """The trainer sees its data; the log and the model come back; only the owner can read what is kept."""
    cloud = open_ssh_car()
    job = start(cloud)
    cloud.start_job(make_request())  # the answer to the first one may have been lost
    state, lines = wait_for_end(cloud, job)
    assert (state.status, lines) == ("Completed", ["trained ['aa.zip']"])
    assert state.has_model and state.created <= time.time()
    archive = download(cloud, f"p/models/{job}/output/model.tar.gz", tmp_path / "model")
    assert archive[:2] == b"\x1f\x8b"
    assert [each.name for each in cloud.list_jobs()] == [job]
    assert os.stat(ssh_host.root).st_mode & 0o777 == 0o700
    assert os.listdir(os.path.join(ssh_host.root, "code")) == [
        os.path.basename(cloud.connection.program.path)
    ]
    assert ssh_host.spooler("-l").count("[donkey-") == 1


def test_what_does_not_exist(open_ssh_car, tmp_path):
    """The same errors as of every cloud, also for names that lead out of the car's folder."""
    cloud = open_ssh_car()
    for name in ("donkey-none", "../../x"):
        with pytest.raises(NoSuchJob) as caught:
            cloud.describe_job(name)
        assert caught.value.what == f"There is no job named {name} on {NAME}."
    cloud.put("p/a", b"1")
    for key in ("p/none", "p", "../../../lock"):
        with pytest.raises(NoSuchObject) as caught:
            download(cloud, key, tmp_path / "x")
        assert caught.value.what == f"s3://local/{key} does not exist."


def test_cars_cannot_see_each_other(open_ssh_car, tmp_path):
    """Neither objects nor jobs; a car that has not launched anything is not asked for."""
    one, other = open_ssh_car(1), open_ssh_car(2)
    wait_for_end(one, start(one))
    assert other.list_objects("") == {} and other.list_jobs() == []
    with pytest.raises(NoSuchJob):
        other.describe_job(JOB)
    with pytest.raises(NoSuchJob):
        other.stop_job(JOB)


def test_a_job_of_another_car_that_is_named(open_ssh_car, tmp_path):
    """Whoever names it can watch it, stop it and get its model; nothing else of that car is within reach."""
    one, other = open_ssh_car(1), open_ssh_car(2)
    job = start(one)
    one.put("p/other", b"1")
    other.reach("../../x")
    other.reach("donkey-none")
    with pytest.raises(NoSuchJob):
        other.describe_job("donkey-none")
    other.reach(job)
    state, lines = wait_for_end(other, job)
    assert (state.status, lines) == ("Completed", ["trained ['aa.zip']"])
    key = f"p/models/{job}/output/model.tar.gz"
    assert list(other.list_objects(key)) == [key]
    assert download(other, key, tmp_path / "model") == download(one, key, tmp_path / "same")
    other.stop_job(job)
    assert other.list_jobs() == [] and other.list_objects("p/o") == {}


def test_an_object_is_written_once(open_ssh_car, tmp_path):
    """With `once` the first content stays."""
    cloud = open_ssh_car()
    for content, once in ((b"1", True), (b"2", True), (b"3", False)):
        cloud.put("p/x", content, once=once)
        expected = b"3" if content == b"3" else b"1"
        assert download(cloud, "p/x", tmp_path / "x") == expected


def test_a_connection_that_breaks_in_an_upload(open_ssh_car, ssh_host, tmp_path):
    """The object is sent again, and never seen half."""
    cloud, body = open_ssh_car(), os.urandom(3 * 2**20)
    cloud.put("p/first", b"1")
    cloud.connection.close()
    ssh_host.wire.limits += [2**20, 2 * 2**20]
    cloud.put("p/x", body)
    assert ssh_host.wire.limits == []
    assert cloud.list_objects("") == {"p/first": 1, "p/x": len(body)}
    assert download(cloud, "p/x", tmp_path / "x") == body


def test_a_connection_that_breaks_in_a_download(open_ssh_car, ssh_host, tmp_path):
    """It continues where it was, in this process or the next."""
    cloud, body, steps = open_ssh_car(), os.urandom(5 * BLOCK_BYTES + 7), []
    cloud.put("p/x", body)
    cloud.connection.close()
    ssh_host.wire.limits += [3 * BLOCK_BYTES, 10, 10, 10, 10, 10, 10]
    with pytest.raises(Unreachable):
        cloud.download("p/x", str(tmp_path / "x"), advance=steps.append)
    assert 0 < sum(steps) < len(body)
    assert ssh_host.wire.limits == []
    later = []
    open_ssh_car().download("p/x", str(tmp_path / "x"), advance=later.append)
    assert (tmp_path / "x").read_bytes() == body
    assert later[0] == sum(steps) and sum(later) == len(body)


def test_an_object_that_changes_in_a_download(open_ssh_car, tmp_path):
    """No file is a mixture of two objects."""
    cloud, steps = open_ssh_car(), []
    old, new = b"1" * (2 * BLOCK_BYTES), b"2" * (2 * BLOCK_BYTES + 1)

    def advance(count):
        if not steps:
            cloud.put("p/x", new)
        steps.append(count)

    cloud.put("p/x", old)
    cloud.download("p/x", str(tmp_path / "x"), advance=advance)
    assert (tmp_path / "x").read_bytes() == new
    assert sum(steps) == len(new)


def test_the_car_leaves_and_comes_back(open_ssh_car, ssh_host):
    """The job goes on without it, and another process finds the job and all of its log."""
    cloud = open_ssh_car()
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    cloud.connection.close()
    ssh_host.wire.cut()
    back = open_ssh_car()
    state, lines = wait_for(back, job, lambda _, lines: lines == ["ready"])
    assert state.status == "InProgress"
    back.stop_job(job)
    state, _ = wait_for_end(back, job)
    assert (state.status, state.secondary_status, state.has_model) == ("Stopped", "Stopped", True)


def test_a_lost_connection_in_the_watch(open_ssh_car, ssh_host):
    """A request of an open connection is repeated over a new one."""
    cloud = open_ssh_car()
    job = start(cloud, WAITS)
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    ssh_host.wire.cut()
    assert cloud.describe_job(job).is_running
    ssh_host.stop()
    with pytest.raises(Unreachable) as caught:
        cloud.describe_job(job)
    assert caught.value.what.startswith(f"{NAME} cannot be reached over ssh: ")
    ssh_host.start()
    assert cloud.describe_job(job).is_running


def test_a_job_waits_for_its_turn(open_ssh_car, ssh_host):
    """One job runs at a time; the state says how many wait ahead, and a job that waits can be stopped."""
    cloud = open_ssh_car()
    jobs = [start(cloud, WAITS, job=f"donkey-x-260101-00000{number}-000") for number in range(4)]
    wait_for(cloud, jobs[0], lambda _, lines: lines == ["ready"])
    states = [cloud.describe_job(job) for job in jobs]
    assert [state.secondary_status for state in states] == ["Training", "Pending", "Pending", "Pending"]
    assert [state.transitions[0].message for state in states[1:]] == [
        "next in the queue",
        "1 job waiting ahead of it",
        "2 jobs waiting ahead of it",
    ]
    cloud.stop_job(jobs[1])
    state = cloud.describe_job(jobs[1])
    assert (state.status, state.has_model) == ("Stopped", False)
    assert cloud.describe_job(jobs[2]).transitions[0].message == "next in the queue"
    (finding,) = [each for each in cloud.preflight([]) if each.subject == "queue"]
    assert finding.text == "task-spooler, 2 jobs wait"
    cloud.stop_job(jobs[0])
    wait_for(cloud, jobs[2], lambda _, lines: lines == ["ready"])


def test_the_second_job_of_a_car_waits_for_the_first_of_another(open_ssh_car, ssh_host):
    """Cars take turns, whoever came first."""
    greedy, modest = open_ssh_car(1), open_ssh_car(2)
    for number in range(3):
        start(greedy, WAITS, job=f"donkey-g-260101-00000{number}-000")
    start(modest, WAITS, job="donkey-m-260101-000009-000")
    listed = [line.split("[")[-1].split("]")[0] for line in ssh_host.spooler("-l").splitlines()[1:]]
    assert [label.split("-")[2:4] + label.split("-")[5:6] for label in listed] == [
        ["donkey", "g", "000000"],
        ["donkey", "m", "000009"],
        ["donkey", "g", "000001"],
        ["donkey", "g", "000002"],
    ]


def test_a_job_whose_process_dies(open_ssh_car, ssh_host):
    """It has failed, and so has one that the host's owner removes from the queue."""
    cloud = open_ssh_car()
    first, second = (start(cloud, WAITS, job=f"donkey-x-260101-00000{number}-000") for number in (1, 2))
    wait_for(cloud, first, lambda _, lines: lines == ["ready"])
    ssh_host.spooler("-r", "1")
    assert cloud.describe_job(second).failure_reason == "the job was removed from the queue"
    ssh_host.end_jobs()
    state, _ = wait_for_end(cloud, first)
    assert (state.status, state.failure_reason) == (
        "Failed",
        "the job's process died (power failure? out of RAM?)",
    )


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL], ids=["reboot", "power cut"])
def test_jobs_survive_a_reboot_of_the_host(open_ssh_car, ssh_host, signal_number):
    """The one that ran continues from its last epoch, and the one that waited runs after it."""
    cloud = open_ssh_car()
    first, second = (
        start(cloud, trainer, job=f"donkey-x-260101-00000{number}-000")
        for number, trainer in ((1, RESUMES), (2, TRAINS))
    )
    wait_for(cloud, first, lambda _, lines: lines == ["ready"])
    ssh_host.end_jobs(signal_number)
    ssh_host.stop()
    for job in (first, second):  # the kernel gives itself a new id at each start
        path = os.path.join(ssh_host.root, "cars", f"{1:012x}", "jobs", job, "submitted")
        with open(path, "w") as file:
            file.write("the boot before\n")
    ssh_host.start()
    state, lines = wait_for_end(cloud, first)
    assert (state.status, lines) == ("Completed", ["ready", "continues after epoch 3"])
    state, lines = wait_for_end(cloud, second)
    assert (state.status, lines) == ("Completed", ["trained ['aa.zip']"])


def test_a_start_that_was_interrupted_is_completed(open_ssh_car, ssh_host):
    """The request was written, but the job was not added to the queue: whoever asks for it adds it."""
    cloud = open_ssh_car()
    wait_for_end(cloud, start(cloud))
    folder = os.path.join(ssh_host.root, "cars", f"{1:012x}", "jobs")
    half = os.path.join(folder, "donkey-half-1")
    os.mkdir(half)
    for name in ("request.json", "python"):
        with open(os.path.join(folder, JOB, name)) as file:
            text = file.read()
        with open(os.path.join(half, name), "w") as file:
            file.write(text.replace(f'"TrainingJobName": "{JOB}"', '"TrainingJobName": "donkey-half-1"'))
    state, lines = wait_for_end(cloud, "donkey-half-1")
    assert (state.status, lines) == ("Completed", ["trained ['aa.zip']"])


CARS = 20


def test_a_class_of_twenty_cars(open_ssh_car, ssh_host, tmp_path):
    """All send and start their jobs at once; each job runs once and alone, and its own car gets the model."""
    ended, problems = {}, []

    def race(number):
        try:
            cloud = open_ssh_car(number)
            job = start(cloud, TRAINS, job=f"donkey-car{number}-260101-000000-000")
            state, _ = wait_for_end(cloud, job)
            (archive,) = [key for key in cloud.list_objects("p/models/") if key.endswith("model.tar.gz")]
            assert archive == f"p/models/{job}/output/model.tar.gz"
            assert [each.name for each in cloud.list_jobs()] == [job]
            ended[number] = (state.status, state.training_started, state.training_ended)
        except BaseException as error:  # noqa: BLE001 - raised again below
            problems.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(1, CARS + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, (problems, ssh_host.read_log()[-2000:])
    assert [status for status, *_ in ended.values()] == ["Completed"] * CARS
    times = sorted((begun, end) for _, begun, end in ended.values())
    assert all(end <= begun for (_, end), (begun, _) in zip(times, times[1:])), "two ran at once"
    waits = sorted(begun - times[0][0] for begun, _ in times)
    print(
        f"{CARS} cars in {times[-1][1] - times[0][0]:.1f} s; the one in the middle waited"
        f" {statistics.median(waits):.1f} s, the last one {waits[-1]:.1f} s"
    )


@pytest.mark.parametrize("text", ["Welcome to the lab", '{"states": []}', "0123456789abcdef send"])
def test_a_greeting_is_no_answer(open_ssh_car, ssh_host, text):
    """What the host's shell prints before the program starts is skipped."""
    with open(os.path.join(ssh_host.home, ".bashrc"), "w") as file:
        file.write(f"echo '{text}'\n")
    ssh_host.stop()
    ssh_host.start()
    assert open_ssh_car().list_objects("") == {}


@pytest.mark.parametrize(
    "script, error, what",
    [
        ("yes welcome", errors.HostUnreachable, "another program answers there"),
        ("echo $1", errors.HostUnreachable, "the connection was closed"),
        ("exit 127", errors.NoPython, f"{NAME} has no python3."),
        ("echo 'SyntaxError: no' >&2; exit 1", errors.HostFailed, "SyntaxError: no"),
        # python3 -c CODE DIGEST SIZE WORD PATH
        ('echo "$5 {}"; sleep 1', errors.HostUnreachable, "the answer is not one of this program"),
        ('echo "$5 ["; sleep 1', errors.HostUnreachable, "the answer is not one of this program"),
        ('echo "$5 {\\"bytes\\": -1}"; sleep 1', errors.HostUnreachable, "the answer is not one"),
    ],
)
def test_another_program_is_no_answer(open_ssh_car, ssh_host, script, error, what):
    """Whatever answers in place of the host's program, it is reported and never believed."""
    ssh_host.uninstall("python3")
    path = os.path.join(os.path.dirname(ssh_host.home), "bin", "python3")
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    os.chmod(path, 0o700)
    with pytest.raises(error) as caught:
        open_ssh_car().list_objects("")
    assert what in caught.value.what


@pytest.mark.parametrize(
    "fields, ask",
    [
        ({"sizes": {"p/x": "1"}}, lambda cloud: cloud.list_objects("p/")),
        ({"sizes": {"elsewhere": 1}}, lambda cloud: cloud.list_objects("p/")),
        ({"state": {"TrainingJobStatus": "Flying"}}, lambda cloud: cloud.describe_job(JOB)),
        (
            {"state": {"TrainingJobStatus": "Completed", "TrainingJobName": "donkey-other"}},
            lambda cloud: cloud.describe_job(JOB),
        ),
        ({"states": [{"TrainingJobStatus": "Completed"}]}, lambda cloud: cloud.list_jobs()),
        ({"etag": "x", "total": "5"}, lambda cloud: cloud.download("p/x", "x", advance=print)),
        ({"waiting": None}, lambda cloud: list(cloud.preflight([]))[1].text),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(fields, ask, monkeypatch, tmp_path):
    """It counts as a connection that does not work."""
    monkeypatch.chdir(tmp_path)
    connection = OtherAnswers(parse_host(NAME), timing=QUICK)
    connection.fields = dict(fields, gpus=[])
    cloud = SshCloud(connection, CarId(lambda: "0" * 12, lambda: "0" * 12), python=None)
    try:
        text = ask(cloud)
    except errors.HostUnreachable as error:
        text = error.what
    assert text == f"{NAME} cannot be reached over ssh: the answer is not one of this program."


class OtherAnswers(Connection):
    """A connection over which these fields come, whatever is asked."""

    fields = {}

    def ask_once(self, verb, *, body=b"", **fields):
        return Answer(self.fields, b"")
