"""One module per executor; each is found through its line under ``dkronpy.executors`` in setup.cfg."""
