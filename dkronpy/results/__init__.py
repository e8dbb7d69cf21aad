"""Where finished runs, their executions and their output are kept: one interface, Redis or SQL behind it."""
