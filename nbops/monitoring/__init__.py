"""Whether models in use still do what they were approved for: what is looked at by which policy, and what comes of it."""
