"""Packs the car's side, with the trainer (container/) and the templates inside the package.

There is no pyproject.toml on purpose: see setup.cfg.
"""

import os
import re
from typing import Dict

from setuptools import setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(path: str) -> str:
    with open(os.path.join(HERE, path), encoding="utf-8") as file:
        return file.read()


def find_packages(folder: str, name: str) -> Dict[str, str]:
    """{package: folder} of a folder and all below it; one without an __init__.py holds data only."""
    packages: Dict[str, str] = {}
    for path, folders, _files in os.walk(os.path.join(HERE, folder)):
        folders[:] = [each for each in folders if each != "__pycache__"]
        inside = os.path.relpath(path, HERE).replace(os.sep, "/")
        packages[(name + inside[len(folder) :]).replace("/", ".")] = inside
    return packages


PACKAGES: Dict[str, str] = {}
PACKAGES.update(find_packages("donkey_sagemaker", "donkey_sagemaker"))
PACKAGES.update(find_packages("container", "donkey_sagemaker.container"))
PACKAGES.update(find_packages("templates", "donkey_sagemaker.templates"))

setup(
    name="donkey-sagemaker",
    version=re.findall(r'^__version__ = "(.+)"$', read("donkey_sagemaker/__init__.py"), re.MULTILINE)[0],
    description="Trains a donkeycar's driving model on AWS SageMaker and installs it on the car",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    author="donkey-sagemaker contributors",
    license="MIT",
    license_files=["LICENSE"],
    project_urls={"donkeycar": "https://www.donkeycar.com"},
    keywords="donkeycar sagemaker aws tensorflow self-driving",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Education",
        "License :: OSI Approved :: MIT License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.6",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.6",
    install_requires=[
        "boto3>=1.23.10",
        "rich>=12.6",
        "segno>=1.6",
        "importlib-metadata>=4.8; python_version < '3.8'",
    ],
    extras_require={"tune": ["optuna>=3.0.6"]},  # the last for Python 3.6
    packages=sorted(PACKAGES),
    package_dir=PACKAGES,
    package_data={"": ["*"]},
    entry_points={"console_scripts": ["donkey-sagemaker = donkey_sagemaker.__main__:main"]},
)
