"""donkeycar tubs, read alike whatever car recorded them, and cut into shards for the bucket."""
