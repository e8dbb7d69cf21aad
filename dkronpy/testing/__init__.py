"""What plugin authors test with: an execution context without a server or an agent."""
