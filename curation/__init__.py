"""The data side of phi2chat: records, their checks, their storage and their split. Never imports torch."""
