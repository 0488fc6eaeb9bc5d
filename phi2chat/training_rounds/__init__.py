"""Trainings held against each other: which is best, what changed, and which choice brought it."""
