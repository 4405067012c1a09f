"""Describes the machine and the versions that a measurement ran on."""

import os
import platform
import re
import subprocess
from typing import Dict, List


def describe_machine(versions: Dict[str, str], *, repo: str) -> Dict[str, str]:
    """Everything that the numbers depend on: name -> description."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {
        "CPU": f"{_cpu_model()}, {cores} cores",
        "CPU features": _cpu_features(),
        "memory": f"{memory_bytes / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load average at the start": f"{os.getloadavg()[0]:.1f} (1 minute)",
    }
    gpu = _output_of(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    if gpu:
        described["GPU, driver"] = gpu.splitlines()[0]
    described.update(versions)
    version = described.get("donkey-sagemaker", "")
    described["donkey-sagemaker"] = f"{version} {_commit(repo)}".strip()
    return described


def _cpu_model() -> str:
    if platform.system() == "Darwin":
        return _output_of(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    try:
        with open("/proc/cpuinfo") as file:
            model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", file.read(), re.MULTILINE)
    except OSError:
        model = None
    return model.group(1) if model else platform.processor() or platform.machine()


def _cpu_features() -> str:
    """The widest instructions for nets that the CPU has, by the names that Linux gives them."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = set(file.read().split())
    except OSError:
        flags = set()
    if "amx_tile" in flags:
        flags.discard("avx512_bf16")  # AMX is wider
    known = {
        "avx2": "AVX2",
        "avx512_vnni": "AVX512-VNNI",
        "avx512_bf16": "AVX512-BF16",
        "amx_tile": "AMX",
        "asimd": "NEON",
        "sve": "SVE",
    }
    return ", ".join(name for flag, name in known.items() if flag in flags) or platform.machine()


def _commit(repo: str) -> str:
    name = _output_of(["git", "-C", repo, "describe", "--always", "--dirty"])
    return f"(commit {name})" if name else ""


def _output_of(command: List[str]) -> str:
    """What a command prints, or nothing if it is missing or fails."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
