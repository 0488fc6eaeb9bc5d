"""From a prompt to a reply: the one format, generation, the guard, and what makes it fast."""
