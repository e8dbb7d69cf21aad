"""One module per processor; each is found through its line under ``dkronpy.processors`` in setup.cfg."""
