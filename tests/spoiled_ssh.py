"""In place of ssh: runs the command for the host on this machine, and spoils what it answers.

    python spoiled_ssh.py SEED HOME ... COMMAND

HOME is the home folder of the host. Uses only the standard library.
"""

import os
import random
import re
import subprocess
import sys
import threading

WORDS = [b"null", b"-1", b"1e400", b"true", b'"\\u0000"', b"[]", b"{}", b"[[1]]", b'"../../x"', b"9" * 400]


def spoil(line: bytes, dice: random.Random) -> bytes:
    """Another value, another letter, a part of it, or twice as much."""
    kind = dice.randrange(5)
    if kind == 0:
        values = list(re.finditer(rb'"[^"]*"|\d+|true|false|null|\[\]|\{\}', line))
        if values:
            value = dice.choice(values)
            return line[: value.start()] + dice.choice(WORDS) + line[value.end() :]
    if kind == 1 and len(line) > 1:
        place = dice.randrange(len(line) - 1)
        return line[:place] + bytes([dice.randrange(256)]) + line[place + 1 :]
    if kind == 2:
        return line[: dice.randrange(len(line) + 1)]
    if kind == 3:
        return line + line
    return line


def main() -> None:
    seed, home, *words = sys.argv[1:]
    dice = random.Random(int(seed))
    process = subprocess.Popen(
        ["sh", "-c", words[-1]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ, HOME=home),
        cwd=home,
        bufsize=0,
    )

    def pass_on() -> None:
        for block in iter(lambda: os.read(0, 1 << 16), b""):
            try:
                process.stdin.write(block)
            except OSError:
                break
        process.stdin.close()

    threading.Thread(target=pass_on, daemon=True).start()
    for line in iter(process.stdout.readline, b""):
        try:
            os.write(1, spoil(line, dice) if dice.random() < 0.15 else line)
        except OSError:
            break
    process.kill()
    process.wait()
    os._exit(0)  # the thread may wait for input that never comes


if __name__ == "__main__":
    main()
