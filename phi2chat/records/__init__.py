"""The commands of `phi2chat curate` and what they share: records written, checked, changed and shown."""
