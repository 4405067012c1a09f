"""The arrows of the house: which module may import which, read from the source."""

import ast
import functools
import os
import sys
from typing import Iterator, List, NamedTuple, Tuple

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAR_SIDE = "donkey_sagemaker"
TRAINER = "trainer"
ROOTS = {CAR_SIDE: CAR_SIDE, TRAINER: "container/trainer"}
# The floors of the house, the lowest first: a module imports from its own floor and from those below it.
FLOORS = (
    (
        "atomic",
        "child_process",
        "contract",
        "disk_errors",
        "driving",
        "errors",
        "findings",
        "fixed_zip",
        "interrupts",
        "loss_curve",
        "page",
        "paired_errors",
        "progress_ui",
        "quality",
        "resources",
        "rich_ui",
        "setting_kinds",
        "settings",
        "systemd",
        "training_memory",
        "tuning",
        "ui",
        "untrusted_file",
        "untrusted_json",
        "untrusted_page",
        "verdict",
    ),
    ("tubs",),
    ("review",),
    ("cloud", "aws", "local", "ssh"),
    ("car",),
    ("training",),
    ("commands", "console"),
    ("parser", "completion"),
    ("cli", "__main__"),
)
PURE_CLOUD = tuple(
    "cloud." + name
    for name in (
        *("failures", "forecast", "images", "job", "job_queue", "machines", "partitions", "prices"),
        *("request", "tuning_request"),
    )
)
PURE_AWS = ("aws.answers", "aws.car_roles", "aws.limits", "aws.policies")
PURE_GROUND = ("contract", "driving", "page", "paired_errors", "quality", "tuning", "verdict")
PURE = ("tubs", *PURE_GROUND, *PURE_CLOUD, *PURE_AWS)
# with the trainer
SHARED = (
    "atomic",
    "contract",
    "driving",
    "errors",
    "page",
    "paired_errors",
    "quality",
    "training_memory",
    "tubs",
    "tuning",
    "untrusted_json",
    "verdict",
)


class Import(NamedTuple):
    importer: str  # module, as donkey_sagemaker.car.app
    imported: str  # module or name in one, as donkey_sagemaker.errors.BadInput
    line: int
    inside_function: bool


def read_imports(source: str, *, module: str, is_package: bool) -> Iterator[Import]:
    """Every import of a module, the relative ones resolved."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")
            if node.level:
                del package[len(package) - node.level + is_package :]
            origin = ".".join((package if node.level else []) + ([node.module] if node.module else []))
            names = [origin + "." + alias.name for alias in node.names]
        for name in names:
            yield Import(importer=module, imported=name, line=node.lineno, inside_function=id(node) in inside)


def find_modules(package: str, folder: str) -> Iterator[Tuple[str, str]]:
    """(module, path of its file) of a package's folder and all below it."""
    for path, _folders, files in os.walk(folder):
        for name in files:
            if name.endswith(".py"):
                inside = os.path.relpath(os.path.join(path, name), folder)[: -len(".py")].replace(os.sep, ".")
                yield (package + "." + inside).replace(".__init__", ""), os.path.join(path, name)


@functools.lru_cache(maxsize=None)
def all_imports() -> List[Import]:
    """Of the house and the trainer, which are read once for all arrows."""
    imports: List[Import] = []
    for package, folder in ROOTS.items():
        for module, path in find_modules(package, os.path.join(REPO, folder)):
            with open(path, encoding="utf-8") as file:
                source = file.read()
            imports += read_imports(source, module=module, is_package=path.endswith("__init__.py"))
    return imports


def within(name: str, *roots: str) -> bool:
    """Whether a module is one of those, or lies in one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def ours(*names: str) -> Tuple[str, ...]:
    return tuple(CAR_SIDE + "." + name for name in names)


def is_standard(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names  # type: ignore[attr-defined, unused-ignore]


def floor_of(name: str) -> int:
    """Number of the floor that a module, or a name in one, belongs to; -1 for the package itself."""
    for number, rooms in enumerate(FLOORS):
        if within(name, *ours(*rooms)):
            return number
    return -1


# Each arrow as the sentence that a person reads when it is broken, and what breaks it
ARROWS = {
    "the package itself imports nothing of its own until a verb is requested": lambda each: (
        each.importer == CAR_SIDE and within(each.imported, CAR_SIDE) and not each.inside_function
    ),
    "nothing imports cli except the package's two entries": lambda each: (
        within(each.imported, *ours("cli")) and each.importer not in (CAR_SIDE, CAR_SIDE + ".__main__")
    ),
    "imports point downwards": lambda each: (
        within(each.importer, CAR_SIDE)
        and each.importer != CAR_SIDE
        and floor_of(each.imported) > floor_of(each.importer)
    ),
    "only open_cloud and open_account cross from cloud to aws, local and ssh; of these, ssh knows local": (
        lambda each: (
            (
                within(each.importer, *ours("cloud"))
                and within(each.imported, *ours("aws", "local", "ssh"))
                and each.importer != CAR_SIDE + ".cloud"
            )
            or (within(each.importer, *ours("aws")) and within(each.imported, *ours("local", "ssh")))
            or (within(each.importer, *ours("local")) and within(each.imported, *ours("aws", "ssh")))
            or (within(each.importer, *ours("ssh")) and within(each.imported, *ours("aws")))
        )
    ),
    "only aws imports boto3 or botocore": lambda each: (
        within(each.imported, "boto3", "botocore") and not within(each.importer, *ours("aws"))
    ),
    "the car's side imports donkeycar only in car and inside functions": lambda each: (
        within(each.importer, CAR_SIDE)
        and within(each.imported, "donkeycar")
        and not (within(each.importer, *ours("car")) and each.inside_function)
    ),
    "the car's side imports no TensorFlow": lambda each: (
        within(each.importer, CAR_SIDE) and within(each.imported, "tensorflow", "keras", "tf_keras")
    ),
    "training knows no cloud in particular": lambda each: (
        within(each.importer, *ours("training")) and within(each.imported, *ours("aws", "local", "ssh"))
    ),
    "only commands open the cloud and make the ui; the steps are given them": lambda each: (
        within(each.imported, *ours("cloud.open_cloud", "cloud.open_account", "ui.make_ui"))
        and not within(each.importer, *ours("commands"))
    ),
    "pure modules import only contract, errors, settings, untrusted_json and each other": lambda each: (
        within(each.importer, *ours(*PURE))
        and within(each.imported, CAR_SIDE)
        and not within(each.imported, *ours("contract", "errors", "settings", "untrusted_json", *PURE))
    ),
    "the trainer imports of the car's side only what travels with it": lambda each: (
        within(each.importer, TRAINER)
        and within(each.imported, CAR_SIDE)
        and not within(each.imported, *ours(*SHARED))
    ),
}  # type: Dict[str, Callable[[Import], bool]]


@pytest.mark.parametrize("arrow", ARROWS)
def test_arrow(arrow: str) -> None:
    """No import goes against an arrow of the design."""
    broken = [each for each in all_imports() if ARROWS[arrow](each)]
    broken = [f"{each.importer}, line {each.line}: imports {each.imported}" for each in broken]
    assert not broken, "broken: " + arrow


@pytest.mark.skipif(sys.version_info < (3, 10), reason="this Python does not list its standard library")
def test_pure_modules_need_nothing_installed() -> None:
    """Beside this package they import the standard library alone."""
    broken = [
        f"{each.importer}, line {each.line}: imports {each.imported}"
        for each in all_imports()
        if within(each.importer, *ours(*PURE))
        and not within(each.imported, CAR_SIDE)
        and not is_standard(each.imported)
    ]
    assert not broken


@pytest.mark.parametrize(
    "module, is_package, line, arrow",
    [
        ("donkey_sagemaker.commands.train", False, "from .. import cli", "nothing imports cli"),
        ("donkey_sagemaker", True, "from .ui import PlainUi", "the package itself"),
        ("donkey_sagemaker.settings", False, "from .car.config import CarConfig", "imports point downwards"),
        ("donkey_sagemaker.tubs", True, "from ..car import models", "imports point downwards"),
        (
            "donkey_sagemaker.aws.backend",
            False,
            "from ..local import job",
            "only open_cloud and open_account",
        ),
        (
            "donkey_sagemaker.cloud.job",
            False,
            "from ..aws import backend",
            "only open_cloud and open_account",
        ),
        ("donkey_sagemaker.local.job", False, "from ..ssh import host", "only open_cloud and open_account"),
        ("donkey_sagemaker.ssh.host", False, "from ..aws import logs", "only open_cloud and open_account"),
        ("donkey_sagemaker.local.backend", False, "import botocore.client", "only aws imports"),
        (
            "donkey_sagemaker.car.check",
            False,
            "from donkeycar import utils",
            "the car's side imports donkeycar",
        ),
        (
            "donkey_sagemaker.commands.jobs",
            False,
            "def f():\n import donkeycar",
            "the car's side imports donkeycar",
        ),
        (
            "donkey_sagemaker.car.check",
            False,
            "def f():\n import tensorflow",
            "the car's side imports no TensorFlow",
        ),
        ("donkey_sagemaker.training.watch", False, "from ..aws import errors", "training knows no cloud"),
        ("donkey_sagemaker.training.launch", False, "from ..cloud import open_cloud", "only commands open"),
        ("donkey_sagemaker.tubs", True, "from ..ui import PlainUi", "pure modules"),
        ("donkey_sagemaker.cloud.prices", False, "from ..atomic import write_json", "pure modules"),
        ("trainer.main", False, "from donkey_sagemaker.car import models", "the trainer imports"),
    ],
)
def test_broken_arrow_is_seen(module: str, is_package: bool, line: str, arrow: str) -> None:
    """Each arrow catches an import that goes against it."""
    (found,) = read_imports(line, module=module, is_package=is_package)
    assert any(name.startswith(arrow) for name, breaks in ARROWS.items() if breaks(found))


def python_files(*folders: str) -> List[str]:
    return sorted(
        path for folder in folders for _module, path in find_modules(folder, os.path.join(REPO, folder))
    ) + [os.path.join(REPO, "container", "train")]


@pytest.mark.parametrize(
    "path", python_files(CAR_SIDE, "container"), ids=lambda path: os.path.relpath(path, REPO)
)
def test_python_3_6_reads_it(path: str) -> None:
    """The car's side and the trainer are written in the Python of the oldest cars."""
    with open(path, encoding="utf-8") as file:
        source = file.read()
    if sys.version_info >= (3, 8):
        tree = ast.parse(source, path, feature_version=(3, 6))
    else:
        tree = ast.parse(source, path)
    newer = [f"line {node.lineno}: {name}" for node in ast.walk(tree) for name in names_of_newer_python(node)]
    assert not newer


def names_of_newer_python(node: ast.AST) -> List[str]:
    """What a grammar check lets pass: modules and arguments that Python 3.6 does not have."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return ["from __future__ import " + alias.name for alias in node.names if alias.name == "annotations"]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        return [name for name in names if name in ("dataclasses", "contextvars", "importlib.resources")]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "subprocess":
            return [str(word.arg) for word in node.keywords if word.arg in ("capture_output", "text")]
    return []


def test_no_mocks() -> None:
    """Tests use fakes that work, not patched names: no test imports mock."""
    broken = []
    for module, path in find_modules("tests", os.path.join(REPO, "tests")):
        with open(path, encoding="utf-8") as file:
            imports = list(read_imports(file.read(), module=module, is_package=False))
        broken += [
            each.importer for each in imports if within(each.imported, "mock", "unittest.mock", "pytest_mock")
        ]
    assert not broken
