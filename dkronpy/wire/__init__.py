"""The JSON of our own HTTP routes, as the server writes it and the client over HTTP reads it."""
