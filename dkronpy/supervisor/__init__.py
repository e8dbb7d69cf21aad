"""What `dkronpy up` is made of: a store of its own, the roles as child processes, their health, their progress."""
