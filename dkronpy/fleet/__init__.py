"""A fleet is the jobs that one source, such as a folder of configuration, declares and owns: what applying it would
change, what that means in time, and doing it.
"""
