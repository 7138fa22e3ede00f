"""Clock, network, disk, secrets and logs: all that a plug-in may touch."""
