"""The conversation: its slash commands, its input line, and replies that become records."""
