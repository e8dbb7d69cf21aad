"""Jobs out of what other schedulers have, each with a report of what could not be kept."""
