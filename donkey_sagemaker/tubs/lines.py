"""The lines of a catalog one by one: one with a lidar's scans may have hundreds of megabytes."""

from typing import Iterator, List, NamedTuple, Tuple

BLOCK_BYTES = 16 * 2**20


class Block(NamedTuple):
    """Whole lines of a text."""

    start: int
    end: int
    line: int  # the number of the first line, counted from 1


def make_blocks(text: bytes) -> List[Block]:
    """Divides a text into at least one block, each of at most BLOCK_BYTES unless a single line is longer."""
    blocks = []
    start, line = 0, 1
    while len(text) - start > BLOCK_BYTES:
        end = text.rfind(b"\n", start, start + BLOCK_BYTES) + 1 or text.find(b"\n", start) + 1 or len(text)
        blocks.append(Block(start, end, line))
        line += text.count(b"\n", start, end)
        start = end
    return blocks + [Block(start, len(text), line)]


def read_lines(text: bytes, block: Block) -> Iterator[Tuple[int, bytes]]:
    """The lines of a block, each with its number, without copying the text as a whole."""
    number, start = block.line, block.start
    while start < block.end:
        end = text.find(b"\n", start, block.end)
        end = block.end if end < 0 else end
        yield number, text[start:end]
        number, start = number + 1, end + 1
