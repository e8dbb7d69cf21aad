"""From a due time to executions on nodes: which nodes, until when, with which message."""
