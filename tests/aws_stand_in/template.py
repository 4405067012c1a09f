"""CloudFormation templates: reading them, and what their expressions mean in a stack."""

import re
from typing import Any, Dict, List

import yaml  # type: ignore[import-untyped, unused-ignore]

from .account import ACCOUNT_ID, REGION
from .stack_resources import Resource


class _Loader(yaml.SafeLoader):
    """Understands CloudFormation's short forms: !Ref X is {"Ref": "X"}, !Sub X {"Fn::Sub": "X"}."""


def _read_tag(loader: Any, tag: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node, deep=True)
    return {tag if tag == "Ref" else "Fn::" + tag: value}


_Loader.add_multi_constructor("!", _read_tag)


def read_template(text: str) -> Dict[str, Any]:
    return yaml.load(text, _Loader)


class Scope:
    """What a template's expressions mean in a stack.

    Args:
        name: of the stack.
        resources: that it has so far.
    """

    def __init__(
        self,
        name: str,
        template: Dict[str, Any],
        *,
        parameters: Dict[str, str],
        resources: Dict[str, Resource],
    ) -> None:
        self._name = name
        self._template = template
        self._parameters = parameters
        self._resources = resources

    def wanted(self) -> List[str]:
        """The resources that no condition excludes."""
        resources = self._template["Resources"]
        return [name for name in resources if self.holds(resources[name].get("Condition"))]

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not None]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return self._ref(value["Ref"])
        if "Fn::GetAtt" in value:
            return self._attribute(value["Fn::GetAtt"])
        if "Fn::Sub" in value:
            text = re.sub(
                r"\$\{([^!}][^}]*)\}", lambda match: str(self._named(match.group(1))), value["Fn::Sub"]
            )
            return text.replace("${!", "${")
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(self.resolve(parts))
        if "Fn::If" in value:
            condition, yes, no = value["Fn::If"]
            return self.resolve(yes if self.holds(condition) else no)
        found = {key: self.resolve(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None}

    def _named(self, name: str) -> Any:
        return self._attribute(name) if re.fullmatch(r"\w+\.\w+", name) else self._ref(name)

    def _ref(self, name: str) -> Any:
        fixed = {
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::StackName": self._name,
            "AWS::NoValue": None,
        }
        if name in fixed:
            return fixed[name]
        if name in self._parameters:
            value = self._parameters[name]
            is_list = self._template["Parameters"][name]["Type"] == "CommaDelimitedList"
            return value.split(",") if is_list else value
        resource = self._resources.get(name)
        return resource.name if resource else f"(to be made: {name})"

    def _attribute(self, path: str) -> str:
        resource = self._resources.get(path.split(".")[0])
        return resource.arn if resource else f"(to be made: {path})"

    def holds(self, condition: Any) -> bool:
        """Whether what has this condition belongs to the stack."""
        if condition is None:
            return True
        if isinstance(condition, str):
            return self.holds(self._template["Conditions"][condition])
        if "Fn::Not" in condition:
            return not self.holds(condition["Fn::Not"][0])
        left, right = condition["Fn::Equals"]
        return self.resolve(left) == self.resolve(right)
