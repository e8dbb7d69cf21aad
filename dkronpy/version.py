"""The version, as a constant: reading package metadata would cost the command line 40 ms."""

VERSION = "0.1.0"
