"""The client over HTTP: what ``dkronpy.client.Client`` does on the store, done by a server's routes."""
