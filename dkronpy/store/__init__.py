"""Redis: the job store, the ledger, the nodes and the live output; every key is named in ``keys``."""
