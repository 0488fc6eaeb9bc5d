"""A small language model that reasons and answers in your own language: curate, train, chat."""

__version__ = "0.1.0"
