"""Models and runs on the disk: where a base comes from, what an adapter's folder holds, and what is exported."""
