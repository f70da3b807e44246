"""The four commands, each a story in one function."""
