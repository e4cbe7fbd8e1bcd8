"""The harness: loads, runs and times training algorithms."""
