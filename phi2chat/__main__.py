"""`python -m phi2chat`."""

from phi2chat.cli import main

main()
