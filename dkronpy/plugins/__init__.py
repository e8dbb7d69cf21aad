"""The three kinds of plugin: executors do the work, processors handle output, notifiers tell people."""
