"""Was anything lost? Jobs that write down what they do, a history of it all, and a judge of that history."""
