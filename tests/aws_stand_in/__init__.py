"""A stand-in for AWS on loopback, run as a process of its own: `python -m aws_stand_in FOLDER`.

One port serves every service that the client uses. S3, STS, IAM and ECR are moto's, behind rules
that moto lacks; training jobs, logs, quotas and prices are this package's own. A training job really runs:
its container is a child process over a /opt/ml of its own. tests/aws_fixture.py starts and steers it.
"""
