"""The role for the jobs of each car: resources that sagemaker-setup adds to templates/aws.yaml. Pure.

A job may use its own car's folder only, so each car needs a role: with one for all, whoever has the key of
one car could start a job that reads the folders of the others.
"""

import hashlib
import json
import re
from typing import Sequence

from .policies import CAR_TAG, car_role_path, make_trust

# In front of this comment line of the template
_PLACE = "  # sagemaker-setup --user=NAME adds a role"
_ROLE = """\
  {role}:
    Type: AWS::IAM::Role
    Properties:
      Path: {path}
      Tags: [{{Key: {tag}, Value: "{user}"}}]
      ManagedPolicyArns: [!Ref CarJobPolicy]
      AssumeRolePolicyDocument: {trust}

"""
_OUTPUT = """\
  {role}Arn:
    Value: !GetAtt {role}.Arn
"""


def role_name(user: str) -> str:
    """Its name in the stack, which may have letters and digits only."""
    letters = "".join(word.capitalize() for word in re.findall("[A-Za-z0-9]+", user))
    return f"CarRole{letters}{hashlib.sha256(user.encode('utf-8')).hexdigest()[:6]}"


def role_output(user: str) -> str:
    """The name of the stack's output with its ARN."""
    return role_name(user) + "Arn"


def add_car_roles(template: str, users: Sequence[str]) -> str:
    """The template with a role for each of these IAM users, which are the names of the cars' folders too."""
    # Compact: a template may have 51,200 bytes, and there is a role for each car
    trust = json.dumps(make_trust("sagemaker.amazonaws.com", "ACCOUNT"), separators=(",", ": "))
    trust = trust.replace('"ACCOUNT"', '{"Ref": "AWS::AccountId"}')
    fields = [
        {"role": role_name(user), "path": car_role_path(user), "user": user, "tag": CAR_TAG, "trust": trust}
        for user in users
    ]
    before, place, after = template.partition(_PLACE)
    roles = "".join(_ROLE.format(**each) for each in fields)
    return before + roles + place + after + "".join(_OUTPUT.format(**each) for each in fields)
