"""What people see and type: the screen, safe text, the editor, the form, and Ctrl-C."""
