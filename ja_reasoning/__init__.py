"""Writes datasets/ja-reasoning/, Japanese records with reasoning; see README.md. Not in the wheel."""
