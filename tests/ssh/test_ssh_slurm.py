"""Jobs on a host with Slurm: a real one, with a single node."""

from small_trainers import RESUMES, TRAINS, WAITS, start, wait_for, wait_for_end


def name(number):
    return f"donkey-x-260101-00000{number}-000"


def test_jobs_in_slurms_queue(open_ssh_car, slurm):
    """They run one after the other; each can be stopped while it waits and while it runs; cars take turns."""
    cloud, other = open_ssh_car(1), open_ssh_car(2)
    (finding,) = [each for each in cloud.preflight([]) if each.subject == "queue"]
    assert finding.text == "Slurm, no job waits"
    running, first, second = (start(cloud, WAITS, job=name(number)) for number in (1, 2, 3))
    wait_for(cloud, running, lambda _, lines: lines == ["ready"])
    theirs = start(other, TRAINS, job=name(4))
    assert other.describe_job(theirs).transitions[0].message == "next in the queue"
    states = [cloud.describe_job(job) for job in (running, first, second)]
    assert [state.secondary_status for state in states] == ["Training", "Pending", "Pending"]
    assert [state.transitions[0].message for state in states[1:]] == [
        "1 job waiting ahead of it",
        "2 jobs waiting ahead of it",
    ]
    for job in (first, second):
        cloud.stop_job(job)
        assert cloud.describe_job(job).status == "Stopped"
    cloud.stop_job(running)
    state, _ = wait_for_end(cloud, running)
    assert (state.status, state.has_model) == ("Stopped", True)
    state, lines = wait_for_end(other, theirs)
    assert (state.status, lines) == ("Completed", ["trained ['aa.zip']"])


def test_slurm_runs_a_job_again(open_ssh_car, slurm):
    """After its node has failed, for example; the job continues from its last epoch."""
    cloud = open_ssh_car()
    job = start(cloud, RESUMES, job=name(1))
    wait_for(cloud, job, lambda _, lines: lines == ["ready"])
    number = slurm.call("squeue", "--noheader", "--format=%i").strip()
    slurm.call("scontrol", "requeue", number)
    wait_for(cloud, job, lambda state, _: state.secondary_status == "Pending")
    slurm.call("scontrol", "update", "JobId=" + number, "StartTime=now")  # not in two minutes
    state, lines = wait_for_end(cloud, job)
    assert (state.status, lines) == ("Completed", ["ready", "continues after epoch 3"])


def test_a_job_that_slurm_cancels(open_ssh_car, slurm):
    """The owner of the host may do that; it does not come back."""
    cloud = open_ssh_car()
    running, waiting = (start(cloud, WAITS, job=name(number)) for number in (1, 2))
    wait_for(cloud, running, lambda _, lines: lines == ["ready"])
    slurm.call("scancel", "--state=PENDING", "--user=root")
    state, _ = wait_for_end(cloud, waiting)
    assert state.failure_reason == "the job was removed from the queue"
    assert cloud.describe_job(running).is_running
