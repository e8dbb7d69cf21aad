"""The command line: a module per noun, imported when its command is used."""
