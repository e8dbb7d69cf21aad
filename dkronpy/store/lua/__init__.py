"""The atomic steps of the store, a file each."""
