"""E-mails about jobs: what setup adds to the account, what arrives, and that all of it can be removed."""

import os
import re
import subprocess

import pytest

from stand_in_jobs import create_tuning, run_job, running, start, wait_for, wait_for_tuning

ME = "me@example.com"
CREATED = """\
  create  Messages       AWS::SNS::Topic
  create  MessagesEmail  AWS::SNS::Subscription
  create  JobEnded       AWS::Events::Rule
  create  JobFailed      AWS::Events::Rule
  create  TuningEnded    AWS::Events::Rule
  create  MessagesPolicy AWS::SNS::TopicPolicy
"""
TAGS = [{"Key": key, "Value": value} for key, value in (("car", "blue"), ("model", "pilot_1"))]
JOB = "donkey-pilot-1-261129-101112-123"


@pytest.fixture
def subscribed(administrator, aws):
    """An owner who has asked for e-mails and clicked on the link in the first one."""
    assert administrator.types("setup", "--email=" + ME) == 0, administrator.err
    aws.confirm_email(ME)
    return administrator


def read_mails(aws, address=ME):
    """Without the one that asks whether to subscribe, and without the quotes around each line."""
    texts = [mail["text"] for mail in aws.mails() if mail["to"] == address]
    return [[line[1:-1] for line in text.splitlines()] for text in texts[1:]]


def test_setup_says_what_it_adds_and_what_to_do(administrator, aws):
    """The plan names each resource; nothing is sent before somebody clicks on the link."""
    assert administrator.types("setup") == 0
    assert administrator.types("setup", "--email=" + ME) == 0
    assert administrator.out.startswith("Account 123456789012, eu-west-1\n" + CREATED)
    assert administrator.out.endswith(
        f"AWS sends a message to {ME}. Click on its link within two days: that address gets a message for "
        "each job from then on.\n"
    )
    assert [(mail["to"], mail["text"][:31]) for mail in aws.mails()] == [
        (ME, "You have chosen to subscribe to")
    ]
    assert administrator.types("setup") == 0  # keeps what was chosen
    assert administrator.out.endswith("Everything exists already and is up to date.\n")


def test_a_job_that_has_ended(subscribed, aws, container):
    """The e-mail has the model, its car, how the job ended, and the command that judges and installs it."""
    container("write('model/a', 'weights')")
    run_job(aws, JOB, Tags=TAGS)
    (mail,) = read_mails(aws)
    assert mail[0] == "The training of pilot_1 for the car blue has ended: Completed."
    assert mail[1].startswith(f"Job {JOB}, 20") and mail[1].endswith("Z")
    assert mail[2:] == [
        "Whether the model drives well shows when the car tries it. In the car's folder, this command does"
        " that,",
        "prints the verdict and what the job cost, and installs the model if it passes:",
        f"python manage.py sagemaker-train --attach={JOB}",
    ]


def test_a_job_that_was_queued(subscribed, aws, container):
    """AWS Batch names its training job; the command in the e-mail takes that name as well."""
    container("")
    run_job(aws, "AWSBatchdonkey-pilot-qmx1rtofg" + "0" * 32, Tags=TAGS)
    (mail,) = read_mails(aws)
    assert mail[-1].startswith("python manage.py sagemaker-train --attach=AWSBatchdonkey-pilot-qmx1rtofg0")


def test_a_job_that_was_stopped(subscribed, aws, container):
    """Its model so far can be installed as well; the e-mail says why it stopped."""
    container("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('ready'); time.sleep(100)")
    start(aws, JOB, Tags=TAGS)
    wait_for(lambda: running(aws))  # before it listens, a signal has no effect
    aws.advance(3601)
    assert aws.wait_for_job(JOB, "MaxRuntimeExceeded")["TrainingJobStatus"] == "Stopped"
    (mail,) = read_mails(aws)
    assert mail[0] == "The training of pilot_1 for the car blue has ended: MaxRuntimeExceeded."


def test_a_job_that_has_failed(subscribed, aws, container):
    """The e-mail has AWS's reason, quotes and line breaks included, and the command that explains it."""
    container("""write('output/failure', 'no "good"\\nrecords'); sys.exit(1)""")
    run_job(aws, JOB, Tags=TAGS)
    (mail,) = read_mails(aws)
    assert mail[0] == (
        "The training of pilot_1 for the car blue has failed: AlgorithmError: "
        'no \\"good\\"\\nrecords, exit code: 1'
    )
    assert mail[2:] == [
        "In the car's folder, this command explains it, and shows the end of the log and what the job cost:",
        f"python manage.py sagemaker-train --attach={JOB}",
    ]


def test_a_tuning(subscribed, aws, container):
    """One e-mail when all has ended, and none for its trials."""
    container("""
rate = json.load(open(os.path.join(base, "input/config/hyperparameters.json")))["RATE"]
print("objective=" + rate)
sys.exit(float(rate) > 5)
""")
    create_tuning(aws, "donkey-tune--261129-101112-123", trials=3, Tags=TAGS)
    wait_for_tuning(aws, "donkey-tune--261129-101112-123")
    (mail,) = read_mails(aws)
    assert mail[0] == "The tuning of pilot_1 for the car blue has ended: Completed."
    assert re.fullmatch(
        r"Tuning donkey-tune--261129-101112-123, 20\S+Z: [0-3] trials completed, 0 stopped, [0-3] failed",
        mail[1],
    )
    assert mail[-1] == "python manage.py sagemaker-tune --attach=donkey-tune--261129-101112-123"


def test_the_jobs_of_others(subscribed, aws, container):
    """Whoever shares the account is left alone."""
    container("pass")
    run_job(aws, "their-donkey-1", Tags=TAGS)
    assert read_mails(aws) == []


def test_no_more_emails(subscribed, aws, container):
    """--no-email deletes all that --email has created, and nothing else."""
    assert subscribed.types("setup", "--no-email", "--dry-run") == 0
    removed = CREATED.replace("create", "delete").splitlines()
    assert sorted(subscribed.out.splitlines()[1:7]) == sorted(removed)
    assert subscribed.types("setup", "--no-email") == 0
    assert sorted(subscribed.out.splitlines()[1:7]) == sorted(removed)
    assert "Click" not in subscribed.out
    container("pass")
    run_job(aws, JOB, Tags=TAGS)
    assert read_mails(aws) == []


def test_another_address(subscribed, aws, container):
    """It replaces the first one, and has to agree, too."""
    assert subscribed.types("setup", "--email=you@example.com") == 0
    assert "  change  MessagesEmail  AWS::SNS::Subscription\n" in subscribed.out
    assert "AWS sends a message to you@example.com." in subscribed.out
    container("pass")
    run_job(aws, JOB, Tags=TAGS)
    assert read_mails(aws) == read_mails(aws, "you@example.com") == []
    aws.confirm_email("you@example.com")
    run_job(aws, JOB + "-2", Tags=TAGS)
    assert read_mails(aws) == [] and len(read_mails(aws, "you@example.com")) == 1


def test_teardown_ends_them(subscribed, aws, container):
    """Nothing of setup is left that could send anything."""
    assert subscribed.types("setup", "--teardown", "--yes") == 0, subscribed.err
    assert "  DELETE_COMPLETE           JobFailed\n" in subscribed.out
    container("pass")
    run_job(aws, JOB, Tags=TAGS)
    assert read_mails(aws) == []


def test_a_budget_warns_the_same_address(administrator, aws):
    """One address for both; without --budget there is no budget."""
    assert administrator.types("setup", "--email=" + ME, "--dry-run") == 0
    assert "Budget" not in administrator.out
    assert administrator.types("setup", "--email=" + ME, "--budget=5", "--dry-run") == 0
    assert "  create  Budget         AWS::Budgets::Budget\n" + CREATED in administrator.out


def test_yes_and_no_contradict(administrator, capsys):
    """As two options that exclude each other."""
    with pytest.raises(SystemExit) as ended:
        administrator.types("setup", "--email=" + ME, "--no-email")
    assert ended.value.code == 2
    assert "argument --no-email: not allowed with argument --email" in capsys.readouterr().err


def test_for_an_administrator(administrator, generation_python, tmp_path):
    """--print passes the address on, and has the policy of the topic for those who create all by hand."""
    assert administrator.types("setup", "--print", "--email=" + ME) == 0
    assert f"CarUsers='' Email={ME}\n" in administrator.out
    lines = administrator.out.splitlines()
    start_of_policy = lines.index(
        "# If you create everything by hand, the policy of the topic that sends the e-mails:"
    )
    policy = "\n".join(lines[start_of_policy:])
    assert '"Resource": "arn:aws:sns:eu-west-1:123456789012:donkey-sagemaker"' in policy
    assert '"arn:aws:events:eu-west-1:123456789012:rule/donkey-sagemaker-ended"' in policy
    (tmp_path / "printed.yaml").write_text(administrator.out)
    lint = os.path.join(os.path.dirname(generation_python("aws")), "cfn-lint")
    path = str(tmp_path / "printed.yaml")
    assert subprocess.call([lint, "--regions", "eu-west-1", "--", path]) == 0


def test_an_administrator_without_permission(administrator, aws):
    """The first resource that AWS refuses is named, and what it had created is deleted."""
    aws.set(denied=["sns:CreateTopic"])
    assert administrator.types("setup", "--email=" + ME) == 3
    assert (
        "Messages (AWS::SNS::Topic): User: arn:aws:iam::123456789012:user/donkey is not" in administrator.err
    )
