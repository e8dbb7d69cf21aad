"""The notifiers that come with dkronpy, one file each; found by name, as a stranger's are."""
