"""The policies of an account with everything that a stack can have, and who asks."""

from donkey_sagemaker.aws.policies import Names, make_build_policy, make_car_policy, make_job_policy

NAMES = Names(
    partition="aws",
    domain="amazonaws.com",
    region="eu-west-1",
    account="123456789012",
    bucket="tubs",
    prefix="donkeycar",
    role_arn="arn:aws:iam::123456789012:role/donkey-sagemaker/blue/*",
    kms_key="arn:aws:kms:eu-west-1:123456789012:key/1",
    is_vpc=True,
    has_queue=True,
)
POLICIES = {
    "car": make_car_policy(NAMES),
    "job": make_job_policy(NAMES),
    "administrators-job": make_job_policy(NAMES, folder=None),
    "build": make_build_policy(NAMES),
}
ACCOUNT = {"aws:ResourceAccount": NAMES.account}
BLUE = dict(ACCOUNT, **{"aws:username": "blue"})
BLUE_JOB = dict(ACCOUNT, **{"aws:PrincipalTag/DonkeySagemakerCar": "blue"})
