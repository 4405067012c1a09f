"""Reads the tubs of every donkeycar version in the same way, and packs them into shards for the bucket."""
