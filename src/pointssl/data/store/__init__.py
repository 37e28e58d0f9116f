"""The packed store: memory-mapped shards with a manifest, written in parallel and resumably."""
